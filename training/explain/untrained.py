"""A model that has learned nothing, to see every picture of a family on one's own bars before anything is trained."""

from pathlib import Path
from typing import Any, Final

import polars as pl
import torch

from core.barfile import BarFile
from core.bundle import Training
from core.errors import UsageError
from training import families, recipe
from training.bars.gaps import SESSIONS, trading
from training.data.panel import panel
from training.data.split import split
from training.explain.reads import speaker
from training.explain.subject import Subject
from training.families import FAMILIES
from training.fitting import loop

WHOLE: Final[dict[str, dict[str, Any]]] = {
    "attention_lstm": {"heads": 4},
    "cross_attention": {"ordinal": "coral", "gates": "all", "d_model": 32, "heads": 4, "feed_forward": 64},
    "dual_horizon": {"hidden": 32},
    "hybrid_lstm": {"windows": [12, 24, 48], "hidden": 32, "heads": 4},
    "transformer": {"matrices": "all", "d_model": 32, "heads": 4, "layers": 4, "feed_forward": 64},
}
"""Options with which a family tells all it can, small enough to be drawn in a minute."""
KINDS: Final = ("return", "direction", "buckets")


def untrained(family: str, file: BarFile) -> Subject:
    """A model of this family with random weights, over the features of the demo recipe.

    Raises: UsageError: no such family. DataError: too few bars.
    """
    if family not in FAMILIES:
        raise UsageError(f"no family is called {family!r}; try: --random with one of {', '.join(sorted(FAMILIES))}")
    told = _recipe(family, file)
    made = panel(file, told)
    parts = split(made, told)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(told.seed)
        model = families.build(family, told.model.options, made.inputs, made.outputs)
    loop.set_up(model, parts)
    model.eval()
    spans = {"train": parts.train.span, "validation": parts.validation.span, "test": parts.test.span}
    known = Training(file.fingerprint, made.symbols, spans, {}, sessions=made.stretches)
    return Subject(
        Path(f"untrained {family}"),
        "untrained",
        f"untrained {family}",
        "",
        told,
        made.inputs,
        model.outputs,
        model.attentions,
        known,
        (),
        (),
        speaker(model, made.inputs),
        model,
    )


def _recipe(family: str, file: BarFile) -> recipe.Recipe:
    changes = [
        f"data.interval={file.interval.name}",
        f"label.kind={list(KINDS)}",
        f"model.family={family}",
        f"model.options={{{', '.join(f'{name}={value!r}' for name, value in WHOLE.get(family, {}).items())}}}",
        "split.purge=labels",
    ]
    times = max((bars.opened_at_ms for bars in file.symbols.values()), key=len)
    if trading(pl.from_epoch(pl.Series(times), "ms"), file.interval) == SESSIONS:
        changes.append("data.sessions=true")
    if FAMILIES[family].market:
        changes += [f"data.market={next(iter(file.symbols))}", "data.market_features=btc_3"]
    if FAMILIES[family].expanding:
        changes += ["window.kind=expanding", "window.minimum=12"]
    return recipe.read("demo", changes=changes)
