import numpy as np
from runs import a_recipe, some_bars

from core.barfile import BarFile
from core.bars import CLOSE
from core.outputs import Kind, Output
from training import baselines
from training.dataset import Samples, panel
from training.recipe import Recipe


def samples(file: BarFile, recipe: Recipe) -> Samples:
    made = panel(file, recipe)
    return Samples(made, made.ends_N)


def test_zero_says_zero():
    some = samples(some_bars(), a_recipe())
    assert not baselines.foretell("zero", {}, some, Output(Kind.RETURN, 1)).any()


def test_persistence_repeats_the_return_just_past():
    """What it foretells at a bar is what the label said one horizon earlier."""
    some = samples(some_bars(symbols=1), a_recipe("label.horizons=[3]"))
    said = baselines.foretell("persistence", {}, some, some.panel.outputs[0])
    close = some.panel.bars_R5[:, CLOSE]
    np.testing.assert_allclose(said[3:], some.target(some.panel.outputs[0])[:-3], atol=1e-12)
    assert np.isclose(said[0], np.log(close[some.ends_N[0]] / close[some.ends_N[0] - 3]))


def test_the_majority_is_that_of_the_part_it_learned_from():
    file = some_bars(symbols=1)
    file.symbols["S0"].rows[:, :4] = 100 * np.exp(-0.001 * np.arange(600))[:, None]
    falling = samples(file, a_recipe())
    learned = baselines.learn(falling)
    other = samples(some_bars(seed=9), a_recipe())
    assert (baselines.foretell("majority", learned, other, other.panel.outputs[0]) == -1).all()
