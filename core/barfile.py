"""A file of bars: Parquet with the columns symbol, ts, open, high, low, close, volume; ts is the opening time in UTC.

Training, replay and the stand-in exchange read the same files, and none of them may import another, so their one
reader lives here. Polars is imported when a file is read: what serves live bars never needs it.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from core.bars import COLUMNS, BarArray, Interval, TimeArray
from core.errors import DataError

if TYPE_CHECKING:
    import polars as pl

REQUIRED: Final = ("symbol", "ts", *COLUMNS)


class SymbolBars(msgspec.Struct, frozen=True):
    """All bars of one symbol, oldest first, open times strictly increasing: (T,) and (T, 5)."""

    symbol: str
    opened_at_ms: TimeArray
    rows: BarArray


class BarFile(msgspec.Struct, frozen=True):
    """All bars of a file. `fingerprint`: sha256 over symbols, times and numbers, whatever the file's compression."""

    interval: Interval
    symbols: dict[str, SymbolBars]
    fingerprint: str


def scan(path: Path) -> "pl.LazyFrame":
    """The file as polars would read it: REQUIRED columns and what else there is, ts as Datetime(ms, UTC), unsorted.

    Raises: DataError: no such file, not Parquet, or columns are missing or of another kind.
    """
    import polars as pl  # noqa: PLC0415 - loaded only where files of bars are

    if not path.is_file():
        raise DataError(f"no file of bars at {path}; try: gaze bars simulate --out {path}")
    table = pl.scan_parquet(path)
    try:
        schema = table.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path} is not Parquet ({error}); try: gaze bars import {path} --out bars.parquet") from error
    missing = [name for name in REQUIRED if name not in schema]
    if missing:
        raise DataError(
            f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(schema)}. "
            f"try: gaze bars import {path} --out bars.parquet"
        )
    for name, kind in schema.items():
        if kind == pl.Null:
            continue  # a column of nothing but nulls is of no kind
        if name in COLUMNS and not kind.is_numeric():
            raise _of_another_kind(path, name, kind, "numbers")
        if name == "ts" and not (isinstance(kind, pl.Datetime | pl.Date) or kind.is_integer()):
            raise _of_another_kind(path, name, kind, "times")
        if name == "interval" and not isinstance(kind, pl.String | pl.Categorical | pl.Enum):
            raise _of_another_kind(path, name, kind, "words such as 1h")
    in_utc = schema["ts"] == pl.Datetime("ms", "UTC")
    ts = pl.col("ts") if in_utc else pl.col("ts").cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
    return table.with_columns(ts, *(pl.col(name).cast(pl.Float64) for name in COLUMNS))


def _of_another_kind(path: Path, name: str, found: "pl.DataType", expected: str) -> DataError:
    return DataError(
        f"{path}: expected {expected} in the column {name}, found {found}; "
        f"try: gaze bars import {path} --out bars.parquet"
    )


def frame(path: Path) -> "pl.DataFrame":
    """As `scan`, read and sorted by symbol and time."""
    return scan(path).sort("symbol", "ts", maintain_order=True).collect()


def read(path: Path, interval: str | None = None) -> BarFile:
    """Read a file of bars of one interval.

    Where the file has an `interval` column, `interval` chooses from it; else the interval is the most common step.

    Raises: DataError: as `frame`; several intervals and none chosen; bars that repeat or have nulls.
    """
    import polars as pl  # noqa: PLC0415 - as above

    table = frame(path)
    if "interval" in table.columns:
        _refuse_nulls(path, table, "interval")
        there = sorted(table["interval"].unique().to_list())
        chosen = interval or (there[0] if len(there) == 1 else None)
        if chosen not in there:
            raise DataError(f"{path} holds the intervals {', '.join(there)}; try: --interval {(*there, '1h')[0]}")
        table = table.filter(pl.col("interval") == chosen)
        interval = chosen
    _refuse_nulls(path, table, *REQUIRED)
    symbols: dict[str, SymbolBars] = {}
    digest = hashlib.sha256()
    for (symbol,), part in table.group_by("symbol", maintain_order=True):
        times = part["ts"].dt.epoch("ms").to_numpy().astype(np.int64)
        rows = np.ascontiguousarray(part.select(COLUMNS).to_numpy().astype(np.float64))
        repeated = np.flatnonzero(np.diff(times) <= 0)
        if len(repeated):
            raise DataError(f"{path}: {symbol} has two bars at {times[repeated[0]]}; try: gaze bars check {path}")
        symbols[str(symbol)] = SymbolBars(str(symbol), times, rows)
        for told in (str(symbol).encode(), times.tobytes(), rows.tobytes()):
            digest.update(told)
    if not symbols:
        raise DataError(f"{path} holds no bars; try: gaze bars fetch, or gaze bars import")
    known = Interval.parse(interval) if interval else _usual_interval(path, symbols)
    return BarFile(known, symbols, digest.hexdigest())


def _refuse_nulls(path: Path, table: "pl.DataFrame", *names: str) -> None:
    if nulls := sum(table.select(names).null_count().row(0)):
        raise DataError(f"{path} has {nulls} nulls; try: gaze bars check {path}, then gaze bars import")


def _usual_interval(path: Path, symbols: dict[str, SymbolBars]) -> Interval:
    steps = np.concatenate([np.diff(bars.opened_at_ms) for bars in symbols.values()])
    if not len(steps):
        raise DataError(f"{path} has a single bar a symbol, so its interval is unknown; try: --interval 1h")
    lengths, counts = np.unique(steps, return_counts=True)
    step = int(lengths[counts.argmax()])
    for unit, length in (("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if step % length == 0:
            return Interval.parse(f"{step // length}{unit}")
    raise DataError(f"{path} steps by {step} ms, which is no whole number of seconds; try: gaze bars check {path}")
