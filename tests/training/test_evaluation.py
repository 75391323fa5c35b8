from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from runs import a_recipe, a_run, some_bars

from training import baselines, report
from training.dataset import Samples, panel
from training.evaluation import Comparison, Evaluation, judge


@pytest.fixture(scope="module")
def samples():
    made = panel(some_bars(symbols=6, bars=800), a_recipe())
    return Samples(made, made.ends_N)


def judged(samples: Samples, predicted: npt.ArrayLike):
    return judge({"return_1": predicted.astype(np.float32)}, baselines.learn(samples), samples, "made")


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
