"""A look is told over the steps that are there."""

import numpy as np
import pytest
from builders import HOUR

from core.bars import TimeArray
from daemon.predicting.gazing import gazes

OPENED: TimeArray = np.array([400_000, 400_001]) * HOUR.ms


def test_a_young_window_is_told_as_one_that_has_no_more_room():
    weights = np.zeros((2, 2, 12), np.float32)
    weights[0], weights[1, :, 8:] = 1 / 12, np.array([0.1, 0.2, 0.3, 0.4])
    whole, young = gazes(weights, OPENED, 6, HOUR, 0, np.array([12, 4]))
    (alone,) = gazes(weights[1:, :, 8:].copy(), OPENED[1:], 6, HOUR, 0, np.array([4]))
    assert (young.entropy, young.concentration, young.shares) == (alone.entropy, alone.concentration, alone.shares)
    assert young.top == alone.top
    assert [step.bars_ago for step in young.top] == [0, 1, 2, 3]
    assert whole.entropy == pytest.approx(1.0)
    assert young.shape == whole.shape == (2, 12)


def test_the_steps_of_a_window_that_lags_open_earlier():
    weights = np.full((1, 3), 1 / 3, np.float32)
    (look,) = gazes(weights, OPENED[:1], 3, HOUR, 2, np.array([3]))
    assert [step.opened_at_ms for step in look.top] == [(399_998 - ago) * HOUR.ms for ago in range(3)]
