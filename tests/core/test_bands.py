import numpy as np
import pytest

from core.bands import Margin, bands, beyond, edges
from core.outputs import Kind, Output

RETURN, EVENT = Output(Kind.RETURN, 1), Output(Kind.DIRECTION, 3)
DEVIATION, CLASSES = Output(Kind.DEVIATION, 1), Output(Kind.ORDINAL, 1, levels=(0.0, 1.0, 2.0, 3.0))
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


def test_a_band_of_a_deviation_lies_around_no_move_and_is_so_many_deviations_wide():
    low_N, high_N = edges(DEVIATION, np.array([0.01, 0.02]), 2.0)
    assert (low_N.tolist(), high_N.tolist()) == ([-0.02, -0.04], [0.02, 0.04])
    assert [one.tolist() for one in edges(DEVIATION, np.array([0.01]), -1.0)] == [[0.0], [0.0]]


def test_a_band_of_ordered_classes_goes_from_the_first_to_the_last_that_lies_near_the_middle():
    """The classes' middles lie 0.45, 0.175, 0.225 and 0.45 from one half; in the second row 0.5, 0.5, 0.45 and 0.05."""
    said = np.array([[0.1, 0.45, 0.35, 0.1], [0.0, 0.0, 0.1, 0.9]])
    spans = {margin: [one.tolist() for one in edges(CLASSES, said, margin)] for margin in (-0.1, 0.25, 0.46)}
    assert spans == {
        -0.1: [[1.0, 3.0], [1.0, 3.0]],
        0.25: [[1.0, 3.0], [2.0, 3.0]],
        0.46: [[0.0, 2.0], [3.0, 3.0]],
    }


@pytest.mark.parametrize("output", [RETURN, EVENT, QUANTILES, DEVIATION, CLASSES], ids=lambda one: str(one.kind))
def test_the_margin_that_would_just_have_held_an_outcome_holds_it_and_a_smaller_one_does_not(output: Output):
    chance = np.random.default_rng(0)
    said = np.sort(chance.uniform(0.1, 0.9, (200, output.width)), axis=1)
    said = said / said.sum(axis=1, keepdims=True) if output.kind is Kind.ORDINAL else said
    whole = output.kind in {Kind.ORDINAL, Kind.DIRECTION}
    came = chance.integers(0, max(2, output.width) if whole else 2, 200).astype(float)
    came = came if whole else chance.normal(0.3, 1, 200)
    margins = beyond(output, said, came)
    for row, margin in enumerate(margins.tolist()):
        low, high = (float(edge[0]) for edge in edges(output, said[row : row + 1], margin + 1e-9))
        assert low <= came[row] <= high
        low, high = (float(edge[0]) for edge in edges(output, said[row : row + 1], margin - 1e-6))
        nearest = output.kind is Kind.ORDINAL and low == high == came[row]
        assert nearest or not low <= came[row] <= high


def test_each_prediction_is_told_the_bands_of_the_outputs_that_have_them():
    margins = [Margin("return_1", 0.8, 0.25, 50), Margin("direction_3", 0.9, 0.5, 50), Margin("return_1", 0.9, 0.5, 50)]
    said = {"return_1": np.array([0.0, 1.0], np.float32), "direction_3": np.array([0.5, 0.25], np.float32)}
    told = bands((RETURN, EVENT, QUANTILES), margins, said)
    assert {
        name: [(one.coverage, one.low_N.tolist(), one.high_N.tolist()) for one in few] for name, few in told.items()
    } == {
        "return_1": [(0.8, [-0.25, 0.75], [0.25, 1.25]), (0.9, [-0.5, 0.5], [0.5, 1.5])],
        "direction_3": [(0.9, [0.0, 0.0], [1.0, 0.75])],
    }


@pytest.mark.parametrize("margins", [[], [Margin("return_9", 0.9, 0.5, 50)]])
def test_without_margins_there_is_nothing_to_say(margins: list[Margin]):
    assert not bands((RETURN,), margins, {"return_1": np.zeros(2, np.float32)})
