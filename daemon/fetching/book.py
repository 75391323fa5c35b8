"""Fetched bars on disk: parts in a folder beside the file while it is fetched, then one file in one step.

Each part tells in its metadata which span of which symbol it covers, and so does the file: whoever fetches again asks
only for what no part and no file covers, whether a run was killed or the file is a week old.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from core import disk
from core.bars import COLUMNS, Bar, Interval
from core.errors import DataError, UsageError
from daemon.fetching.spans import Span, merged

if TYPE_CHECKING:
    import polars as pl

_KEY: Final = "gaze.fetched"


class Fetched(msgspec.Struct, frozen=True):
    """What a file or a part covers, by symbol."""

    venue: str
    interval: str
    spans: dict[str, list[Span]]


class Book:
    """The bars of one venue and interval at `path`. Raises: UsageError: the file there is of another."""

    def __init__(self, path: Path, venue: str, interval: Interval) -> None:
        self.path = path.absolute()
        self._venue = venue
        self._interval = interval
        self._beside = self.path.with_name(f".{self.path.name}.fetching")
        self._spans: dict[str, list[Span]] = {}
        parts = sorted(self._beside.glob("*.parquet"))
        self._files = [*([self.path] if self.path.is_file() else []), *parts]
        for file in self._files:
            self._learn(file)
        self._next = int(parts[-1].stem) + 1 if parts else 0

    def covered(self, symbol: str) -> list[Span]:
        """The spans that need not be fetched."""
        return self._spans.get(symbol, [])

    def add(self, symbol: str, bars: Sequence[Bar], span: Span) -> None:
        """Keep the bars of a span; a part is there whole or not at all."""
        self._beside.mkdir(parents=True, exist_ok=True)
        part = self._beside / f"{self._next:06}.parquet"
        self._next += 1
        told = Fetched(self._venue, self._interval.name, {symbol: [span]})
        _write(_table(bars), part, told)
        self._files.append(part)
        self._spans[symbol] = merged([*self.covered(symbol), span])

    def close(self) -> int:
        """Join all parts into the file and remove them; returns how many bars it has."""
        import polars as pl  # noqa: PLC0415 - the daemon serves without it

        if not self._files:
            return 0
        tables = [pl.read_parquet(file).select("symbol", "ts", *COLUMNS) for file in self._files]
        # Of a bar that was fetched twice, the later word counts.
        whole = pl.concat(tables).unique(["symbol", "ts"], keep="last", maintain_order=True).sort("symbol", "ts")
        _write(whole, self.path, Fetched(self._venue, self._interval.name, self._spans))
        shutil.rmtree(self._beside, ignore_errors=True)
        self._files = [self.path]
        return whole.height

    def _learn(self, file: Path) -> None:
        import polars as pl  # noqa: PLC0415 - as above

        try:
            told = pl.read_parquet_metadata(file).get(_KEY)
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{file} is not Parquet ({error}); try: move it away") from error
        if told is None:
            raise UsageError(f"{file} is there, and no file that was fetched; try: another --out")
        had = msgspec.json.decode(told, type=Fetched)
        if (had.venue, had.interval) != (self._venue, self._interval.name):
            raise UsageError(
                f"{file} holds {had.interval} bars of {had.venue}, asked for are {self._interval.name} of "
                f"{self._venue}; try: another --out"
            )
        for symbol, spans in had.spans.items():
            self._spans[symbol] = merged([*self.covered(symbol), *spans])


def _table(bars: Sequence[Bar]) -> "pl.DataFrame":
    import polars as pl  # noqa: PLC0415 - as above

    return pl.DataFrame(
        [
            pl.Series("symbol", [bar.symbol for bar in bars], pl.String),
            pl.Series("ts", [bar.opened_at_ms for bar in bars], pl.Int64).cast(pl.Datetime("ms", "UTC")),
            *(pl.Series(name, [bar.row[at] for bar in bars], pl.Float64) for at, name in enumerate(COLUMNS)),
        ]
    )


def _write(table: "pl.DataFrame", path: Path, told: Fetched) -> None:
    unfinished = path.with_name(f".{path.name}.writing")
    with disk.told(path):
        table.write_parquet(unfinished, metadata={_KEY: msgspec.json.encode(told).decode()})
    unfinished.replace(path)
