from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from builders import HOUR

from core import barfile
from core.bars import COLUMNS
from core.errors import DataError

MIDNIGHT = datetime(2024, 1, 1, tzinfo=UTC)
STEP_MS = {"30m": HOUR.ms // 2, "1h": HOUR.ms, "1d": 24 * HOUR.ms, "1w": 7 * 24 * HOUR.ms}


def a_table(count: int = 3, symbol: str = "BTCUSDT", step: str = "1h") -> pl.DataFrame:
    """Bars that rise by one."""
    times = [int(MIDNIGHT.timestamp() * 1000) + number * STEP_MS[step] for number in range(count)]
    prices = {name: [float(number + 1) for number in range(count)] for name in COLUMNS}
    table = pl.DataFrame({"symbol": [symbol] * count, "ts": times, **prices})
    return table.with_columns(pl.col("ts").cast(pl.Datetime("ms", "UTC")))


def a_file(folder: Path, *tables: pl.DataFrame, **options: Any) -> Path:
    path = folder / "bars.parquet"
    pl.concat(tables).write_parquet(path, **options)
    return path


def test_a_file_is_read_by_symbol_oldest_bar_first(tmp_path: Path):
    dealt = pl.concat([a_table(), a_table(2, "ETHUSDT")]).reverse()
    read = barfile.read(a_file(tmp_path, dealt))
    assert list(read.symbols) == ["BTCUSDT", "ETHUSDT"]
    bitcoin = read.symbols["BTCUSDT"]
    first = int(MIDNIGHT.timestamp() * 1000)
    assert bitcoin.opened_at_ms.tolist() == [first, first + HOUR.ms, first + 2 * HOUR.ms]
    assert bitcoin.rows.tolist() == [[1.0] * 5, [2.0] * 5, [3.0] * 5]
    assert bitcoin.rows.flags["C_CONTIGUOUS"]
    assert read.interval == HOUR


def test_a_fingerprint_is_of_the_bars_and_not_of_their_order_or_compression(tmp_path: Path):
    table = pl.concat([a_table(), a_table(2, "ETHUSDT")])
    plain = barfile.read(a_file(tmp_path, table)).fingerprint
    assert barfile.read(a_file(tmp_path, table.reverse(), compression="gzip")).fingerprint == plain
    assert barfile.read(a_file(tmp_path, table.with_columns(pl.col("close") + 1e-9))).fingerprint != plain
    assert barfile.read(a_file(tmp_path, table.with_columns(pl.col("ts").dt.offset_by("1h")))).fingerprint != plain
    assert barfile.read(a_file(tmp_path, table.with_columns(pl.col("symbol") + "X"))).fingerprint != plain


@pytest.mark.parametrize("step", ["30m", "1h", "1d", "1w"])
def test_the_interval_is_the_most_common_step(tmp_path: Path, step: str):
    gappy = a_table(10, step=step).filter(~pl.int_range(pl.len()).is_in([3, 4, 8]))
    assert barfile.read(a_file(tmp_path, gappy)).interval.name == step


def test_one_of_several_intervals_must_be_chosen(tmp_path: Path):
    both = [a_table(4, step=step).with_columns(pl.lit(step).alias("interval")) for step in ("1h", "30m")]
    path = a_file(tmp_path, *both)
    assert barfile.read(path, "30m").interval.name == "30m"
    for chosen in (None, "1d"):
        with pytest.raises(DataError, match="holds the intervals 1h, 30m; try: --interval"):
            barfile.read(path, chosen)


def test_times_without_a_zone_and_dates_are_utc(tmp_path: Path):
    aware = barfile.read(a_file(tmp_path, a_table(step="1d"))).fingerprint
    for kind in (pl.Date, pl.Datetime("ms"), pl.Datetime("us")):
        naive = a_table(step="1d").with_columns(pl.col("ts").dt.replace_time_zone(None).cast(kind))
        assert barfile.read(a_file(tmp_path, naive)).fingerprint == aware


def test_a_single_bar_tells_no_interval_but_can_be_given_one(tmp_path: Path):
    path = a_file(tmp_path, a_table(1))
    with pytest.raises(DataError, match="try: --interval"):
        barfile.read(path)
    assert barfile.read(path, "1h").interval == HOUR


def test_steps_of_a_fraction_of_a_second_are_refused(tmp_path: Path):
    quick = a_table().with_columns(pl.col("ts") - pl.duration(milliseconds=pl.int_range(pl.len()) * (HOUR.ms - 500)))
    with pytest.raises(DataError, match="500 ms"):
        barfile.read(a_file(tmp_path, quick))


def test_what_cannot_be_trained_on_is_refused_with_a_way_on(tmp_path: Path):
    table = a_table()
    text = tmp_path / "bars.csv"
    text.write_text("a,b\n1,2\n")
    cases = {
        "two bars at": a_file(_folder(tmp_path, "a"), table, table[1:2]),
        "1 nulls": a_file(
            _folder(tmp_path, "b"),
            table.with_columns(pl.when(pl.col("close") > 2).then(None).otherwise("close").alias("close")),
        ),
        "expected numbers in the column high, found String": a_file(
            _folder(tmp_path, "d"), table.with_columns(pl.col("high").cast(pl.String))
        ),
        "expected times in the column ts, found String": a_file(
            _folder(tmp_path, "e"), table.with_columns(pl.col("ts").cast(pl.String))
        ),
        "expected words such as 1h in the column interval, found Int32": a_file(
            _folder(tmp_path, "f"), table.with_columns(pl.lit(60).alias("interval"))
        ),
        "3 nulls": a_file(_folder(tmp_path, "g"), table.with_columns(pl.lit(None).alias("interval"))),
        ".* has 3 nulls": a_file(_folder(tmp_path, "h"), table.with_columns(pl.lit(None).alias("high"))),
        "lacks the columns close": a_file(_folder(tmp_path, "c"), table.drop("close")),
        "no file of bars": tmp_path / "nowhere.parquet",
        "is not Parquet": text,
    }
    for message, path in cases.items():
        with pytest.raises(DataError, match=rf"{message}.*try: gaze bars"):
            barfile.read(path)
    with pytest.raises(DataError, match="holds no bars; try: "):
        barfile.read(a_file(tmp_path, table.clear()))


def _folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def test_raw_bars_with_nulls_and_doubles_can_be_seen_as_a_table(tmp_path: Path):
    raw = pl.concat([a_table(), a_table()]).with_columns(pl.lit(None, pl.Float64).alias("open"))
    table = barfile.frame(a_file(tmp_path, raw))
    assert (len(table), table.schema["ts"]) == (6, pl.Datetime("ms", "UTC"))
    assert table["ts"].is_sorted()


def test_a_real_file_has_the_symbols_and_bars_its_index_names(shared_data: Path):
    read = barfile.read(shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet")
    assert (len(read.symbols), sum(len(bars.rows) for bars in read.symbols.values())) == (20, 422_639)
    assert read.interval == HOUR
