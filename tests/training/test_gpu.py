"""What only a GPU can show: that a training runs on it, in each precision, and goes on after it was cut off."""

import pytest
import torch
from runs import a_recipe, some_bars

from training import families
from training.data.panel import panel
from training.data.split import split
from training.fitting import loop
from training.network.model import Model
from training.recipe import Recipe

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
LONG = ("optimiser.epochs=4", "stopping.patience=4", "optimiser.learning_rate=0.01", "model.options.dropout=0.1")


def made(recipe: Recipe) -> tuple[loop.Fit, Model]:
    parts = split(panel(some_bars(), recipe), recipe)
    torch.manual_seed(recipe.seed)
    of = parts.train.panel
    model = families.build(recipe.model.family, recipe.model.options, of.inputs, of.outputs)
    loop.set_up(model, parts)
    return loop.Fit(model, parts, recipe), model


def losses(fit: loop.Fit) -> list[float]:
    list(fit.epochs(lambda *_: None))
    return [epoch.validation_loss for epoch in fit.history]


@pytest.mark.parametrize("precision", ["32", "bf16", "16", "auto"])
def test_a_training_on_it_comes_near_one_on_the_cpu(precision: str):
    plain = "model.options.dropout=0.0"  # the CPU draws other masks
    on_cpu, _ = made(a_recipe(*LONG, plain))
    fit, model = made(a_recipe(*LONG, plain, "optimiser.device=cuda", f"optimiser.precision={precision}"))
    assert losses(fit) == pytest.approx(losses(on_cpu), rel=1e-3 if precision == "32" else 0.03)
    assert {weights.device.type for weights in model.parameters()} == {"cpu"}
    assert {weights.dtype for weights in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("precision", ["32", "16"])
def test_a_training_that_was_cut_off_goes_on_near_where_it_would_have_been(precision: str):
    recipe = a_recipe(*LONG, "optimiser.device=cuda", f"optimiser.precision={precision}")
    whole, _ = made(recipe)
    expected = losses(whole)
    cut, _ = made(recipe)
    next(cut.epochs(lambda *_: None))
    state = cut.state()
    again, _ = made(recipe)
    again.go_on(state)
    assert losses(again) == pytest.approx(expected, rel=1e-2)
