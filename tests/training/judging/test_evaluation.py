from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from runs import a_recipe, a_run, some_bars

from core.bands import Margin
from core.errors import DataError
from training.data.dataset import Samples
from training.data.panel import panel
from training.judging import baselines
from training.judging.evaluation import Comparison, Evaluation, judge, traded
from training.telling import report


@pytest.fixture(scope="module")
def samples():
    made = panel(some_bars(symbols=6, bars=800), a_recipe())
    return Samples(made, made.ends_N)


def judged(samples: Samples, predicted: npt.ArrayLike):
    return judge({"return_1": predicted.astype(np.float32)}, baselines.learn(samples), samples, "made")


def zeros(samples: Samples):
    return {"return_1": np.zeros(len(samples), np.float32)}


def value(evaluation: Evaluation, measure: str, predictor: str):
    (score,) = [s for s in evaluation.scores if (s.measure, s.predictor) == (measure, predictor)]
    return score


def test_foresight_is_better_than_every_baseline(samples: Samples):
    found = judged(samples, samples.target(samples.panel.outputs[0]))
    assert value(found, "mse", "model").value == pytest.approx(0, abs=1e-12)
    assert value(found, "ic", "model").value == pytest.approx(1)
    assert [comparison.verdict for comparison in found.comparisons] == ["better than"] * 4


def test_a_guess_is_not_distinguishable_from_the_majority_and_worse_than_zero(samples: Samples):
    guess = 0.01 * np.random.default_rng(8).standard_normal(len(samples))
    verdicts = {of.baseline: of.verdict for of in judged(samples, guess).comparisons}
    assert verdicts == {"majority": "not distinguishable from"} | dict.fromkeys(
        ("zero", "linear", "boosting"), "worse than"
    )


def test_zero_against_zero_is_not_distinguishable(samples: Samples):
    found = judged(samples, np.zeros(len(samples)))
    assert value(found, "rmse", "model").value == value(found, "rmse", "zero").value
    (against_zero,) = [of for of in found.comparisons if of.baseline == "zero"]
    assert (against_zero.difference, against_zero.low, against_zero.high) == (0, 0, 0)
    assert against_zero.verdict == "not distinguishable from"


def test_every_score_lies_in_its_interval_and_stands_beside_its_baselines(samples: Samples):
    found = judged(samples, 0.001 * np.random.default_rng(9).standard_normal(len(samples)))
    assert all(score.low <= score.value <= score.high for score in found.scores)
    predictors = {m: {s.predictor for s in found.scores if s.measure == m} for m in ("mse", "direction")}
    learned = {"model", "persistence", "linear", "boosting"}
    assert predictors == {"mse": learned | {"zero"}, "direction": learned | {"majority"}}


@pytest.mark.parametrize(
    ("measure", "low", "high", "verdict"),
    [
        ("mse", -2.0, -1.0, "better than"),
        ("mse", 1.0, 2.0, "worse than"),
        ("direction", 0.01, 0.02, "better than"),
        ("direction", -0.01, 0.02, "not distinguishable from"),
    ],
)
def test_the_verdict_knows_which_way_is_better(measure: str, low: float, high: float, verdict: str):
    assert Comparison("return_1", measure, "zero", (low + high) / 2, low, high).verdict == verdict


EVERY_KIND = 'label.kind=["return", "direction", "trend", "winner", "buckets", "quantiles", "deviation"]'


def test_every_kind_of_output_is_judged_beside_a_baseline_and_told_in_words(bars_path: Path, tmp_path: Path):
    """What a random walk gives: nothing that beats what was most frequent or usual by a margin."""
    trained = a_run(a_recipe(EVERY_KIND, "label.horizons=[2]", "label.threshold=0.01"), bars_path, tmp_path / "run")
    kinds = {score.output: set() for score in trained.scores}
    for found in trained.scores:
        kinds[found.output].add(found.predictor)
        assert found.low <= found.value <= found.high or found.measure == "calibration"
    assert len(kinds) == 7
    assert all(len(predictors) > 1 for predictors in kinds.values())
    assert {of.output for of in trained.evaluation.comparisons} == set(kinds)
    sentences = report.verdicts(trained.evaluation)
    assert any("buckets" not in told and "what was most frequent" in told for told in sentences)


def test_an_event_always_said_with_its_frequency_is_as_good_as_the_majority():
    made = panel(some_bars(symbols=6, bars=800), a_recipe("label.kind=winner", "label.threshold=0.005"))
    some = Samples(made, made.ends_N)
    share = some.target(made.outputs[0]).mean()
    said = {"probability_1": np.full(len(some), share, np.float32)}
    found = judge(said, baselines.learn(some), some, "made")
    against = {of.verdict for of in found.comparisons if of.baseline == "majority"}
    assert against == {"not distinguishable from"}
    assert value(found, "auc", "model").value == pytest.approx(0.5)


def test_windows_that_end_at_one_moment_alone_give_no_score():
    made = panel(some_bars(symbols=40, bars=120), a_recipe())
    last = made.opened_at_ms_R[made.ends_N].max()
    some = Samples(made, made.ends_N[made.opened_at_ms_R[made.ends_N] == last])
    assert len(some) == 40
    with pytest.raises(DataError, match=r"end at 1 different times.*try: more bars"):
        judged(some, np.zeros(len(some)))


def test_scores_apart_are_those_of_the_windows_of_each_part(samples: Samples):
    said = {"return_1": (0.01 * np.random.default_rng(1).standard_normal(len(samples))).astype(np.float32)}
    found = judge(said, baselines.learn(samples), samples, "made", by=("regime", "symbol"))
    assert [part.name for part in found.parts] == ["calm", "usual", "wild", *(f"S{number}" for number in range(6))]
    assert sum(part.windows for part in found.parts if part.by == "regime") == len(samples)
    actual, symbols = samples.target(samples.panel.outputs[0]), samples.panel.symbol_R[samples.ends_N]
    wild, second = found.parts[2], found.parts[4]
    for part, mask in ((second, symbols == 1), (wild, samples.volatility > np.quantile(samples.volatility, 2 / 3))):
        scored = {(s.measure, s.predictor): s for s in part.scores}
        assert scored["mae", "model"].value == pytest.approx(np.abs(said["return_1"] - actual)[mask].mean(), rel=1e-6)
        assert scored["mae", "zero"].value == pytest.approx(np.abs(actual)[mask].mean())
        assert all(s.low < s.value < s.high for s in part.scores if s.measure == "mae")
    assert not any(s.measure == "ic" for s in second.scores)
    assert any(s.measure == "ic" for s in wild.scores)


def test_a_part_that_lies_in_one_block_of_time_has_no_interval_and_so_no_score(samples: Samples):
    """All windows are those of symbol 1, but for the last moment's: nothing can be drawn there but itself."""
    owner_R = np.ones(len(samples.panel.symbol_R), np.int32)
    owner_R[samples.ends_N[samples.opened_at_ms == samples.opened_at_ms.max()]] = 0
    some = Samples(msgspec.structs.replace(samples.panel, symbol_R=owner_R), samples.ends_N)
    first, second = judge(zeros(some), baselines.learn(some), some, "made", by=("symbol",)).parts
    assert (first.windows, first.scores) == (6, ())
    assert second.scores


def test_bands_are_told_to_hold_what_they_state_or_to_be_too_narrow(samples: Samples):
    actual = samples.target(samples.panel.outputs[0])
    wide = float(np.quantile(np.abs(actual), 0.9))
    margins = (
        Margin("return_1", 0.9, wide, 999),
        Margin("return_1", 0.95, wide / 2, 999),
        Margin("return_1", 0.8, wide, 9),
    )
    found = judge({"return_1": np.zeros(len(samples), np.float32)}, baselines.learn(samples), samples, "made", margins)
    assert value(found, "band_90", "model").value == pytest.approx(0.9, abs=0.001)
    said = report.verdicts(found)
    assert any("bands of 90 % held 90.0 %" in one and one.endswith("as stated.") for one in said)
    assert any("bands of 95 % held" in one and one.endswith("too narrow.") for one in said)
    assert any("bands of 80 % held" in one and one.endswith("too wide.") for one in said)


def test_the_curve_of_a_probability_lies_on_the_diagonal_where_it_is_true_and_off_it_where_it_is_not():
    made = panel(some_bars(symbols=6, bars=800), a_recipe("label.kind=direction"))
    some, random = Samples(made, made.ends_N), np.random.default_rng(0)
    truth = random.uniform(0.1, 0.9, len(some))
    made.targets["direction_1"][made.ends_N] = random.uniform(size=len(some)) < truth
    said = {
        "direction_1": truth.astype(np.float32),
        "plain.direction_1": np.where(truth > 0.5, 0.95, 0.05).astype(np.float32),
    }
    found = judge(said, baselines.learn(some), some, "made")
    (own,) = (one for one in found.curves if one.predictor == "model")
    (plain,) = (one for one in found.curves if one.predictor == "uncalibrated")
    assert [round(at.said, 1) for at in own.points] == pytest.approx(np.arange(0.15, 0.9, 0.1), abs=0.051)
    assert sum(at.windows for at in own.points) == len(some)
    assert all(at.low - 0.03 < at.said < at.high + 0.03 for at in own.points)
    assert not any(at.low < at.said < at.high for at in plain.points)
    assert value(found, "calibration", "model").value < 0.03 < value(found, "calibration", "uncalibrated").value
    assert "uncalibrated" in str(report.calibration(found).columns[1]._cells)


def test_the_curve_of_quantiles_counts_outcomes_below_each_level():
    made = panel(some_bars(symbols=4), a_recipe("label.kind=quantiles", "label.levels=[0.1, 0.5, 0.9]"))
    some = Samples(made, made.ends_N)
    said = {"quantiles_1": np.tile(np.float32([-9.0, 0.0, 9.0]), (len(some), 1))}
    (own,) = (one for one in judge(said, baselines.learn(some), some, "made").curves if one.predictor == "model")
    below = (some.target(made.outputs[0]) <= 0).mean()
    assert [(at.said, at.came) for at in own.points] == [
        (pytest.approx(0.1), 0.0),
        (0.5, pytest.approx(below)),
        (pytest.approx(0.9), 1.0),
    ]


def test_trading_takes_every_window_also_those_whose_label_is_not_known():
    """A dead zone hides small moves from the scores: leaving them out of trading would know the future."""
    made = panel(some_bars(symbols=2), a_recipe('label.kind=["direction", "return"]', "label.dead_zone=0.005"))
    some = Samples(made, made.ends_N)
    assert len(some.known(made.outputs[0])) < len(some)
    said = {"direction_1": np.full(len(some), 0.9, np.float32), "return_1": np.full(len(some), 0.9, np.float32)}
    (own, *_) = traded(said, baselines.learn(some), some, 5.0, 1)
    assert own.turnover < 0.01


def test_nothing_is_traded_where_no_cost_is_told(samples: Samples):
    assert traded(zeros(samples), baselines.learn(samples), samples, 0.0, 1) == ()


def test_an_interval_ends_where_scores_end():
    """Two blocks of time widen an interval by a factor of six: no share may pass one for that."""
    made = panel(some_bars(symbols=6, bars=90), a_recipe("label.kind=direction"))
    late_N = made.number_R[made.ends_N] > made.number_R.max() - 12
    some = Samples(made, made.ends_N[late_N])
    guess = np.random.default_rng(2).uniform(size=len(some)).astype(np.float32)
    found = judge({"direction_1": guess}, baselines.learn(some), some, "made")
    assert all(0 <= one.low <= one.value <= one.high <= 1 for one in found.scores)
    assert any(one.low == 0 for one in found.scores)
