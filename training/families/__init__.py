"""The families of models. To add one: write its file and add its line to FAMILIES; the conformance tests cover it."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from core.bundle import Input
from core.errors import ConfigError
from core.outputs import Output
from training.families import (
    attention_lstm,
    cross_attention,
    dual_horizon,
    dual_tower,
    hourly_lstm,
    hybrid_lstm,
    tcn,
    transformer,
)
from training.network.model import Model
from training.tables import fit


class Family(msgspec.Struct, frozen=True):
    """A family: the type of its options, and how a model is made of (options, inputs, outputs).

    `market`: whether it reads a second input, the market's. `expanding`: whether its windows may lack rows.
    `scales`: whether it reads longer bars of the symbol too.
    """

    options: type[msgspec.Struct]
    build: Callable[[Any, tuple[Input, ...], tuple[Output, ...]], Model]
    market: bool = False
    expanding: bool = False
    scales: bool = False


FAMILIES: Final[dict[str, Family]] = {
    "attention_lstm": Family(attention_lstm.Options, attention_lstm.AttentionLstm),
    "cross_attention": Family(cross_attention.Options, cross_attention.CrossAttention, market=True),
    "dual_horizon": Family(dual_horizon.Options, dual_horizon.DualHorizon),
    "dual_tower": Family(dual_tower.Options, dual_tower.DualTower),
    "hourly_lstm": Family(hourly_lstm.Options, hourly_lstm.HourlyLstm),
    "hybrid_lstm": Family(hybrid_lstm.Options, hybrid_lstm.build, expanding=True, scales=True),
    "tcn": Family(tcn.Options, tcn.Tcn),
    "transformer": Family(transformer.Options, transformer.Transformer),
}


def build(name: str, options: Mapping[str, Any], inputs: tuple[Input, ...], outputs: tuple[Output, ...]) -> Model:
    """A model of the family, its weights drawn from torch's current seed.

    Raises: ConfigError: no such family, an option it does not have, or inputs it does not read.
    """
    if name not in FAMILIES:
        near = difflib.get_close_matches(name, FAMILIES, n=1) or sorted(FAMILIES)
        raise ConfigError(f"no family is called {name!r}; there are: {', '.join(sorted(FAMILIES))}. try: {near[0]}")
    family = FAMILIES[name]
    if any(one.parts > 1 for one in inputs) and not family.scales:
        raise ConfigError(f"{name} reads no longer bars; try: --set data.scales=[], or model.family=hybrid_lstm")
    if family.market != any(one.source == "market" for one in inputs):
        reads = "a market beside the symbol" if family.market else "the symbol alone"
        change = "data.market=BTCUSDT" if family.market else 'data.market=""'
        raise ConfigError(f"{name} reads {reads}, the recipe gives it {len(inputs)} inputs; try: --set {change}")
    if inputs[0].window.kind == "expanding" and not family.expanding:
        raise ConfigError(f"{name} reads whole windows, not expanding ones; try: --set window.kind=rolling")
    return family.build(fit(family.options, options, f"model.options of {name}"), inputs, outputs)
