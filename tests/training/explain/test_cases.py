import numpy as np
import pytest
from looks import silent

from core.errors import DataError
from training.explain import cases, explaining, text
from training.explain.cases import iso
from training.explain.explaining import Asked, Explained
from training.explain.predictions import Predictions


def an_hour_of(of: Predictions, row: int) -> int:
    return int(of.samples.opened_at_ms[row])


def test_cases_are_right_and_wrong_sure_and_unsure_calm_and_volatile(honest: Explained):
    kinds = {kind for case in honest.report.cases for kind in case.kinds}
    assert kinds >= {"true positive", "true negative", "false positive", "false negative"}
    assert kinds >= {"most confident", "least confident", "calmest", "most volatile"}
    for case in honest.report.cases:
        if "true negative" in case.kinds:
            assert (case.said, case.correct) == ("down", True)
            assert case.outcome is not None
            assert case.outcome < 0
        if "false positive" in case.kinds:
            assert (case.said, case.correct) == ("up", False)


def test_every_moved_bar_is_one_of_the_four_cases(explained: Explained):
    of = explained.predictions
    told = np.sum(list(cases.truths(of).values()), axis=0)
    assert told.tolist() == (np.isfinite(of.outcome_N) & (of.outcome_N != 0)).astype(int).tolist()
    assert sum(explained.report.counts.values()) == told.sum()


def test_a_case_tells_the_top_bars_with_their_times_and_features(explained: Explained):
    case = explained.report.cases[0]
    look, of = case.looks[0], explained.predictions
    weights = np.array(look.weights)
    assert weights == pytest.approx(of.looks[0].profile_NT[case.row])
    assert [step.weight for step in look.top] == sorted(weights.tolist(), reverse=True)[:5]
    step = look.top[0]
    assert step.opened_at == iso(an_hour_of(of, case.row) - step.bars_ago * of.panel.interval.ms)
    row = int(of.samples.ends_N[case.row]) - step.bars_ago
    shown = step.features[0]
    assert shown.value == pytest.approx(float(of.panel.features_RF[row, of.panel.features.names.index(shown.name)]))
    assert [one.rank for one in look.features] == [1, 2, 3]
    assert look.concentration_factor == pytest.approx(weights.max() / weights.mean(), rel=1e-5)


def test_even_attention_gives_every_feature_its_even_importance():
    away = np.random.default_rng(0).normal(0, 1, (50, 8, 3))
    found = cases.importances(("a", "b", "c"), np.full((50, 8), 1 / 8), away)
    assert [one.lift for one in found] == pytest.approx([1, 1, 1])


def test_the_prediction_that_is_asked_for_comes_first_even_before_its_outcome_is_known(
    explained: Explained, bars_path: object
):
    of = explained.predictions
    newest = int(of.panel.opened_at_ms_R.max())
    assert newest > an_hour_of(of, len(of) - 1)
    told = explaining.explain(of.subject, bars_path, None, 20, Asked("S3", newest), silent)
    case = told.report.cases[0]
    assert (case.kinds[0], case.symbol, case.opened_at) == ("asked for", "S3", iso(newest))
    assert (case.outcome, case.correct) == (None, None)
    assert "Actual: not known yet" in text.case(case, told.report)


def test_a_window_of_the_training_part_can_be_asked_for(explained: Explained, bars_path: object):
    of = explained.predictions
    early = int(of.panel.opened_at_ms_R[of.panel.ends_N[0]])
    told = explaining.explain(of.subject, bars_path, None, 20, Asked("S0", early), silent)
    assert told.report.cases[0].opened_at == iso(early)


def test_what_is_not_there_is_refused_with_the_nearest(explained: Explained):
    samples = explained.predictions.samples
    with pytest.raises(DataError, match="it has S0, S1"):
        cases.with_asked(samples, "NONE", 0)
    with pytest.raises(DataError, match="the nearest is 20"):
        cases.with_asked(samples, "S0", 1)
    with pytest.raises(DataError, match="is no time"):
        cases.parse_time("yesterday")


def test_a_time_without_a_zone_is_utc():
    assert cases.parse_time("2024-05-20T13:00Z") == cases.parse_time("2024-05-20 13:00")
    assert cases.parse_time("2024-05-20T13:00+02:00") == cases.parse_time("2024-05-20T11:00")


def test_the_report_of_a_prediction_says_what_the_document_asks_for(explained: Explained):
    told = text.case(explained.report.cases[0], explained.report)
    for words in (
        "PREDICTION ANALYSIS REPORT",
        "Symbol: S",
        "Class: UP",
        "Confidence: ",
        "Prediction correct: ",
        "Pattern: ",
        "Mean weight: 0.1250",
        "Max weight: ",
        "Concentration factor: ",
        "TOP 5 IMPORTANT BARS",
        "log_return_1: ",
    ):
        assert words in told
