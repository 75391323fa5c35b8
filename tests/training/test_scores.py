import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.scores import MEASURES, Forecasts


def score(measure: str, predicted: npt.ArrayLike, actual: npt.ArrayLike, moments: npt.ArrayLike | None = None) -> float:
    moment = np.arange(len(actual)) if moments is None else np.asarray(moments)
    forecasts = Forecasts(np.asarray(predicted, float), np.asarray(actual, float), moment)
    return float(MEASURES[measure].value(MEASURES[measure].terms(forecasts).sum(axis=0)))


def test_errors_are_means_over_samples():
    assert score("mse", [1, 2], [0, 4]) == 2.5
    assert score("rmse", [1, 2], [0, 4]) == pytest.approx(2.5**0.5)
    assert score("mae", [1, 2], [0, 4]) == 1.5


numbers = arrays(float, 20, elements=st.floats(-1e-2, 1e-2).map(lambda x: round(x, 6)), unique=True)


@settings(max_examples=50, deadline=None)
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


def test_ic_is_not_defined_between_few_symbols():
    assert np.isnan(score("ic", [1, 2, 3, 4], [1, 3, 2, 4], [0, 0, 0, 0]))
