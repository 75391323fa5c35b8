"""Bars that are missing: on a grid without a pause where trading never stops, else in the sessions that others had."""

from typing import Final

import polars as pl

from core.bars import Interval
from training.bars.findings import Finding, Kind, Severity, found

ROUND_THE_CLOCK: Final = "24x7"
SESSIONS: Final = "sessions"

_RARELY: Final = 0.5
_USUALLY: Final = 0.9
_CLOSING_TIME: Final = 1 / 8
"""Share of the week: a weekend is 2/7 of it."""
_HOUR_MS: Final = 3_600_000


def trading(times: pl.Series, interval: Interval) -> str:
    """Whether the market closes: whether many hours of the week are seldom traded beside the busiest one.

    An exchange that is closed at night or at weekends has hours without any bar; a thin market misses bars at any hour,
    and an outage of some hours is no closing time.
    """
    share = _share_by_slot(_grid(times, interval), times, interval)["share"].to_numpy()
    closed = (share < _RARELY * share.max()).mean()
    return SESSIONS if closed >= _CLOSING_TIME else ROUND_THE_CLOCK


def missing(table: pl.DataFrame, interval: Interval, kind: str) -> pl.DataFrame:
    """Each run of missing bars: symbol, ts of the first, bars, reason. `table` has symbol and ts without doubles."""
    if kind == ROUND_THE_CLOCK:
        return _missing_on_grid(table, interval)
    symbols = table["symbol"].n_unique()
    expected = _traded_by_peers(table) if symbols > 1 else _usually_traded(table["ts"], interval)
    return _missing_of(
        table, expected, "at least half of the symbols have it" if symbols > 1 else "this hour is usually traded"
    )


def findings(gaps: pl.DataFrame, interval: Interval) -> list[Finding]:
    """Gaps as findings."""
    return found(gaps, Kind.GAP, Severity.WARNING, interval.name)


def _missing_on_grid(table: pl.DataFrame, interval: Interval) -> pl.DataFrame:
    step = pl.duration(milliseconds=interval.ms)
    before = pl.col("ts").shift().over("symbol")
    absent = (pl.col("ts") - before).dt.total_milliseconds() // interval.ms - 1
    return (
        table.with_columns(before.alias("_before"), absent.alias("bars"))
        .filter(pl.col("bars") > 0)
        .select(
            "symbol",
            (pl.col("_before") + step).alias("ts"),
            "bars",
            pl.format("{} missing after {}", "bars", pl.col("_before").dt.strftime("%Y-%m-%d %H:%M")).alias("reason"),
        )
    )


def _missing_of(table: pl.DataFrame, expected: pl.Series, why: str) -> pl.DataFrame:
    """Runs of expected times, within each symbol's own first and last bar, that it does not have."""
    numbered = pl.DataFrame({"ts": expected}).with_row_index("_number")
    absent = []
    for (symbol,), part in table.group_by("symbol", maintain_order=True):
        life = pl.col("ts").is_between(part["ts"].min(), part["ts"].max())
        absent.append(
            numbered.filter(life).join(part, on="ts", how="anti").with_columns(pl.lit(symbol).alias("symbol"))
        )
    return (
        pl.concat(absent)
        .sort("symbol", "ts")
        .with_columns((pl.col("_number").cast(pl.Int64) - pl.int_range(pl.len()).over("symbol")).alias("_run"))
        .group_by("symbol", "_run", maintain_order=True)
        .agg(pl.col("ts").first(), pl.len().cast(pl.Int64).alias("bars"))
        .select("symbol", "ts", "bars", pl.format("{} missing where {}", "bars", pl.lit(why)).alias("reason"))
    )


def _traded_by_peers(table: pl.DataFrame) -> pl.Series:
    """Times at which at least half of the symbols listed by then, and not yet delisted, have a bar."""
    life = table.group_by("symbol").agg(pl.col("ts").min().alias("_begin"), pl.col("ts").max().alias("_end"))
    traded = table.group_by("ts").agg(pl.len().alias("_there")).sort("ts")
    begun = life["_begin"].sort().search_sorted(traded["ts"], "right").cast(pl.Int64)
    ended = life["_end"].sort().search_sorted(traded["ts"], "left").cast(pl.Int64)
    return traded.filter(pl.col("_there") >= (begun - ended) * _RARELY)["ts"]


def _usually_traded(times: pl.Series, interval: Interval) -> pl.Series:
    """Times on the grid at hours of the week that nearly always have a bar."""
    grid = _grid(times, interval)
    usual = _share_by_slot(grid, times, interval).filter(pl.col("share") >= _USUALLY)
    return grid.with_columns(_slot(interval).alias("slot")).join(usual, on="slot", how="semi")["ts"].sort()


def _grid(times: pl.Series, interval: Interval) -> pl.DataFrame:
    ts = pl.col("ts")
    return times.to_frame("ts").select(pl.datetime_range(ts.min(), ts.max(), f"{interval.ms}ms"))


def _slot(interval: Interval) -> pl.Expr:
    """Which hour of the week a time lies in, or which stretch of the week where bars are longer."""
    length = max(interval.ms, _HOUR_MS)
    return (pl.col("ts").dt.epoch("ms") % Interval.parse("1w").ms) // length


def _share_by_slot(grid: pl.DataFrame, times: pl.Series, interval: Interval) -> pl.DataFrame:
    there = pl.DataFrame({"ts": times.unique()}).with_columns(pl.lit(value=True).alias("_there"))
    return (
        grid.join(there, on="ts", how="left")
        .group_by(_slot(interval).alias("slot"))
        .agg(pl.col("_there").fill_null(value=False).mean().alias("share"))
    )
