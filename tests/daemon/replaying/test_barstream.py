"""A file of bars comes in the order of time, in spans, and what cannot be replayed is refused."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from builders import HOUR

from core.bars import Bar
from core.errors import DataError
from daemon.replaying.barstream import BarStream


def a_file(folder: Path, *bars: tuple[str, int], **columns: object) -> Path:
    """Hourly bars by symbol and number."""
    path = folder / "bars.parquet"
    ts = [datetime.fromtimestamp(number * 3_600, UTC) for _, number in bars]
    table = pl.DataFrame({"symbol": [symbol for symbol, _ in bars], "ts": ts})
    usual = {"open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5, "volume": 3.0}
    numbers, kinds = usual | columns, dict.fromkeys(usual, pl.Float64)
    table = table.with_columns(*(pl.lit(value, kinds.get(name)).alias(name) for name, value in numbers.items()))
    table.with_columns(pl.col("ts").cast(pl.Datetime("ms", "UTC"))).write_parquet(path)
    return path


def told(bars: list[Bar]) -> list[tuple[str, int]]:
    return [(bar.symbol, bar.opened_at_ms // HOUR.ms) for bar in bars]


@pytest.mark.parametrize("bars_read", [1, 3, 250_000])
@pytest.mark.parametrize("together", [1, 4, 100])
def test_bars_come_oldest_first_whatever_the_spans(tmp_path: Path, bars_read: int, together: int):
    there = [(symbol, number) for symbol in "BA" for number in (7, 8, 9, 30, 31)]
    stream = BarStream(a_file(tmp_path, *there), HOUR, ["A", "B"], bars_read=bars_read)
    parts = list(stream.bars(8 * HOUR.ms, 31 * HOUR.ms, together))
    assert [told(part) for part in parts if part] == [told(part) for part in parts]
    assert max(map(len, parts)) <= together
    expected = [(symbol, number) for number in (8, 9, 30) for symbol in "AB"]
    assert told([bar for part in parts for bar in part]) == expected
    assert parts[0][0].row == (1.0, 2.0, 0.5, 1.5, 3.0)


def test_the_span_of_the_file_is_that_of_the_symbols_asked_for(tmp_path: Path):
    stream = BarStream(a_file(tmp_path, ("A", 5), ("B", 7), ("B", 9)), HOUR, ["B"])
    assert (stream.first_ms, stream.end_ms) == (7 * HOUR.ms, 10 * HOUR.ms)
    assert [one for part in stream.bars(0, 100 * HOUR.ms, 10) for one in told(part)] == [("B", 7), ("B", 9)]


def test_of_a_file_with_several_intervals_the_models_own_is_taken(tmp_path: Path):
    path = a_file(tmp_path, ("A", 5), ("A", 6), interval="1h")
    more = pl.read_parquet(path).with_columns(pl.lit("4h").alias("interval"), pl.lit(9.0).alias("close"))
    pl.concat([pl.read_parquet(path), more]).write_parquet(path)
    (bars,) = BarStream(path, HOUR, ["A"]).bars(0, 9 * HOUR.ms, 10)
    assert [bar.close for bar in bars] == [1.5, 1.5]


def test_a_symbol_that_is_not_there_is_refused_and_others_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"has no 1h bars of C; it has A, B\. try: --symbols A,B"):
        BarStream(a_file(tmp_path, ("A", 5), ("B", 5)), HOUR, ["A", "C"])


def test_bars_of_another_interval_are_refused(tmp_path: Path):
    path = a_file(tmp_path, ("A", 5), ("A", 6))
    quarters = pl.read_parquet(path).with_columns(pl.col("ts") + pl.duration(minutes=15))
    pl.concat([pl.read_parquet(path), quarters]).write_parquet(path)
    with pytest.raises(DataError, match="bars of another interval than 1h"):
        BarStream(path, HOUR, ["A"])


def test_nulls_are_refused(tmp_path: Path):
    stream = BarStream(a_file(tmp_path, ("A", 5), close=None), HOUR, ["A"])
    with pytest.raises(DataError, match="1 nulls; try: gaze bars check"):
        list(stream.bars(0, 9 * HOUR.ms, 10))
