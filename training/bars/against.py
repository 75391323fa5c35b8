"""The same bars told twice: the shorter interval resampled to the longer must give the same numbers."""

from typing import Final

import polars as pl

from core.bars import COLUMNS, Interval
from training.bars.findings import Finding, Kind, Severity, found

PRICE_TOLERANCE: Final = 1e-9
VOLUME_TOLERANCE: Final = 1e-6
"""Relative: sums of volumes differ in their last digits."""


def resampled(table: pl.DataFrame, short: Interval, long: Interval) -> pl.DataFrame:
    """Bars of `long` made of `short`, with the count of bars in each as `parts` and the end of the last as `until`."""
    since = pl.col("ts").dt.epoch("ms") - long.anchor_ms
    opened = (since // long.ms * long.ms + long.anchor_ms).cast(pl.Datetime("ms", "UTC"))
    return (
        table.drop_nulls(["ts", *COLUMNS])
        .group_by("symbol", opened.alias("opened"), maintain_order=True)
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            pl.col("ts").n_unique().alias("parts"),
            (pl.col("ts").max() + pl.duration(milliseconds=short.ms)).alias("until"),
        )
        .rename({"opened": "ts"})
    )


def disagreements(
    short_table: pl.DataFrame, short: Interval, long_table: pl.DataFrame, long: Interval
) -> tuple[int, list[Finding]]:
    """How many longer bars the shorter ones cover in full, which of them differ, and which were cut off at the end.

    The bar with less volume is the one that had not closed.
    """
    both = long_table.join(resampled(short_table, short, long), on=["symbol", "ts"], suffix="_short")
    whole = both.filter(pl.col("parts") == long.ms // short.ms)
    differ = pl.lit(value=False)
    for name in COLUMNS:
        tolerance = VOLUME_TOLERANCE if name == "volume" else PRICE_TOLERANCE
        other = pl.col(f"{name}_short")
        differ |= (pl.col(name) - other).abs() > tolerance * pl.max_horizontal(pl.col(name).abs(), other.abs())
    which = (
        pl.when(pl.col("volume") < pl.col("volume_short"))
        .then(pl.lit(f"the {long.name} bar looks unclosed"))
        .when(pl.col("volume") > pl.col("volume_short"))
        .then(pl.lit(f"the {short.name} bars look unclosed"))
        .otherwise(pl.lit("their volumes agree"))
    )
    compared = ("high", "low", "close", "volume")
    told = whole.filter(differ).with_columns(
        pl.format(
            f"{long.name}: high {{}} low {{}} close {{}} volume {{}}; from {short.name}: high {{}} low {{}} close {{}} "
            "volume {}; {}",
            *(pl.col(name).round_sig_figs(10) for name in (*compared, *(f"{name}_short" for name in compared))),
            which,
        ).alias("reason")
    )
    cut = found(_cut_off(both, long_table, long, short), Kind.UNCLOSED, Severity.ERROR, long.name)
    return len(whole), cut + found(told, Kind.DISAGREES, Severity.ERROR, long.name)


def _cut_off(both: pl.DataFrame, long_table: pl.DataFrame, long: Interval, short: Interval) -> pl.DataFrame:
    """Last bars of a symbol that end after its last shorter bar does: the download stopped within them."""
    last = long_table.group_by("symbol").agg(pl.col("ts").max())
    ends = pl.col("ts") + pl.duration(milliseconds=long.ms)
    return (
        both.join(last, on=["symbol", "ts"], how="semi")
        .filter(ends > pl.col("until"))
        .with_columns(
            pl.format(
                f"the {short.name} bars of this symbol stop at {{}}, within this last bar: it had not closed",
                pl.col("until").dt.strftime("%Y-%m-%d %H:%M"),
            ).alias("reason")
        )
    )


def pairs(ours: list[Interval], theirs: list[Interval]) -> list[tuple[Interval, Interval]]:
    """Which intervals can be compared, ours and theirs where one divides the other; the shortest evidence first."""
    divide = [
        (mine, other)
        for mine in ours
        for other in theirs
        if mine.ms != other.ms and max(mine.ms, other.ms) % min(mine.ms, other.ms) == 0
    ]
    return sorted(divide, key=lambda pair: min(pair[0].ms, pair[1].ms))
