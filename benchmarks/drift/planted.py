"""Drifts planted into simulated bars, their features, or what is said of them: what is found, named, and how soon."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import polars as pl

from benchmarks.drift.seen import HEADS, Seen, Spoiled, Watched
from core.drift.monitor import GROUPS, Monitor
from core.reference import Reference
from training.bars import canonical
from training.data.dataset import Panel, Samples
from training.judging.predicting import Said

HEAD: Final = 2
"""The one that is shuffled."""
_FEATURE: Final = 1
_SCALE: Final = 3.0
_WILDER: Final = 2.0


class Planted(msgspec.Struct, frozen=True):
    """One kind of drift. `bars` changes a symbol's prices, `features` the rows of a panel, `said` what was said."""

    name: str
    named: str
    """With what the name of the first statistic past its limit begins."""
    bars: Callable[[pl.DataFrame, int], pl.DataFrame] | None = None
    features: Callable[[Panel, int], None] | None = None
    said: Callable[[int], Spoiled] | None = None


class Trial(msgspec.Struct, frozen=True):
    """What one planted drift gave: by group the hours until it was past its limit, -1 never; the first name."""

    delays: dict[str, int]
    first: str


def wilder(table: pl.DataFrame, at_ms: int) -> pl.DataFrame:
    """Every price moves twice as far from then on."""
    prices = ("open", "high", "low", "close")
    after = pl.col("ts").dt.epoch("ms") >= at_ms
    from_then = pl.col("close").filter(~after).last().over("symbol")
    moved = [
        pl.when(after).then(from_then * (pl.col(name) / from_then) ** _WILDER).otherwise(pl.col(name)).alias(name)
        for name in prices
    ]
    return table.with_columns(moved)


def frozen(made: Panel, at_ms: int) -> None:
    """One feature of every symbol stays what it was then."""
    for symbol in range(len(made.symbols)):
        rows = np.flatnonzero((made.symbol_R == symbol) & (made.opened_at_ms_R >= at_ms))
        made.features_RF[rows, _FEATURE] = made.features_RF[rows[0], _FEATURE]


def scaled(made: Panel, at_ms: int) -> None:
    """One feature is three times as large: another unit."""
    made.features_RF[made.opened_at_ms_R >= at_ms, _FEATURE] *= _SCALE


def shuffled(at_ms: int) -> Spoiled:
    """One head looks with the same weights at steps drawn by chance."""
    chance = np.random.default_rng(3)

    def spoil(some: Samples, said: Said) -> None:
        rows = np.flatnonzero(some.opened_at_ms >= at_ms)
        heads_NHT = said["attention"]
        heads_NHT[rows, HEAD] = chance.permuted(heads_NHT[rows, HEAD], axis=1)

    return spoil


def bolder(at_ms: int) -> Spoiled:
    """What is foretold is twice as large."""

    def spoil(some: Samples, said: Said) -> None:
        said["return_1"][some.opened_at_ms >= at_ms] *= 2

    return spoil


PLANTED: Final = (
    Planted("volatility regime: moves twice as large", "", bars=wilder),
    Planted("a frozen feature", "relative_volume_24", features=frozen),
    Planted("a feature on another scale, times 3", "relative_volume_24", features=scaled),
    Planted(f"one of {HEADS} heads shuffled", f"attention head {HEAD}", said=shuffled),
    Planted("predictions twice as bold", "return_1: size", said=bolder),
)


def tried(
    watched: Watched, reference: Reference, planted: Planted, table: pl.DataFrame, at_ms: int, folder: Path
) -> Trial:
    """Plant one into these bars at this time, and watch."""
    file = folder / "planted.parquet"
    canonical.write(planted.bars(table, at_ms) if planted.bars else table, file)
    made = watched.panel(file)
    if planted.features:
        planted.features(made, at_ms)
    seen = watched.see(made, planted.said(at_ms)) if planted.said else watched.see(made)
    return found(Monitor(reference), seen, seen.at(at_ms))


def found(monitor: Monitor, seen: Seen, begin: int) -> Trial:
    """How long after this observation each group first passed its limit, and what passed first."""
    delays, first = dict.fromkeys(GROUPS, -1), ""
    for at, (values_K, parts_AP) in enumerate(zip(seen.values, seen.parts, strict=True)):
        monitor.take(values_K, parts_AP)
        if at < begin:
            continue
        for group, ratio in monitor.ratios().items():
            if ratio >= 1 and delays[group] < 0:
                delays[group] = at - begin
                first = first or monitor.moved()[0].name
    return Trial(delays, first)
