"""From somebody's files to one file of bars: say what was taken for what, and lose nothing that is refused."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from core import barfile
from core.bars import COLUMNS, Interval
from core.errors import DataError, UsageError
from training.bars import canonical, columns
from training.bars.consistency import inconsistency
from training.bars.source import open_table
from training.bars.steps import usual_interval
from training.bars.times import Times, read_times

ROW: Final = ("symbol", "ts", *COLUMNS)


class Wishes(msgspec.Struct, frozen=True):
    """What the user says where the files leave it open; each has an option of the same name."""

    symbol: str | None = None
    interval: str | None = None
    timezone: str | None = None
    unit: str | None = None
    time_format: str | None = None
    columns: tuple[str, ...] = ()


class Source(msgspec.Struct, frozen=True):
    """What one file was taken for. `columns`: our word for each of its columns."""

    path: str
    kind: str
    rows: int
    columns: dict[str, str]
    time: str
    symbol: str


class Imported(msgspec.Struct, frozen=True):
    """What became of all rows: bars + identical + refused is the sum of rows of the sources."""

    out: str
    sources: list[Source]
    interval: str
    symbols: int
    bars: int
    first: str
    last: str
    fingerprint: str
    identical: int
    refused: dict[str, int]
    refused_file: str | None


def import_bars(sources: Sequence[Path], out: Path, wishes: Wishes, tick: Callable[[], None]) -> Imported:
    """Read all sources into one file. `tick` is called after each.

    Raises: DataError: a source is unclear, or no row is left. UsageError: `out` is one of the sources.
    """
    if out.resolve() in [path.resolve() for path in sources]:
        raise UsageError(f"--out {out} is a file that is read, and would be written over; try: another --out")
    if wishes.interval:
        Interval.parse(wishes.interval)
    told, tables = [], []
    for path in sources:
        source, table = _read(path, wishes)
        told.append(source)
        tables.append(table)
        tick()
    rows = pl.concat(tables)
    if rows.is_empty():
        raise DataError(f"there are no rows in {', '.join(source.path for source in told)}; try: another file")
    # A row may lie in two sources: what says the same twice is one bar.
    kept, identical, refused = _judged(rows)
    if kept.is_empty():
        reason = refused["reason"][0]
        raise DataError(f"none of {len(rows)} rows is a bar ({reason}); try: --column, --unit or --time-format")
    interval = _interval(kept, wishes.interval)
    canonical.write(kept, out)
    refused_file = _write_refused(refused, out)
    written = barfile.read(out, interval)
    return Imported(
        out=str(out),
        sources=told,
        interval=interval,
        symbols=len(written.symbols),
        bars=len(kept),
        first=str(kept["ts"].min()),
        last=str(kept["ts"].max()),
        fingerprint=written.fingerprint,
        identical=identical,
        refused=dict(refused.group_by("kind").len().sort("kind").iter_rows()),
        refused_file=refused_file,
    )


def _read(path: Path, wishes: Wishes) -> tuple[Source, pl.DataFrame]:
    """One source as ROW with source, row (counted from 1) and original (the fields as they were) beside."""
    table, kind = open_table(path)
    chosen = columns.named(wishes.columns, table.columns)
    found = columns.candidates(table.columns)
    symbol_column = chosen.get("symbol") or next(iter(found["symbol"]), None)
    if wishes.symbol or symbol_column is None:
        found["symbol"] = []
        one = wishes.symbol or columns.symbol_of(path)
        symbol, symbols, symbol_told = pl.lit(one), [one], f"{one} ({'--symbol' if wishes.symbol else 'file name'})"
    else:
        symbol = pl.col(symbol_column).cast(pl.String).str.strip_chars()
        symbols = table.select(symbol.drop_nulls().unique()).to_series().to_list()
        symbol_told = f"column {symbol_column}"
    found["volume"] = _unticked(table, found["volume"])
    taken = columns.one_each(found, chosen, symbols, table.columns)
    table = table.with_row_index("_row", 1)
    if "interval" in taken:
        table = _of_interval(path, table, taken["interval"], wishes.interval)
    time_column, times = _times(table, [chosen["ts"]] if "ts" in chosen else found["ts"], wishes)
    numbers = [
        pl.lit(0.0).alias(name) if taken[name] == columns.NO_VOLUME else _number(table, taken[name]).alias(name)
        for name in COLUMNS
    ]
    rows = table.select(
        symbol.alias("symbol"),
        times.ts.alias("ts"),
        *numbers,
        pl.lit(path.name).alias("source"),
        pl.col("_row").cast(pl.Int64).alias("row"),
        pl.concat_str(pl.exclude("_row").cast(pl.String), separator=",", ignore_nulls=False)
        .fill_null(pl.concat_str(pl.exclude("_row").cast(pl.String).fill_null(""), separator=","))
        .alias("original"),
    )
    return Source(str(path), kind, len(rows), {"ts": time_column} | taken, times.told, symbol_told), rows


def _unticked(table: pl.DataFrame, volumes: list[str]) -> list[str]:
    """Without a count of ticks, where the volume beside it is more than zeros."""
    traded = [name for name in volumes if not columns.plain(name).startswith("tick")]
    told = any((table.select(_number(table, name)).to_series() > 0).any() for name in traded)
    return traded if told else volumes


def _number(table: pl.DataFrame, column: str) -> pl.Expr:
    expression = pl.col(column)
    if table.schema[column] == pl.String:
        expression = expression.str.strip_chars(" \t$")
    return expression.cast(pl.Float64, strict=False)


def _of_interval(path: Path, table: pl.DataFrame, column: str, wanted: str | None) -> pl.DataFrame:
    there = sorted(str(name) for name in table[column].unique().drop_nulls())
    chosen = wanted or (there[0] if len(there) == 1 else None)
    if chosen not in there:
        raise DataError(f"{path} holds the intervals {', '.join(there)}, expected one; try: --interval {there[0]}")
    return table.filter(pl.col(column).cast(pl.String) == chosen)


def _times(table: pl.DataFrame, could: Sequence[str], wishes: Wishes) -> tuple[str, Times]:
    """The column of times and what it says; a date and a clock in two columns are joined."""
    if not could:
        raise DataError(
            f"no column looks like a time; there are: {', '.join(table.columns[1:])}; try: --column ts=NAME"
        )
    by_name = {columns.plain(name): name for name in could}
    if len(could) > 1 and "date" in by_name and "time" in by_name and _is_clock(table[by_name["time"]]):
        day, clock = by_name["date"], by_name["time"]
        joined = table.select(pl.concat_str(day, clock, separator=" ")).to_series()
        return f"{day} and {clock}", read_times(joined, wishes.unit, wishes.time_format, wishes.timezone)
    read = [(name, read_times(table[name], wishes.unit, wishes.time_format, wishes.timezone)) for name in could]
    if any(not times.ts.equals(read[0][1].ts) for _, times in read[1:]):
        names = " or ".join(could)
        raise DataError(f"the time could be {names}, and they differ; try: --column ts={could[0]!r}")
    return read[0]


def _is_clock(column: pl.Series) -> bool:
    return column.dtype == pl.String and bool(column.str.contains(r"^\s*\d{1,2}:?\d{2}(:?\d{2})?\s*$").all())


def _judged(rows: pl.DataFrame) -> tuple[pl.DataFrame, int, pl.DataFrame]:
    """Split rows into bars, a count of repeated identical rows, and the refused with kind and reason."""
    reason = (
        pl.when(pl.col("ts").is_null())
        .then(pl.lit("the time cannot be read, or the clock shows it twice or never"))
        .when(pl.col("symbol").is_null() | (pl.col("symbol") == ""))
        .then(pl.lit("the symbol is missing"))
        .otherwise(inconsistency())
    )
    unread = pl.col("ts").is_null() | pl.any_horizontal(pl.col("symbol", *COLUMNS).is_null())
    rows = rows.with_columns(reason.alias("reason"), pl.when(unread).then(pl.lit("unreadable")).alias("kind"))
    good = rows.filter(pl.col("reason").is_null())
    once = good.unique(ROW, keep="first", maintain_order=True)
    conflicting = pl.len().over("symbol", "ts") > 1
    two = once.filter(conflicting).with_columns(
        pl.lit("two rows of this symbol and time differ").alias("reason"), pl.lit("conflicting").alias("kind")
    )
    bad = rows.filter(pl.col("reason").is_not_null()).with_columns(pl.col("kind").fill_null("inconsistent"))
    return once.filter(~conflicting), len(good) - len(once), pl.concat([bad, two])


def _interval(kept: pl.DataFrame, wanted: str | None) -> str:
    """The most common step, which must be the wanted one where one is wanted."""
    if wanted and kept.group_by("symbol").len()["len"].max() == 1:
        return wanted
    usual = usual_interval(kept.sort("symbol", "ts"))
    if wanted and Interval.parse(wanted).ms != usual.ms:
        raise DataError(f"--interval {wanted}: expected it, found steps of {usual.name}; try: --interval {usual.name}")
    return wanted or usual.name


def _write_refused(refused: pl.DataFrame, out: Path) -> str | None:
    path = canonical.beside(out, "refused")
    if refused.is_empty():
        # Rows that an earlier import of the same name refused say nothing about this one.
        path.unlink(missing_ok=True)
        return None
    canonical.write_table(refused.select("source", "row", "kind", "reason", *ROW, "original"), path)
    return str(path)
