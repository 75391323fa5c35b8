"""On simulated bars the cause of a move is known: how often attention, and attribution, find it.

A cause is found where one of the k heaviest steps is the event or one of the two steps after it: the hidden state of a
step knows the steps before it. N predictions, T steps.
"""

from collections.abc import Mapping
from math import comb
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from core import attention
from training.bars.simulate import causes
from training.explain.estimate import Estimate
from training.explain.predictions import Predictions
from training.explain.reads import Doubles, Rows

AFTER: Final = 2
TOP: Final = (1, 3, 5)


class Finder(msgspec.Struct, frozen=True):
    """How often one way of pointing finds the cause with its k heaviest steps, and how much weight it puts there."""

    name: str
    found: dict[int, Estimate]
    lift: Estimate


class Truth(msgspec.Struct, frozen=True):
    """Who finds the planted causes; `chance` is what k steps drawn blindly would find."""

    chance: dict[int, float]
    finders: tuple[Finder, ...]


def events_beside(bars: Path) -> Path | None:
    """The truth that `gaze bars simulate` wrote beside the bars, where there is one."""
    beside = bars.with_suffix(".events.parquet")
    return beside if beside.is_file() else None


def planted(of: Predictions, events: Path) -> Rows:
    """(N,): how many steps before its last bar each window holds the cause of what comes next; -1 where none."""
    table = causes(pl.read_parquet(events), of.panel.interval)
    known = {
        (symbol, int(at)): int(back)
        for symbol, at, back in zip(
            table["symbol"].to_list(), table["ts"].dt.epoch("ms").to_list(), table["steps_back"].to_list(), strict=True
        )
    }
    asked = ((of.symbol(row), int(at)) for row, at in enumerate(of.samples.opened_at_ms))
    back_N = np.array([known.get(one, -1) for one in asked], np.int64)
    return np.where(back_N < of.panel.length, back_N, -1)


def find(back_N: Rows, pointers: Mapping[str, tuple[Rows, Doubles]], of: Predictions) -> Truth | None:
    """Judge pointers, each a name and (rows of predictions, (n, T) weights not below zero); None where no cause is."""
    if not (back_N >= 0).any():
        return None
    steps, finders = of.panel.length, []
    for name, (rows, weights_nT) in pointers.items():
        caused = back_N[rows] >= 0
        if not caused.any():
            continue
        good_nT = _good(back_N[rows][caused], steps)
        finders.append(_finder(name, rows[caused], weights_nT[caused], good_nT, of))
    width_N = _good(back_N[back_N >= 0], steps).sum(axis=1)
    chance = {k: float(np.mean([1 - comb(steps - w, k) / comb(steps, k) for w in width_N.tolist()])) for k in TOP}
    return Truth(chance, tuple(finders))


def _good(back_n: Rows, steps: int) -> npt.NDArray[np.bool_]:
    """(n, T): the event and the steps just after it."""
    after_nT = back_n[:, None] - np.arange(steps - 1, -1, -1)
    return (after_nT >= 0) & (after_nT <= AFTER)


def _finder(name: str, rows: Rows, weights_nT: Doubles, good_nT: npt.NDArray[np.bool_], of: Predictions) -> Finder:
    draws = of.draws(rows)
    top_nk = attention.top_steps(weights_nT.astype(np.float32), max(TOP))
    hit_nk = np.take_along_axis(good_nT, top_nk, axis=1)
    found = {k: draws.mean(np.asarray(hit_nk[:, :k].any(axis=1), np.float64)) for k in TOP}
    total_n = weights_nT.sum(axis=1)
    even_n = total_n * good_nT.mean(axis=1)
    lift_n = np.divide((weights_nT * good_nT).sum(axis=1), even_n, out=np.zeros(len(even_n)), where=even_n > 0)
    return Finder(name, found, draws.mean(np.asarray(lift_n, np.float64)))
