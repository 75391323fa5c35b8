"""Every family of models with random weights, on inputs of features that a sample of bars can be made into."""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from builders import a_manifest
from bundles import a_sample
from networks import EVERY_KIND, SMALL
from torch import random

from core.bundle import Input, Manifest, Window
from core.features import FeatureSet
from core.golden import MARKET
from core.outputs import Output
from export import golden
from export.source import Source
from training import families
from training.families import FAMILIES
from training.network.model import Model

WINDOW = 16


def real_inputs(family: str, window: int = WINDOW) -> tuple[Input, ...]:
    """What a family reads, of features that there are; where it expands, from four rows on."""
    own, market = FeatureSet.named("btc_3"), FeatureSet(["log_return_1", "realised_volatility_24"])
    kind = "expanding" if FAMILIES[family].expanding else "rolling"
    whole = Window("rolling", window, window)
    read = msgspec.convert({"kind": kind, "length": window, "minimum": 4}, Window) if kind == "expanding" else whole
    first = Input("features", "symbol", own.names, own.digest, own.lookback, read)
    beside = Input("market", "market", market.names, market.digest, market.lookback, whole, "BTCUSDT", 1)
    return (first, beside) if FAMILIES[family].market else (first,)


def a_trained(
    family: str, outputs: tuple[Output, ...] = EVERY_KIND, variant: str = "", window: int = WINDOW
) -> tuple[Model, Manifest, dict[str, npt.NDArray[Any]]]:
    """A small model of the family, its manifest, and bars; every second window lacks rows where it may."""
    options = {"dropout": 0.0, **SMALL[family][variant or next(iter(SMALL[family]))]}
    inputs = real_inputs(family, window)
    with random.fork_rng(devices=[]):
        random.manual_seed(1)
        model = families.build(family, options, inputs, outputs).eval()
    manifest = a_manifest(inputs=inputs, outputs=outputs, attentions=model.attentions, family=family)
    sample = a_sample(manifest)
    sample[MARKET + "market"] = sample["bars"]
    if FAMILIES[family].expanding:
        sample["bars"][::2, : window // 2 - 1] = np.nan
    return model, manifest, sample


def a_source(
    family: str, outputs: tuple[Output, ...] = EVERY_KIND[:1], variant: str = "", window: int = WINDOW
) -> Source:
    """The same with its golden arrays, as formats are made of it."""
    model, manifest, sample = a_trained(family, outputs, variant, window)
    return Source(model, manifest, golden.make(model, manifest, sample))
