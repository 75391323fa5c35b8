"""Everything the source documents let a user choose is a key of the recipe, and training takes it."""

from collections.abc import Callable

import pytest
import torch
from runs import a_recipe, some_bars

from core.barfile import BarFile
from training import families
from training.data.panel import panel
from training.data.split import split
from training.fitting import loop
from training.network.model import Model
from training.recipe import Recipe

FILE = some_bars(symbols=2, bars=520)
SMALL = ("window.length=8", "optimiser.epochs=2", "stopping.patience=2", "split.purge=labels", "window.stride=2")
FAMILY = {
    "attention_lstm": "hidden=[8, 8], dense=[8, 8]",
    "dual_horizon": "hidden=8, heads=2, head_hidden=[8]",
    "hourly_lstm": "hidden=8",
    "cross_attention": "d_model=8, heads=2, layers=2, feed_forward=8, market_layers=1",
    "hybrid_lstm": "windows=[2, 4], hidden=8, heads=2",
    "transformer": "d_model=8, heads=2, layers=2, feed_forward=8",
    "tcn": "channels=8, blocks=2",
    "dual_tower": "hidden=8, embedding=8",
}


def of(family: str, options: str = "", *changes: str) -> tuple[str, ...]:
    """The changes that make the tiny recipe one of this family."""
    own = [f"model.family={family}", f"model.options={{{', '.join(filter(None, (FAMILY[family], options)))}}}"]
    if family == "cross_attention":
        own += ["data.market=S0", "data.market_features=btc_3"]
    if family == "hybrid_lstm":
        own += ["window.kind=expanding", "window.minimum=4"]
    return (*own, *changes)


CHOICES: dict[str, tuple[str, ...]] = {
    # The attention LSTM, by the numbers of its document's options.
    "S0.6 a score bounded by tanh": of("attention_lstm", "score='tanh'"),
    "S0.6 Bahdanau's score": of("attention_lstm", "score='bahdanau'"),
    "S0.9 window, features, units, dropout, rate, epochs, batch": of(
        "attention_lstm", "dropout=0.4", "window.length=6", "data.features=btc_3", "optimiser.learning_rate=5e-4",
        "optimiser.batch=32",
    ),
    "S0.5 winner or not, classes balanced": of(
        "attention_lstm", "", "label.kind=winner", "label.threshold=0.02", "label.horizons=[5]",
        "loss.classes=balanced",
    ),
    "S0.29 GRU": of("attention_lstm", "cell='gru'"),
    "S0.29 several heads": of("attention_lstm", "heads=2"),
    "S0.29 other sizes": of("attention_lstm", "", "model.options.hidden=[12, 4]"),
    # The dual horizon.
    "S1.1 one direction, one layer": of("dual_horizon", "bidirectional=false, layers=1"),
    "S1.1 no projection": of("dual_horizon", "project=false"),
    "S1.2 the mean of its heads": of("dual_horizon", "weights='mean'"),
    "S1.3 trend and direction of two horizons": of(
        "dual_horizon", "", "label.kind=['trend', 'direction']", "label.horizons=[1, 4]"
    ),
    "S1.6 patience, gradient norm, least improvement": of(
        "dual_horizon", "", "stopping.patience=1", "optimiser.clip=1.0", "stopping.min_delta=1e-4"
    ),
    "S1.7 weights of the loss": of(
        "dual_horizon", "", "label.kind=['trend', 'direction']", "label.horizons=[1, 4]", "loss.weights.direction=0.5",
        "loss.weights.trend_4=2.0",
    ),
    "S1.8 weight decay": of("dual_horizon", "", "optimiser.weight_decay=1e-5"),
    "S1.9 cosine with warm-up": of("dual_horizon", "", "schedule.kind=cosine", "schedule.warmup=1"),
    "S1.9 on a plateau": of("dual_horizon", "", "schedule.kind=plateau", "schedule.factor=0.5", "schedule.patience=1"),
    "S1.10 features as they are": of("dual_horizon", "", "data.normalise=false"),
    "S1.16 volatile samples count double": of("dual_horizon", "", "loss.samples=volatile"),
    "S1.17 calm samples count more": of("dual_horizon", "", "loss.samples=calm"),
    "S1.22 the dual tower": of("dual_tower"),
    "S1.25 the temporal convolutional network": of("tcn"),
    # The hourly LSTM.
    "S2.8 spikier attention": of("hourly_lstm", "", "loss.entropy=0.1"),
    "S2.8 several heads": of("hourly_lstm", "heads=2"),
    "S2.8 attention drawn to events": of("hourly_lstm", "", "loss.supervision=0.1", "loss.burst=1.5"),
    "S2.8 attention drawn to opening and closing hours, and to moves": of(
        "hourly_lstm", "", "loss.supervision=0.1", "loss.events=['hours', 'move']", "loss.hours=[14, 20]"
    ),
    "S2.10 attention at several scales": of("hourly_lstm", "scales=[2, 4, 8]"),
    "S2.10 several heads at each scale": of("hourly_lstm", "scales=[2, 8], heads=2"),
    "S2.13 transformer": of("transformer"),
    "S2.13 its whole matrices": of("transformer", "matrices='all'"),
    "S2.15 direction and uncertainty beside the return": of(
        "hourly_lstm", "", "label.kind=['return', 'direction', 'deviation']"
    ),
    "S2.15 quantiles": of("hourly_lstm", "", "label.kind=quantiles", "label.levels=[0.1, 0.5, 0.9]"),
    # StockFormer.
    "S3.1 layer drop": of("cross_attention", "layer_drop=0.5"),
    "S3.3 two classes": of("cross_attention", "", "label.kind=direction", "label.horizons=[3]"),
    "S3.3 buckets": of("cross_attention", "", "label.kind=buckets", "label.edges=[-0.01, 0.0, 0.01]"),
    "S3.3 buckets by CORAL": of("cross_attention", "ordinal='coral'", "label.kind=buckets"),
    "S3.3 regression": of("cross_attention", "", "label.kind=return", "label.horizons=[3]"),
    "S3.5 every gate": of("cross_attention", "gates='all'"),
    # The hybrid.
    "S4.1 a scale more": of("hybrid_lstm", "", "model.options.windows=[2, 4, 6]"),
    "S4.2 a window that expands": of("hybrid_lstm", "", "window.length=12", "window.minimum=3"),
    "S4.3 every step asks": of("hybrid_lstm", "queries='all'"),
    "S4.3 the newest step asks": of("hybrid_lstm", "queries='last'"),
    "S4.4 a head for each horizon, rates of components": of(
        "hybrid_lstm", "", "label.horizons=[1, 3]", "optimiser.rates.fixed=0.5", "optimiser.rates.towers=2.0"
    ),
    "S4.11 accumulated gradients": of("hybrid_lstm", "", "optimiser.batch=16", "optimiser.accumulate=4"),
    # Any of them.
    "samples by what of their label is their own": of(
        "hourly_lstm", "", "loss.samples=unique", "label.kind=['return', 'direction']", "label.horizons=[1, 6]"
    ),
    "other losses": of("hourly_lstm", "", "optimiser.loss=huber"),
    "other optimisers": of("hourly_lstm", "", "optimiser.kind=adamw"),
    "a split that rolls": of(
        "hourly_lstm", "", "split.folds=2", "split.fold=2", "split.training=rolling",
        "split.train=0.4", "split.validation=0.3",
    ),
}  # fmt: skip

SHOWN: dict[str, Callable[[Model, Recipe], bool]] = {
    "S0.29 GRU": lambda model, _: isinstance(model.first, torch.nn.GRU),
    "S0.29 several heads": lambda model, _: model.attentions[0].axes == ("head", "time"),
    "S1.1 no projection": lambda model, _: isinstance(model.project, torch.nn.Identity),
    "S1.10 features as they are": lambda model, _: bool((model.normalise.std == 1).all()),
    "S2.8 several heads": lambda model, _: model.attentions[0].axes == ("head", "time"),
    "S4.1 a scale more": lambda model, _: len(model.fixed) == 3,
    "S3.3 buckets by CORAL": lambda model, _: type(model.heads["ordinal_1"]).__name__ == "CoralHead",
}
"""What can be seen of a choice in the model it makes."""


def fitted(file: BarFile, recipe: Recipe) -> tuple[loop.Fit, Model]:
    parts = split(panel(file, recipe), recipe)
    torch.manual_seed(recipe.seed)
    of_train = parts.train.panel
    model = families.build(recipe.model.family, recipe.model.options, of_train.inputs, of_train.outputs)
    loop.set_up(model, parts, normalise=recipe.data.normalise)
    return loop.Fit(model, parts, recipe), model


def equal(one: Model, other: Model) -> bool:
    return all(torch.equal(other.state_dict()[name], value) for name, value in one.state_dict().items())


@pytest.mark.parametrize("choice", CHOICES)
def test_a_recipe_reaches_the_choice(choice: str):
    recipe = a_recipe(*SMALL, *CHOICES[choice])
    fit, model = fitted(FILE, recipe)
    before = {name: weights.clone() for name, weights in model.named_parameters()}
    history = list(fit.epochs(lambda *_: None))
    assert all(torch.isfinite(weights).all() for weights in model.parameters())
    assert any(not torch.equal(before[name], weights) for name, weights in model.named_parameters())
    assert history
    if choice in SHOWN:
        assert SHOWN[choice](model, recipe)


@pytest.mark.parametrize("family", families.FAMILIES)
def test_a_family_trains_to_the_same_weights_from_the_same_seed_and_when_it_was_cut_off(family: str):
    recipe = a_recipe(*SMALL, *of(family, "dropout=0.2"), "optimiser.epochs=3", "schedule.kind=cosine")
    whole, first = fitted(FILE, recipe)
    list(whole.epochs(lambda *_: None))
    cut, _ = fitted(FILE, recipe)
    next(cut.epochs(lambda *_: None))
    state = cut.state()
    again, second = fitted(FILE, recipe)
    again.go_on(state)
    list(again.epochs(lambda *_: None))
    assert [(one.train_loss, one.validation_loss) for one in again.history] == [
        (one.train_loss, one.validation_loss) for one in whole.history
    ]
    assert equal(first, second)
