"""Every family of models as tests build it: small, in its variants, on inputs of its own."""

import msgspec
import torch

from core.bundle import Input, Window
from core.outputs import Kind, Output
from training import families
from training.families import FAMILIES
from training.network.model import Model

LENGTH, FEATURES, MARKET_FEATURES = 16, 3, 2
OUTPUTS = (Output(Kind.RETURN, 1), Output(Kind.RETURN, 4))
EVERY_KIND = (
    Output(Kind.RETURN, 1),
    Output(Kind.DEVIATION, 1),
    Output(Kind.DIRECTION, 1),
    Output(Kind.TREND, 4),
    Output(Kind.PROBABILITY, 4),
    Output(Kind.QUANTILES, 4, levels=(0.1, 0.5, 0.9)),
    Output(Kind.ORDINAL, 1, levels=(0.0, 1.0, 2.0, 3.0)),
)

SMALL: dict[str, dict[str, dict[str, object]]] = {
    "attention_lstm": {
        "tanh": {"hidden": [12, 16], "dense": [16, 12]},
        "gru": {"hidden": [12, 8], "dense": [16, 12], "cell": "gru", "score": "linear"},
        "heads": {"hidden": [12, 8], "dense": [16, 12], "heads": 2, "score": "bahdanau"},
    },
    "cross_attention": {
        "softmax": {"d_model": 16, "heads": 2, "layers": 2, "feed_forward": 24, "market_layers": 1},
        "coral": {"d_model": 16, "heads": 4, "layers": 1, "feed_forward": 24, "ordinal": "coral", "gates": "all"},
    },
    "dual_horizon": {
        "heads": {"hidden": 16, "heads": 2, "head_hidden": [16, 16]},
        "mean": {"hidden": 16, "heads": 2, "head_hidden": [16], "layers": 1, "bidirectional": False, "weights": "mean"},
        "wide": {"hidden": 8, "heads": 2, "head_hidden": [16], "project": False},
    },
    "dual_tower": {"linear": {"hidden": 48, "embedding": 16}},
    "hourly_lstm": {
        **{score: {"hidden": 12, "score": score} for score in ("linear", "tanh", "bahdanau")},
        "heads": {"hidden": 12, "heads": 3},
        "scales": {"hidden": 12, "scales": [3, 8, 16]},
    },
    "hybrid_lstm": {
        "all": {"windows": [4, 8], "hidden": 16, "heads": 2},
        "last": {"windows": [5], "hidden": 16, "heads": 2, "queries": "last"},
    },
    "tcn": {"linear": {"channels": 12, "blocks": 2}},
    "transformer": {
        "mean": {"d_model": 16, "heads": 2, "layers": 2, "feed_forward": 24},
        "all": {"d_model": 16, "heads": 4, "layers": 1, "feed_forward": 24, "matrices": "all"},
    },
}
"""By family, by the name of the variant: options at which it has a few hundred weights."""

VARIANTS = [(name, variant) for name, variants in SMALL.items() for variant in variants]


def an_input(length: int, features: int, source: str = "symbol", kind: str = "rolling") -> Input:
    """An input of made-up features."""
    names = tuple(f"feature_{number}" for number in range(features))
    window = msgspec.convert({"kind": kind, "length": length, "minimum": 4 if kind == "expanding" else length}, Window)
    return Input("features" if source == "symbol" else source, source, names, "", 1, window)  # type: ignore[arg-type]


def inputs_of(family: str, length: int = LENGTH, features: int = FEATURES) -> tuple[Input, ...]:
    """What a family reads: windows that may lack rows where it allows them, and a market where it reads one."""
    kind = "expanding" if FAMILIES[family].expanding else "rolling"
    market = (an_input(length, MARKET_FEATURES, "market"),) if FAMILIES[family].market else ()
    return (an_input(length, features, kind=kind), *market)


def a_network(family: str, variant: str, outputs: tuple[Output, ...] = OUTPUTS, seed: int = 0) -> Model:
    """A small model, its dropout off unless it is set to train; torch's random state is left alone."""
    options = {"dropout": 0.0, **SMALL[family][variant]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return families.build(family, options, inputs_of(family), outputs).eval()


def raw(model_inputs: tuple[Input, ...], count: int, seed: int = 1) -> tuple[torch.Tensor, ...]:
    """Random features for each input."""
    chance = torch.Generator().manual_seed(seed)
    return tuple(torch.randn((count, *one.row), generator=chance) for one in model_inputs)
