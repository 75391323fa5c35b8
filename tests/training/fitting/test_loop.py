import io

import numpy as np
import pytest
import torch
from runs import a_recipe, some_bars

from core import attention
from core.barfile import BarFile, SymbolBars
from core.errors import ConfigError, DataError
from training import families
from training.data.panel import panel
from training.data.split import split
from training.fitting import loop
from training.fitting.history import Epoch
from training.fitting.losses import Objective
from training.judging.predicting import predict
from training.recipe import Recipe


def prepared(file: BarFile, recipe: Recipe):
    """A model set up on the training part, and the parts."""
    parts = split(panel(file, recipe), recipe)
    torch.manual_seed(recipe.seed)
    of = parts.train.panel
    model = families.build(recipe.model.family, recipe.model.options, of.inputs, of.outputs)
    loop.set_up(model, parts)
    return model, parts


def fitted(file: BarFile, recipe: Recipe):
    model, parts = prepared(file, recipe)
    return model, parts, list(loop.fit(model, parts, recipe, lambda *_: None))


def losses(history: list[Epoch]):
    return [(epoch.train_loss, epoch.validation_loss, epoch.gradient_norm) for epoch in history]


def test_the_same_seed_gives_the_same_losses_and_weights_to_the_last_bit():
    recipe = a_recipe("optimiser.epochs=2", "model.options.dropout=0.2")
    (first, _, told), (second, _, again) = fitted(some_bars(), recipe), fitted(some_bars(), recipe)
    assert losses(told) == losses(again)
    assert all(torch.equal(first.state_dict()[name], value) for name, value in second.state_dict().items())


def test_another_seed_gives_other_losses():
    assert losses(fitted(some_bars(), a_recipe())[2]) != losses(fitted(some_bars(), a_recipe("seed=1"))[2])


def test_normalisation_and_scale_know_the_training_part_alone():
    """Bars after the training part's last label are changed wildly; what was fitted stays the same."""
    file = some_bars(symbols=1)
    model, parts = prepared(file, a_recipe())
    rows, times = file.symbols["S0"].rows.copy(), file.symbols["S0"].opened_at_ms
    later = times > parts.train.span[1]
    rows[later] *= np.linspace(1, 50, int(later.sum()))[:, None]
    changed, _ = prepared(BarFile(file.interval, {"S0": SymbolBars("S0", times, rows)}, "changed"), a_recipe())
    for name, value in model.state_dict().items():
        assert torch.equal(value, changed.state_dict()[name]), name
    assert model.head(model.outputs[0]).scale == pytest.approx(parts.train.target(model.outputs[0]).std())


def test_training_learns_what_is_there_to_learn():
    """The next return repeats the sign of this one: the validation loss falls far below that of a blind forecast."""
    file = some_bars(symbols=2, bars=800)
    for part in file.symbols.values():
        moves = np.repeat(np.where(np.random.default_rng(3).random(400) < 0.5, 0.01, -0.01), 2)
        part.rows[:, :4] = 100 * np.exp(np.cumsum(moves))[:, None]
    recipe = a_recipe("optimiser.epochs=15", "optimiser.learning_rate=0.02", "stopping.patience=15")
    _, _, history = fitted(file, recipe)
    assert min(epoch.validation_loss for epoch in history) < 0.8 < history[0].train_loss


def test_the_weights_kept_are_those_of_the_best_epoch():
    recipe = a_recipe("optimiser.epochs=6", "optimiser.learning_rate=0.1", "stopping.patience=6")
    model, parts, history = fitted(some_bars(), recipe)
    windows, loss = loop.Windows(parts.train.panel, torch.device("cpu")), Objective(model, recipe, parts.train)
    best = [epoch for epoch in history if epoch.best][-1]
    found = loop.measure(model, windows, torch.from_numpy(parts.validation.ends_N), loss)
    assert found == (best.validation_loss, best.validation_parts)
    assert history[-1].validation_loss != best.validation_loss


def test_each_epoch_tells_where_it_looked_on_the_validation_part():
    model, parts, history = fitted(some_bars(), a_recipe("optimiser.epochs=2", "optimiser.learning_rate=0.05"))
    weights = predict(model, parts.validation)["attention"]
    best = [epoch for epoch in history if epoch.best][-1].attention["attention"]
    assert best.profile == pytest.approx(weights.mean(axis=0).tolist(), abs=1e-6)
    assert best.entropy == pytest.approx(attention.normalised_entropy(weights).mean(), abs=1e-6)
    assert best.concentration_factor == pytest.approx(attention.concentration_factor(weights).mean(), abs=1e-5)
    assert history[0].attention != history[1].attention


def test_it_stops_when_patience_is_at_its_end():
    recipe = a_recipe("optimiser.epochs=50", "stopping.patience=2", "stopping.min_delta=100")
    assert [epoch.best for epoch in fitted(some_bars(), recipe)[2]] == [True, False, False]


def test_progress_is_told_from_the_first_batch_to_the_last():
    recipe = a_recipe("optimiser.epochs=2")
    model, parts = prepared(some_bars(), recipe)
    told = []
    list(loop.fit(model, parts, recipe, lambda epoch, done: told.append((epoch, done))))
    assert told == sorted(told)
    assert told[-1] == (2, 1.0)


def test_gradients_are_clipped():
    """One step of plain descent moves the weights by no more than rate x clip."""
    recipe = a_recipe(
        "optimiser.kind=sgd", "optimiser.learning_rate=1.0", "optimiser.clip=1e-3", "optimiser.batch=100000"
    )
    model, parts = prepared(some_bars(), recipe)
    before = torch.cat([weights.detach().flatten() for weights in model.parameters()])
    (epoch,) = loop.fit(model, parts, recipe, lambda *_: None)
    moved = torch.cat([weights.detach().flatten() for weights in model.parameters()]) - before
    assert epoch.gradient_norm > 1e-3
    assert moved.norm() == pytest.approx(1e-3, rel=1e-2)


def test_a_loss_that_is_no_number_ends_the_training():
    with pytest.raises(DataError, match=r"learning_rate=1e\+29"):
        fitted(some_bars(), a_recipe("optimiser.learning_rate=1e30", "optimiser.epochs=3"))


def test_accumulated_batches_make_the_step_of_one_large_batch():
    """Plain descent, one epoch of one step: all at once, or two halves of an even number of windows."""
    steps = []
    for size in ("optimiser.batch=730", "optimiser.batch=365"):
        accumulate = "optimiser.accumulate=2"
        recipe = a_recipe("optimiser.kind=sgd", "optimiser.learning_rate=0.1", "optimiser.clip=1e6", size, accumulate)
        model, parts, _ = fitted(some_bars(), recipe)
        assert len(parts.train) == 730
        steps.append(torch.cat([weights.detach().flatten() for weights in model.parameters()]))
    torch.testing.assert_close(steps[0], steps[1], rtol=0, atol=1e-6)


def test_a_learning_rate_of_zero_leaves_a_component_as_it_was():
    recipe = a_recipe("optimiser.rates.lstm=1e-12")
    model, parts = prepared(some_bars(), recipe)
    before = {name: value.clone() for name, value in model.named_parameters()}
    list(loop.fit(model, parts, recipe, lambda *_: None))
    moved = {name for name, value in model.named_parameters() if (value - before[name]).abs().max() > 1e-6}
    assert moved == {name for name in before if not name.startswith("lstm.")}


def test_the_validation_loss_of_every_output_is_told():
    recipe = a_recipe('label.kind=["trend", "direction"]', "label.horizons=[1, 4]", "loss.weights.direction=0.5")
    (epoch,) = fitted(some_bars(), recipe)[2]
    parts = epoch.validation_parts
    assert set(parts) == {"trend_1", "direction_1", "trend_4", "direction_4"}
    weighed = [part * (0.5 if name.startswith("direction") else 1.0) for name, part in parts.items()]
    assert epoch.validation_loss == pytest.approx(sum(weighed) / 3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("optimiser.kind=adm", "optimiser.kind = adam"),
        ("optimiser.loss=msse", "optimiser.loss = huber"),
        ("optimiser.rates.lsmt=0.1", "the model has normalise, normalise_scales, heads, lstm"),
        ("loss.weights.retrun=0.1", "loss.weights names 'retrun'"),
    ],
)
def test_what_the_optimiser_and_the_loss_do_not_know_is_refused(change: str, told: str):
    with pytest.raises(ConfigError, match=told):
        fitted(some_bars(), a_recipe(change))


def test_two_halves_of_a_training_are_the_whole():
    """The state after two epochs, carried into a new training, gives the bits of one that never stopped."""
    recipe = a_recipe("optimiser.epochs=4", "model.options.dropout=0.2", "schedule.kind=plateau", "schedule.patience=1")
    whole, _, told = fitted(some_bars(), recipe)
    model, parts = prepared(some_bars(), recipe)
    first = loop.Fit(model, parts, recipe)
    epochs = first.epochs(lambda *_: None)
    next(epochs)
    next(epochs)
    stored = io.BytesIO()
    torch.save(first.state(), stored)
    again, parts = prepared(some_bars(), recipe)
    second = loop.Fit(again, parts, recipe)
    stored.seek(0)
    second.go_on(torch.load(stored, weights_only=True))
    list(second.epochs(lambda *_: None))
    assert losses(second.history) == losses(told)
    assert all(torch.equal(again.state_dict()[name], value) for name, value in whole.state_dict().items())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_an_error_not_a_fallback():
    with pytest.raises(ConfigError, match="asks for a GPU"):
        fitted(some_bars(), a_recipe("optimiser.device=cuda"))
