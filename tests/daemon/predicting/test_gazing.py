"""A look is told over the steps that are there."""

import msgspec
import numpy as np
import pytest
from builders import HOUR, a_message

from core.bars import TimeArray
from core.inputs import Counts
from core.prediction import Gaze, Message, decode
from daemon.ports import Float32s
from daemon.predicting.batch import NOBODY
from daemon.predicting.gazing import gazes
from daemon.predicting.words import Form

OPENED: TimeArray = np.array([400_000, 400_001]) * HOUR.ms


def told(weights: Float32s, opened_N: TimeArray, top: int, lag: int = 0, reach_N: Counts = NOBODY) -> list[Gaze]:
    """What messages say of these looks."""
    form = Form(len(weights))
    gaze, _ = gazes(form, weights, opened_N.tolist(), top, HOUR, lag, reach_N)
    usual = a_message()
    words = form.words(Message(msgspec.structs.replace(usual.prediction, gaze={"attention": gaze}), usual.context))
    return [decode(one).prediction.gaze["attention"] for one in words]


def test_a_young_window_is_told_as_one_that_has_no_more_room():
    weights = np.zeros((2, 2, 12), np.float32)
    weights[0], weights[1, :, 8:] = 1 / 12, np.array([0.1, 0.2, 0.3, 0.4])
    whole, young = told(weights, OPENED, 6, reach_N=np.array([12, 4]))
    (alone,) = told(weights[1:, :, 8:].copy(), OPENED[1:], 6, reach_N=np.array([4]))
    assert (young.entropy, young.concentration, young.shares) == (alone.entropy, alone.concentration, alone.shares)
    assert young.top == alone.top
    assert [step.bars_ago for step in young.top] == [0, 1, 2, 3]
    assert whole.entropy == pytest.approx(1.0)
    assert young.shape == whole.shape == (2, 12)


def test_the_steps_of_a_window_that_lags_open_earlier():
    weights = np.full((1, 3), 1 / 3, np.float32)
    (look,) = told(weights, OPENED[:1], 3, lag=2)
    assert [step.opened_at_ms for step in look.top] == [(399_998 - ago) * HOUR.ms for ago in range(3)]


@pytest.mark.parametrize("opened_N", [OPENED, OPENED[[0, 0]]], ids=["apart", "together"])
def test_each_look_names_its_own_heaviest_steps_and_when_they_opened(opened_N: TimeArray):
    weights = np.array([[0.125, 0.5, 0.25, 0.125], [0.5, 0.0, 0.0, 0.5]], np.float32)
    expected = [[(2, 0.5), (1, 0.25)], [(0, 0.5), (3, 0.5)]]
    assert [[(step.bars_ago, step.weight) for step in look.top] for look in told(weights, opened_N, 2)] == expected
    weights, opened_N = np.tile(weights, (9, 1)), np.tile(opened_N, 9)
    looks = told(weights, opened_N, 2)
    assert [[(step.bars_ago, step.weight) for step in look.top] for look in looks] == expected * 9
    for look, opened_at_ms in zip(looks, opened_N.tolist(), strict=True):
        assert [step.opened_at_ms for step in look.top] == [opened_at_ms - step.bars_ago * HOUR.ms for step in look.top]
