"""A file of external records: Parquet, or JSON with one record a line, which can be appended to while it is read.

| column     | what it is                                                                                       |
|------------|--------------------------------------------------------------------------------------------------|
| `name`     | what the series or the kind of event is called                                                   |
| `known_at` | when it became known, UTC: a time, or Unix milliseconds                                          |
| `value`    | a series' number; null withdraws the one before. Of an event it is not read                      |
| `at`       | when an event takes place, in the same form as `known_at`; may be absent where all are series    |
| `symbol`   | whose it is; empty, null or absent: every symbol's                                               |

Polars is imported only where a Parquet file is read: the daemon serves JSON without it.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import numpy as np

from core.errors import UNREADABLE, DataError
from core.external import EVERY, Records

if TYPE_CHECKING:
    import polars as pl

_NEVER: Final = -1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MOST_MS: Final = 1 << 62
Milliseconds = Annotated[int, msgspec.Meta(ge=-_MOST_MS, le=_MOST_MS)]
Time = Milliseconds | datetime


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line."""

    name: str
    known_at: Time
    value: float | None = None
    at: Time | None = None
    symbol: str | None = None


def read(path: Path, spelling: Callable[[str], str] = str) -> Records:
    """All records of a file. `spelling`: how the bars spell a symbol.

    Raises: DataError: no such file, neither form, or something else than records in it.
    """
    if not path.is_file():
        raise DataError(f"no file of external records at {path}; try: see docs/how-to/external.md for how to write one")
    records = _lines(path) if path.suffix in {".jsonl", ".ndjson"} else _table(path)
    names = [one.name for one in records]
    symbols = [spelling(one.symbol) if one.symbol else EVERY for one in records]
    known_ms = np.array([_ms(one.known_at) for one in records], np.int64)
    at_ms = np.array([_NEVER if one.at is None else _ms(one.at) for one in records], np.int64)
    values = np.array([np.nan if one.value is None else one.value for one in records], np.float64)
    digest = hashlib.sha256(msgspec.json.encode([names, symbols]))
    for told in (known_ms, at_ms, values):
        digest.update(told.tobytes())
    return Records(names, symbols, known_ms, at_ms, values, digest.hexdigest())


def _lines(path: Path) -> list[Record]:
    # What stands behind the last end of a line is still being written.
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    decoder = msgspec.json.Decoder(Record)
    try:
        return [decoder.decode(line) for line in whole.splitlines() if line.strip()]
    except UNREADABLE as error:
        raise DataError(
            f'{path} has a line that is no record ({error}); try: {{"name": "mood", "known_at": 1735689600000, '
            '"value": 0.3}'
        ) from error


def _table(path: Path) -> list[Record]:
    try:
        import polars as pl  # noqa: PLC0415 - loaded only where files are
    except ImportError as error:
        raise DataError(
            f"{path}: Parquet is read with polars; try: pip install 'gazed[data]', or JSON lines"
        ) from error
    try:
        table = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path} is not Parquet ({error}); try: a name that ends in .jsonl for JSON lines") from error
    told = {field.name for field in msgspec.structs.fields(Record)}
    if lacking := sorted({"name", "known_at"} - set(table.columns)):
        raise DataError(
            f"{path} lacks the columns {', '.join(lacking)}; it has {', '.join(table.columns)}. try: rename"
        )
    table = table.select(
        _in_ms(pl.col(name), table.schema[name]) if name in {"known_at", "at"} else pl.col(name)
        for name in table.columns
        if name in told
    )
    try:
        return msgspec.convert(table.to_dicts(), list[Record])
    except msgspec.ValidationError as error:
        raise DataError(f"{path} has a row that is no record ({error}); try: see docs/how-to/external.md") from error


def _in_ms(column: "pl.Expr", kind: "pl.DataType") -> "pl.Expr":
    import polars as pl  # noqa: PLC0415 - as above

    return column.cast(pl.Datetime("ms")).dt.epoch("ms") if kind.is_temporal() else column


def _ms(at: Time) -> int:
    if isinstance(at, int):
        return at
    told = at if at.tzinfo else at.replace(tzinfo=UTC)
    # Whole numbers all the way: a float of seconds would now and then be a millisecond early.
    return (told - _EPOCH) // _MILLISECOND
