import numpy as np
import pytest

from core.bands import Band, Margin, bands, edges
from core.outputs import Kind, Output

RETURN, EVENT = Output(Kind.RETURN, 1), Output(Kind.DIRECTION, 3)
QUANTILES = Output(Kind.QUANTILES, 1, levels=(0.1, 0.5, 0.9))


def test_a_band_lies_a_margin_to_either_side_of_a_number():
    low_N, high_N = edges(RETURN, np.array([0.0, 0.5]), 0.25)
    assert (low_N.tolist(), high_N.tolist()) == ([-0.25, 0.25], [0.25, 0.75])


def test_a_band_of_a_probability_ends_where_probabilities_end():
    low_N, high_N = edges(EVENT, np.array([0.125, 0.75]), 0.5)
    assert (low_N.tolist(), high_N.tolist()) == ([0.0, 0.25], [0.625, 1.0])


def test_a_band_of_quantiles_lies_outside_the_outer_ones_or_within_and_never_turns_over():
    said = np.array([[-1.0, 0.0, 2.0]])
    assert [one.tolist() for one in edges(QUANTILES, said, 0.5)] == [[-1.5], [2.5]]
    assert [one.tolist() for one in edges(QUANTILES, said, -0.5)] == [[-0.5], [1.5]]
    assert [one.tolist() for one in edges(QUANTILES, said, -5.0)] == [[0.5], [0.5]]


def test_each_prediction_is_told_the_bands_of_the_outputs_that_have_them():
    margins = [Margin("return_1", 0.8, 0.25, 50), Margin("direction_3", 0.9, 0.5, 50), Margin("return_1", 0.9, 0.5, 50)]
    said = {"return_1": np.array([0.0, 1.0], np.float32), "direction_3": np.array([0.5, 0.25], np.float32)}
    first, second = bands((RETURN, EVENT, QUANTILES), margins, said)
    assert first == {"return_1": (Band(0.8, -0.25, 0.25), Band(0.9, -0.5, 0.5)), "direction_3": (Band(0.9, 0.0, 1.0),)}
    assert second["return_1"][0] == Band(0.8, 0.75, 1.25)


@pytest.mark.parametrize("margins", [[], [Margin("return_9", 0.9, 0.5, 50)]])
def test_without_margins_there_is_nothing_to_say(margins: list[Margin]):
    assert not bands((RETURN,), margins, {"return_1": np.zeros(2, np.float32)})
