import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.judging.scores import MEASURES, Forecasts


def score(measure: str, predicted: npt.ArrayLike, actual: npt.ArrayLike, moments: npt.ArrayLike | None = None) -> float:
    moment = np.arange(len(actual)) if moments is None else np.asarray(moments)
    forecasts = Forecasts(np.asarray(predicted, float), np.asarray(actual, float), moment)
    return float(MEASURES[measure].value(MEASURES[measure].terms(forecasts).sum(axis=0)))


def test_errors_are_means_over_samples():
    assert score("mse", [1, 2], [0, 4]) == 2.5
    assert score("rmse", [1, 2], [0, 4]) == pytest.approx(2.5**0.5)
    assert score("mae", [1, 2], [0, 4]) == 1.5


numbers = arrays(float, 20, elements=st.floats(-1e-2, 1e-2).map(lambda x: round(x, 6)), unique=True)


@settings(max_examples=50)
@given(numbers, numbers)
def test_correlation_is_that_of_numpy(predicted: npt.ArrayLike, actual: npt.ArrayLike):
    expected = np.corrcoef(predicted, actual)[0, 1]
    assert score("correlation", predicted, actual) == pytest.approx(expected, abs=1e-6)


def test_a_constant_forecast_has_no_correlation():
    assert np.isnan(score("correlation", np.full(50, 0.1), np.random.default_rng(0).normal(size=50)))


def test_direction_counts_the_share_of_right_signs_and_passes_over_moves_of_zero():
    assert score("direction", [1, 1, -1, 0, 1], [2, -2, -2, 3, 0]) == pytest.approx(2 / 4)


def test_ic_is_the_mean_over_moments_of_the_correlation_across_symbols():
    random = np.random.default_rng(1)
    predicted, actual = random.normal(size=(2, 3, 6))
    moments = np.repeat(np.arange(3), 6)
    expected = np.mean([np.corrcoef(p, a)[0, 1] for p, a in zip(predicted, actual, strict=True)])
    assert score("ic", predicted.ravel(), actual.ravel(), moments) == pytest.approx(expected)


def test_rank_ic_is_the_ic_of_ranks_and_ties_share_theirs():
    predicted, actual = [1.0, 2, 3, 100, 5], [10.0, 20, 30, 40, 35]
    # Ranks 0 1 2 4 3 and 0 1 2 4 3.
    assert score("rank_ic", predicted, actual, [0] * 5) == pytest.approx(1)
    assert score("ic", predicted, actual, [0] * 5) < 0.8
    tied = [1.0, 1, 2, 2, 3]
    expected = np.corrcoef([0.5, 0.5, 2.5, 2.5, 4], [0, 1, 2, 4, 3])[0, 1]
    assert score("rank_ic", tied, [10, 20, 30, 40, 35], [0] * 5) == pytest.approx(expected)


def test_rank_ic_ranks_each_moment_alone_in_whatever_order_they_come():
    random = np.random.default_rng(1)
    predicted, actual = random.normal(size=(2, 3, 6))
    ranks = [
        np.corrcoef(p.argsort().argsort(), a.argsort().argsort())[0, 1] for p, a in zip(predicted, actual, strict=True)
    ]
    moments, order = np.repeat(np.arange(3), 6), random.permutation(18)
    shuffled = (predicted.ravel()[order], actual.ravel()[order], moments[order])
    assert score("rank_ic", *shuffled) == pytest.approx(np.mean(ranks))


def test_ic_is_not_defined_between_few_symbols():
    assert np.isnan(score("ic", [1, 2, 3, 4], [1, 3, 2, 4], [0, 0, 0, 0]))


chances = arrays(float, 60, elements=st.floats(0, 1).map(lambda x: round(x, 3)))
events = arrays(np.int64, 60, elements=st.integers(0, 1))


@settings(max_examples=50)
@given(chances, events)
def test_the_area_under_the_curve_is_the_chance_of_ranking_an_event_above_no_event(
    predicted: npt.NDArray[np.float64], actual: npt.NDArray[np.int64]
):
    above = predicted[actual == 1][:, None] - predicted[actual == 0]
    if above.size:
        expected = ((above > 0) + 0.5 * (above == 0)).mean()
        assert score("auc", predicted, actual) == pytest.approx(expected, abs=1e-9)
    else:
        assert np.isnan(score("auc", predicted, actual))


def test_precision_recall_and_f1_count_what_was_foretold_and_what_came():
    predicted, actual = [0.9, 0.8, 0.7, 0.2, 0.1], [1, 0, 1, 1, 0]
    assert score("precision", predicted, actual) == pytest.approx(2 / 3)
    assert score("recall", predicted, actual) == pytest.approx(2 / 3)
    assert score("f1", predicted, actual) == pytest.approx(2 / 3)
    assert score("accuracy", predicted, actual) == pytest.approx(3 / 5)
    assert score("brier", predicted, actual) == pytest.approx((0.01 + 0.64 + 0.09 + 0.64 + 0.01) / 5)


def test_the_calibration_error_is_how_far_frequencies_are_from_what_was_said():
    assert score("calibration", [0.25] * 4, [1, 0, 0, 0]) == pytest.approx(0)
    assert score("calibration", [0.95] * 2 + [0.05] * 2, [1, 0, 0, 0]) == pytest.approx((2 * 0.45 + 2 * 0.05) / 4)
    assert score("calibration", [1.0, 0.0], [1, 0]) == 0


def test_ordered_classes_are_judged_by_the_likeliest_and_by_how_far_off():
    near, far = np.array([[0.0, 1.0, 0.0]]), np.array([[0.0, 0.0, 1.0]])
    assert score("accuracy", near, [1]) == 1
    assert score("accuracy", near, [0]) == score("accuracy", far, [0]) == 0
    assert (score("rps", near, [0]), score("rps", far, [0])) == (1.0, 2.0)


def test_quantiles_are_judged_by_their_loss_and_by_how_often_they_hold_the_outcome():
    said = np.array([[-1.0, 0.0, 1.0]] * 4)
    forecasts = Forecasts(said, np.array([0.0, 0.5, -2.0, 3.0]), np.arange(4), (0.1, 0.5, 0.9))
    assert float(MEASURES["coverage"].value(MEASURES["coverage"].terms(forecasts).sum(axis=0))) == 0.5
    # At 0: 0.1 x 1 + 0 + 0.1 x 1.
    assert MEASURES["pinball"].terms(forecasts)[0, 0] == pytest.approx(0.2 / 3)


def test_a_deviation_is_best_where_it_is_that_of_the_outcomes():
    outcomes = 0.02 * np.random.default_rng(3).standard_normal(4_000)
    losses = {said: score("qlike", np.full(4_000, said), outcomes) for said in (0.01, 0.02, 0.04)}
    assert min(losses, key=lambda said: losses[said]) == 0.02
