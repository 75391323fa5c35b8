"""With labels that are dealt by chance there is nothing to learn, and no family is said to have learned it."""

import msgspec
import numpy as np
import pytest
import torch
from networks import SMALL
from runs import a_recipe, some_bars

from training import families
from training.data.panel import panel
from training.data.split import split
from training.families import FAMILIES
from training.fitting import loop
from training.judging.intervals import bootstrap
from training.judging.predicting import predict
from training.judging.scores import MEASURES, Forecasts

SEEDS = 20
LEAST_OF_20, LEAST_OF_ALL = 15, 140
"""Of 20 and of 160 intervals that each hold the truth with 95 %, fewer do so once in 3,000 times and in 10,000."""


def the_recipe(family: str):
    beside = ("data.market=S3", "data.market_features=btc_3") if FAMILIES[family].market else ()
    window = ("window.kind=expanding", "window.minimum=4") if FAMILIES[family].expanding else ()
    return msgspec.structs.replace(
        a_recipe("label.kind=direction", "window.length=16", f"model.family={family}", *beside, *window),
        model=msgspec.convert(
            {"family": family, "options": next(iter(SMALL[family].values()))}, type(a_recipe().model)
        ),
    )


def the_interval(family: str, seed: int):
    """That of the AUC on the test part, after an epoch over labels by chance."""
    recipe = the_recipe(family)
    made = panel(some_bars(symbols=4, bars=500, seed=seed), recipe)
    random = np.random.default_rng(seed)
    made.targets["direction_1"][:] = random.integers(0, 2, len(made.targets["direction_1"]))
    parts = split(made, recipe)
    torch.manual_seed(seed)
    model = families.build(family, recipe.model.options, made.inputs, made.outputs)
    loop.set_up(model, parts)
    for _ in loop.Fit(model, parts, recipe).epochs(lambda *_: None):
        pass
    _, moment_N = np.unique(parts.test.opened_at_ms, return_inverse=True)
    said_N = predict(model, parts.test)["direction_1"].astype(np.float64)
    draws = bootstrap(int(moment_N.max()) + 1, 1)
    measure = MEASURES["auc"]
    terms = measure.terms(Forecasts(said_N, parts.test.target(made.outputs[0]), moment_N))
    return draws.bounds(measure.value(draws.sums(terms)))


@pytest.fixture(scope="module")
def covered() -> dict[str, int]:
    """Of each family, over how many seeds the interval holds one half."""
    found = {}
    for family in FAMILIES:
        bounds = [the_interval(family, seed) for seed in range(SEEDS)]
        found[family] = sum(low <= 0.5 <= high for low, high in bounds)
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_interval_of_every_familys_auc_holds_one_half_as_often_as_stated(covered: dict[str, int]):
    assert min(covered.values()) >= LEAST_OF_20, covered
    assert LEAST_OF_ALL <= sum(covered.values()) <= SEEDS * len(FAMILIES), covered
