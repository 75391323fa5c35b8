"""What is wrong with a table of bars. Pure: tables in, findings out; nothing is repaired."""

from typing import Final

import polars as pl

from core.bars import Interval
from core.unclosed import FEW_NEIGHBOURS, JUMP, NEIGHBOURS, TINY_VOLUME
from training.bars import gaps
from training.bars.consistency import inconsistency
from training.bars.findings import Finding, Kind, Severity, Span, found, iso, runs

OUTLIER_MADS: Final = 25.0
"""A return this many robust standard deviations (1.4826 x the median absolute return around it) is an outlier."""

_MAD: Final = 1.4826


def check(table: pl.DataFrame, interval: Interval) -> tuple[Span, list[Finding]]:
    """Check the bars of one interval: REQUIRED columns as `barfile.frame` gives them, sorted by symbol and time."""
    timed = table.filter(pl.col("ts").is_not_null())
    single = timed.unique(["symbol", "ts"], keep="first", maintain_order=True)
    kind = gaps.trading(single["ts"], interval)
    on_grid = single.filter(~_off_grid(interval))
    absent = gaps.missing(on_grid.select("symbol", "ts"), interval, kind)
    gap_findings = gaps.findings(absent, interval)
    sound = single.filter(inconsistency().is_null())
    every = [
        *duplicates(timed, interval),
        *nulls(table, interval),
        *inconsistent(table, interval),
        *off_grid(single, interval),
        *gap_findings,
        *outliers(sound, interval),
        # Where a market closes, its next bar always opens away from the last close.
        *(suspects(sound, interval) if kind == gaps.ROUND_THE_CLOCK else ()),
        *last_bar(single, interval),
        *quiet(sound, interval),
    ]
    largest = max(gap_findings, key=lambda gap: gap.bars, default=None)
    first, last = single.select(iso().min().alias("first"), iso().max().alias("last")).row(0)
    missing = sum(gap.bars for gap in gap_findings)
    symbols = single["symbol"].n_unique()
    span = Span(interval.name, kind, symbols, len(table), first, last, len(gap_findings), missing, largest)
    return span, every


def order(raw: pl.DataFrame) -> list[Finding]:
    """Symbols whose rows do not stand in the order of time, as the file has them: symbol, ts, perhaps interval."""
    if "interval" not in raw.columns:
        raw = raw.with_columns(pl.lit("").alias("interval"))
    before = pl.col("ts").shift().over("symbol", "interval")
    told = (
        raw.with_columns(pl.col("ts").cast(pl.Datetime("ms")))
        .with_columns(before.alias("_before"))
        .filter(pl.col("ts") < pl.col("_before"))
        .group_by("symbol", "interval", maintain_order=True)
        .agg(pl.col("ts").first(), pl.col("_before").first(), pl.len().alias("bars"))
        .with_columns(
            pl.format("out of order {} times; the first stands after {}", "bars", iso("_before")).alias("reason")
        )
    )
    by_interval = told.partition_by("interval", as_dict=True, maintain_order=True).items()
    return [one for (name,), part in by_interval for one in found(part, Kind.ORDER, Severity.WARNING, str(name))]


def duplicates(table: pl.DataFrame, interval: Interval) -> list[Finding]:
    """Two bars of one symbol at one time."""
    same = pl.struct("open", "high", "low", "close", "volume").n_unique() == 1
    twice = (
        table.group_by("symbol", "ts", maintain_order=True)
        .agg(pl.len().alias("_times"), same.alias("_same"))
        .filter(pl.col("_times") > 1)
    )
    said = pl.when("_same").then(pl.lit("identical")).otherwise(pl.lit("which differ"))
    told = twice.with_columns(pl.format("{} bars at this time, {}", "_times", said).alias("reason"))
    return found(told, Kind.DUPLICATE, Severity.ERROR, interval.name)


def nulls(table: pl.DataFrame, interval: Interval) -> list[Finding]:
    """Rows in which something is missing."""
    names = ("symbol", "ts", "open", "high", "low", "close", "volume")
    absent = pl.concat_list(pl.when(pl.col(name).is_null()).then(pl.lit(name)) for name in names).list.drop_nulls()
    told = table.with_columns(absent.alias("_absent")).filter(pl.col("_absent").list.len() > 0)
    told = told.with_columns(pl.format("no {}", pl.col("_absent").list.join(", ")).alias("reason"))
    return found(told, Kind.NULL, Severity.ERROR, interval.name)


def inconsistent(table: pl.DataFrame, interval: Interval) -> list[Finding]:
    """Whole rows whose numbers cannot be true."""
    whole = table.drop_nulls(["open", "high", "low", "close", "volume"])
    told = whole.with_columns(inconsistency().alias("reason")).filter(pl.col("reason").is_not_null())
    return found(told, Kind.INCONSISTENT, Severity.ERROR, interval.name)


def off_grid(table: pl.DataFrame, interval: Interval) -> list[Finding]:
    """Bars that open between two steps of their interval, in runs."""
    told = runs(table, _off_grid(interval))
    told = told.with_columns(pl.lit(f"does not open on the grid of {interval.name}").alias("reason"))
    return found(told, Kind.OFF_GRID, Severity.ERROR, interval.name)


def outliers(table: pl.DataFrame, interval: Interval) -> list[Finding]:
    """Returns far beyond what is usual around them."""
    change = (pl.col("close") / pl.col("close").shift()).log().over("symbol")
    told = (
        table.with_columns(change.alias("_r"))
        .with_columns(_usual(pl.col("_r").abs()).alias("_mad"), pl.col("_r").shift(-1).over("symbol").alias("_next"))
        .with_columns((pl.col("_r").abs() / (_MAD * pl.col("_mad"))).alias("_far"))
        .filter((pl.col("_mad") > 0) & (pl.col("_far") > OUTLIER_MADS))
    )
    back = (pl.col("_next") + pl.col("_r")).abs() < pl.col("_r").abs() / 4
    told = told.with_columns(
        pl.format(
            "log return {} is {} times the usual{}",
            pl.col("_r").round(4),
            pl.col("_far").round(0).cast(pl.Int64),
            pl.when(back).then(pl.lit(", and the next bar goes back")).otherwise(pl.lit("")),
        ).alias("reason")
    )
    return found(told, Kind.OUTLIER, Severity.WARNING, interval.name)


def suspects(table: pl.DataFrame, interval: Interval) -> list[Finding]:
    """Bars that look cut short: little volume, and the next bar, which follows at once, opens away from their close."""
    follows = pl.col("ts").shift(-1).over("symbol") - pl.col("ts") == pl.duration(milliseconds=interval.ms)
    jump = (pl.col("open").shift(-1).over("symbol") / pl.col("close")).log().abs()
    told = (
        table.with_columns(
            (jump / _usual((pl.col("high") / pl.col("low")).log())).alias("_jump"),
            (pl.col("volume") / _usual(pl.col("volume"))).alias("_volume"),
        )
        .filter(follows & (pl.col("_volume") < TINY_VOLUME) & (pl.col("_jump") > JUMP) & pl.col("_jump").is_finite())
        .with_columns(
            pl.format(
                "volume is {} % of the usual and the next bar opens {} usual ranges away: was it closed?",
                (pl.col("_volume") * 100).round(0).cast(pl.Int64),
                pl.col("_jump").round(1),
            ).alias("reason")
        )
    )
    return found(told, Kind.UNCLOSED, Severity.WARNING, interval.name)


def last_bar(table: pl.DataFrame, interval: Interval) -> list[Finding]:
    """The newest bars of the file, which nothing after them can vouch for."""
    newest = table.filter(pl.col("ts") == pl.col("ts").max())
    told = newest.with_columns(
        pl.lit("the newest of the file: nothing after it shows that it had closed").alias("reason")
    )
    return found(told, Kind.LAST_BAR, Severity.NOTE, interval.name)


def quiet(table: pl.DataFrame, interval: Interval) -> list[Finding]:
    """Runs of bars without volume, and of bars with volume whose price stands still."""
    empty = runs(table, pl.col("volume") == 0)
    empty = empty.with_columns(pl.lit("no volume").alias("reason"))
    still = runs(table, (pl.col("high") == pl.col("low")) & (pl.col("volume") > 0))
    still = still.with_columns(pl.lit("volume, but at one price only").alias("reason"))
    return [
        *found(empty, Kind.NO_VOLUME, Severity.NOTE, interval.name),
        *found(still, Kind.FLAT, Severity.NOTE, interval.name),
    ]


def _usual(value: pl.Expr) -> pl.Expr:
    """The median of the bars around a bar of the same symbol."""
    return value.rolling_median(NEIGHBOURS, min_samples=FEW_NEIGHBOURS, center=True).over("symbol")


def _off_grid(interval: Interval) -> pl.Expr:
    return (pl.col("ts").dt.epoch("ms") - interval.anchor_ms) % interval.ms != 0
