import math

import numpy as np
import pytest
from runs import a_recipe, some_bars

from core.outputs import Kind, Output
from training.data.dataset import Samples
from training.data.labels import LABELS
from training.data.panel import panel
from training.judging import conformal


def test_the_margin_is_the_order_statistic_that_holds_the_next_outcome():
    """Of 9 distances, the 9th is the 90 % margin: of ten in any order, the newest is largest one time in ten."""
    distances = np.array([5.0, 1, 2, 3, 9, 4, 6, 7, 8])
    assert conformal.margin(distances, 0.9) == 9
    assert conformal.margin(distances, 0.8) == 8
    assert conformal.margin(distances, 0.5) == 5
    assert conformal.margin(distances, 0.95) == math.inf


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("outcomes", [20, 57])
def test_the_next_outcome_is_held_as_often_as_stated_also_by_few(coverage: float, outcomes: int):
    """Exact in expectation: between the coverage and one outcome's share more."""
    random = np.random.default_rng(0)
    drawn = np.abs(random.standard_t(3, size=(20_000, outcomes + 1)))
    held = np.mean([row[-1] <= conformal.margin(row[:-1], coverage) for row in drawn])
    three_deviations = 3 * math.sqrt(coverage * (1 - coverage) / len(drawn))
    assert coverage - three_deviations <= held <= coverage + 1 / (outcomes + 1) + three_deviations


def test_quantiles_that_hold_too_little_are_widened_and_those_that_hold_too_much_drawn_in():
    output = Output(Kind.QUANTILES, 1, levels=(0.05, 0.95))
    actual = np.random.default_rng(1).standard_normal(2_000)
    made = panel(some_bars(symbols=4), a_recipe("label.kind=quantiles", "label.levels=[0.05, 0.95]"))
    some = Samples(made, made.ends_N[:2_000])
    made.targets["quantiles_1"][some.ends_N] = actual
    for half, sign in ((0.5, 1), (3.0, -1)):
        said = {"quantiles_1": np.tile(np.float32([-half, half]), (2_000, 1))}
        (found,) = conformal.margins((output,), said, some, (0.9,))
        assert np.sign(found.value) == sign
        assert half + found.value == pytest.approx(1.645, abs=0.1)
        assert found.outcomes == 2_000


def test_a_band_of_a_probability_names_the_outcomes_that_cannot_be_ruled_out():
    output = Output(Kind.DIRECTION, 1)
    said, margin = np.array([0.9, 0.5, 0.1]), 0.6
    assert conformal.held(output, said, np.ones(3), margin).tolist() == [True, True, False]
    assert conformal.held(output, said, np.zeros(3), margin).tolist() == [False, True, True]


def test_every_kind_of_output_has_margins_that_hold_as_many_of_the_outcomes_they_are_of():
    """Said at random: the bands are wide, and hold all the same what they say."""
    kinds = [kind for kind in LABELS if kind != "winner"]
    made = panel(some_bars(symbols=4), a_recipe(f"label.kind={kinds}", "label.levels=[0.1, 0.9]"))
    some, chance = Samples(made, made.ends_N), np.random.default_rng(2)
    said = {}
    for output in made.outputs:
        drawn = chance.dirichlet(np.ones(output.width), len(some))
        said[output.name] = (drawn if output.kind is Kind.ORDINAL else np.sort(drawn) * 0.02 + 1e-3).astype(np.float32)
    found = conformal.margins(made.outputs, said, some, (0.9, 0.5))
    assert [(one.output, one.coverage) for one in found] == [
        (output.name, coverage) for output in made.outputs for coverage in (0.5, 0.9)
    ]
    by_name = {output.name: output for output in made.outputs}
    for one in found:
        known_N = np.isfinite(some.target(by_name[one.output]))
        held_N = conformal.held(
            by_name[one.output], said[one.output][known_N], some.target(by_name[one.output])[known_N], one.value
        )
        assert held_N.mean() >= one.coverage
        # Classes and directions come in lumps: a band of one more holds many more.
        if by_name[one.output].kind not in {Kind.ORDINAL, Kind.DIRECTION}:
            assert held_N.mean() == pytest.approx(one.coverage, abs=0.01)
