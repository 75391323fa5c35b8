import numpy as np
import pytest
from builders import HOUR

from training.explain.estimate import Draws

TIMES = np.arange(600) * HOUR.ms


def test_the_mean_of_a_group_lies_within_its_interval():
    values = np.random.default_rng(0).normal(3.0, 1.0, 600)
    some = np.arange(600) % 2 == 0
    found = Draws(TIMES, HOUR, 24, 1).mean(values, some)
    assert found.value == pytest.approx(values[some].mean())
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    assert found.predictions == 300


def test_a_difference_that_is_there_lies_apart_from_zero_and_one_that_is_not_does_not():
    drawn = np.random.default_rng(1)
    one = np.arange(600) % 2 == 0
    values = drawn.normal(0.0, 1.0, 600)
    draws = Draws(TIMES, HOUR, 24, 1)
    assert draws.difference(values + one, one, ~one).above_zero
    assert not draws.difference(values, one, ~one).apart_from_zero


def test_too_little_time_gives_no_interval_and_says_so():
    found = Draws(TIMES[:100], HOUR, 48, 1).mean(np.ones(100))
    assert (found.low, found.high) == (None, None)
    assert "too little time" in found.told()
    assert not found.apart_from_zero


def test_few_predictions_over_a_long_time_have_blocks_of_time_too():
    assert Draws(TIMES[::10], HOUR, 24, 1).blocks == Draws(TIMES[:591], HOUR, 24, 1).blocks
