"""A file of bars in the order of time, some at a time, so that it may be larger than memory."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core import barfile
from core.bars import COLUMNS, Bar, Interval
from core.errors import DataError

if TYPE_CHECKING:
    import polars as pl


class BarStream:
    """The bars of some symbols, read in spans of time. `bars_read`: about so many are in memory at once.

    `spelling`: how `symbols` spell a symbol of the file. Raises: DataError: as barfile.scan; the file has no bars of
    some symbol, writes one in two ways, or has bars of another interval.
    """

    def __init__(
        self,
        path: Path,
        interval: Interval,
        symbols: Sequence[str],
        spelling: Callable[[str], str] = str,
        *,
        bars_read: int = 250_000,
    ) -> None:
        import polars as pl  # noqa: PLC0415 - the daemon serves without it

        self._path = path
        self._interval = interval
        table = barfile.scan(path).with_columns(pl.col("ts").dt.epoch("ms"))
        if "interval" in table.collect_schema():
            table = table.filter(pl.col("interval") == interval.name)
        spelled = self._spelled(table, spelling)
        wanted = {written: symbol for written, symbol in spelled.items() if symbol in symbols}
        self._table = table.filter(pl.col("symbol").is_in(list(wanted))).with_columns(pl.col("symbol").replace(wanted))
        found = self._table.select(
            pl.len().alias("bars"),
            pl.col("symbol").unique().implode(),
            pl.col("ts").min().alias("first"),
            pl.col("ts").max().alias("last"),
            ((pl.col("ts") - interval.anchor_ms) % interval.ms == 0).sum().alias("on_grid"),
        ).collect()
        self._refuse_lacking(table, sorted(set(symbols) - set(found["symbol"][0])))
        bars, on_grid = found["bars"][0], found["on_grid"][0]
        if on_grid <= bars // 2:
            raise DataError(f"{path} holds bars of another interval than {interval.name}; try: another --bars")
        self.first_ms: int = found["first"][0]
        self.end_ms: int = found["last"][0] + interval.ms
        """The end of the last bar."""
        self._step_ms = max(1, (self.end_ms - self.first_ms) * bars_read // bars // interval.ms) * interval.ms

    def _spelled(self, table: "pl.LazyFrame", spelling: Callable[[str], str]) -> dict[str, str]:
        """The file's symbols and how they are spelled."""
        import polars as pl  # noqa: PLC0415 - as above

        written = table.select(pl.col("symbol").unique().sort()).collect()["symbol"].to_list()
        spelled = {one: spelling(one) for one in written if one is not None}
        twice = [symbol for symbol, count in Counter(spelled.values()).items() if count > 1]
        if twice:
            raise DataError(f"{self._path} writes {', '.join(twice[:8])} in two ways; try: one way, as the venue does")
        return spelled

    def bars(self, from_ms: int, to_ms: int, together: int) -> Iterator[list[Bar]]:
        """The bars that open in [from_ms, to_ms), oldest first, at most so many together.

        Raises: DataError: bars with nulls.
        """
        end_ms = min(to_ms, self.end_ms)
        for start_ms in range(max(from_ms, self.first_ms), end_ms, self._step_ms):
            bars = [Bar(*row) for row in self._read(start_ms, min(start_ms + self._step_ms, end_ms)).iter_rows()]
            for first in range(0, len(bars), together):
                yield bars[first : first + together]

    def _read(self, from_ms: int, to_ms: int) -> "pl.DataFrame":
        import polars as pl  # noqa: PLC0415 - as above

        some = self._table.filter(pl.col("ts") >= from_ms, pl.col("ts") < to_ms)
        table = some.sort("ts", "symbol", maintain_order=True).select("symbol", "ts", *COLUMNS).collect()
        if nulls := sum(table.null_count().row(0)):
            raise DataError(f"{self._path} has {nulls} nulls; try: gaze bars check {self._path}, then gaze bars import")
        return table

    def _refuse_lacking(self, table: "pl.LazyFrame", lacking: Sequence[str]) -> None:
        import polars as pl  # noqa: PLC0415 - as above

        if not lacking:
            return
        there: list[str] = table.select(pl.col("symbol").unique().sort().head(8)).collect()["symbol"].to_list()
        raise DataError(
            f"{self._path} has no {self._interval.name} bars of {', '.join(lacking[:8])}; it has "
            f"{', '.join(there) or 'none at all'}. try: --symbols {','.join(there[:3]) or 'A,B'}"
        )
