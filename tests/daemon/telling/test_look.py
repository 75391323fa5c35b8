import numpy as np
import pytest
from builders import a_gaze, a_message

from core.prediction import Gaze
from daemon.telling import look

EVEN = a_gaze([1 / 48] * 48)


def test_looking_evenly_is_the_same_middle_block_everywhere():
    assert look.blocks(EVEN) == "▄" * 24


def test_the_heaviest_steps_stand_highest_with_the_oldest_on_the_left():
    weights = np.full(48, 0.5 / 46)
    weights[[0, 47]] = 0.4, 0.1
    blocks = look.blocks(a_gaze(weights.tolist()))
    assert blocks == "█" + "▂" * 22 + "▇"


def test_a_window_that_no_cell_divides_evenly_is_still_even_when_it_is():
    assert look.lifts(a_gaze([1 / 31] * 31)) == pytest.approx([1.0] * 24, rel=1e-5)


def test_a_short_window_has_one_cell_for_each_step():
    assert len(look.blocks(a_gaze([0.5, 0.25, 0.25]))) == 3


def test_several_heads_are_shown_as_their_mean():
    heads_HT = np.array([[1, 0, 0, 0], [0, 0, 0, 1]], "<f4")
    gaze = Gaze(0.0, 1.0, (0.5, 0.0, 0.5), (), heads_HT.tobytes(), (2, 4))
    assert look.lifts(gaze) == [2.0, 0.0, 0.0, 2.0]


def test_a_weight_of_nothing_is_the_lowest_block():
    assert look.blocks(a_gaze([0, 0, 0, 1])) == "▁▁▁█"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("return_1", 0.00123, "+12.3 bp"),
        ("return_24", -0.02, "-200.0 bp"),
        ("direction_1", 0.613, "61.3%"),
        ("trend_4", -0.25, "-0.25"),
        ("deviation_1", 0.004, "40.0 bp"),
        ("quantiles_1", (-0.01, 0.0, 0.01), "-100.0 bp +0.0 bp +100.0 bp"),
    ],
)
def test_outputs_are_spoken_in_their_own_unit(name: str, value: float, said: str):
    assert look.spoken(name, value) == said


def test_strength_is_the_distance_from_saying_nothing():
    message = a_message(value=-0.003)
    assert look.strength(message.prediction) == 0.003
    message.prediction.outputs.clear()
    message.prediction.outputs.update(direction_1=0.4)
    assert look.strength(message.prediction) == pytest.approx(0.1)
