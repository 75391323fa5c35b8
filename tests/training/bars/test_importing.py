import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import Result

from core import barfile
from core.errors import DataError, UsageError

Run = Callable[..., Result]
Write = Callable[[str, str], Path]

JANUARY_S = 1_704_067_200
HEADER = "time,open,high,low,close,volume\n"


def rows(times: list[object]) -> str:
    return "".join(f"{time},1,2,0.5,1.5,10\n" for time in times)


def told(result: Result) -> dict:
    return json.loads(result.stdout)


@pytest.mark.parametrize("per_second", [1, 1_000, 1_000_000, 1_000_000_000])
def test_times_in_any_unit_since_the_epoch_are_the_same_bars(
    gaze_bars: Run, write: Write, tmp_path: Path, per_second: int
):
    source = write("BTCUSDT_1h.csv", HEADER + rows([(JANUARY_S + 3_600 * step) * per_second for step in range(4)]))
    done = told(gaze_bars("import", source, "--out", tmp_path / "bars.parquet", "--json"))
    assert (done["first"], done["interval"], done["bars"]) == ("2024-01-01 00:00:00+00:00", "1h", 4)


def test_a_dump_whose_unit_changes_midway_is_read_row_by_row(gaze_bars: Run, write: Write, tmp_path: Path):
    times = [JANUARY_S * 1_000, (JANUARY_S + 3_600) * 1_000, (JANUARY_S + 7_200) * 1_000_000]
    source = write("BTCUSDT.csv", HEADER + rows(times))
    done = told(gaze_bars("import", source, "--out", tmp_path / "bars.parquet", "--json"))
    assert done["last"] == "2024-01-01 02:00:00+00:00"
    assert "milliseconds" in done["sources"][0]["time"]
    assert "microseconds" in done["sources"][0]["time"]


@pytest.mark.parametrize(
    ("time", "later"),
    [
        ("2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"),
        ("2024-01-01 00:00:00+00:00", "2024-01-01 01:00:00+00:00"),
        ("2023-12-31T19:00:00-05:00", "2023-12-31T20:00:00-05:00"),
        ("2024-01-01 00:00", "2024-01-01 01:00"),
        ("2024-01-01 00:00:00.000", "2024-01-01 01:00:00.000"),
        ("2024.01.01 00:00:00", "2024.01.01 01:00:00"),
    ],
)
def test_times_as_people_write_them_are_read(gaze_bars: Run, write: Write, tmp_path: Path, time: str, later: str):
    source = write("BTCUSDT.csv", HEADER + rows([time, later]))
    done = told(gaze_bars("import", source, "--out", tmp_path / "bars.parquet", "--json"))
    assert (done["first"], done["interval"]) == ("2024-01-01 00:00:00+00:00", "1h")


def test_wall_clock_times_become_utc_and_the_hour_shown_twice_is_refused(gaze_bars: Run, write: Write, tmp_path: Path):
    clock = [f"2024-11-03 0{hour}:00:00" for hour in range(5)]
    out = tmp_path / "bars.parquet"
    source = write("SPY.csv", HEADER + rows(clock))
    done = told(gaze_bars("import", source, "--out", out, "--timezone", "America/New_York", "--json"))
    assert done["first"] == "2024-11-03 04:00:00+00:00"
    assert done["last"] == "2024-11-03 09:00:00+00:00"
    refused = pl.read_parquet(done["refused_file"])
    assert refused["original"].to_list() == ["2024-11-03 01:00:00,1,2,0.5,1.5,10"]


def test_a_day_and_a_clock_in_two_columns_are_one_time(gaze_bars: Run, write: Write, tmp_path: Path):
    text = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\n"
    text += "".join(f"2024.01.02\t0{hour}:00:00\t1\t2\t1\t1\t9\t5\n" for hour in range(3))
    done = told(gaze_bars("import", write("EURUSD_H1.csv", text), "--out", tmp_path / "bars.parquet", "--json"))
    assert done["sources"][0]["columns"]["ts"] == "<DATE> and <TIME>"
    assert done["sources"][0]["columns"]["volume"] == "<VOL>"
    assert done["first"] == "2024-01-02 00:00:00+00:00"


def test_day_and_month_that_could_be_either_are_refused_until_settled(gaze_bars: Run, write: Write, tmp_path: Path):
    source, out = write("AAPL.csv", HEADER + rows(["03/04/2024", "04/04/2024"])), tmp_path / "bars.parquet"
    with pytest.raises(DataError, match="try: --time-format"):
        gaze_bars("import", source, "--out", out)
    done = told(gaze_bars("import", source, "--out", out, "--time-format", "%d/%m/%Y", "--json"))
    assert done["first"] == "2024-04-03 00:00:00+00:00"
    other = write("MSFT.csv", HEADER + rows(["03/12/2024", "03/13/2024"]))
    assert told(gaze_bars("import", other, "--out", out, "--json"))["first"] == "2024-03-12 00:00:00+00:00"


def test_a_count_in_no_known_unit_names_the_option_that_settles_it(gaze_bars: Run, write: Write, tmp_path: Path):
    source, out = write("X.csv", HEADER + rows([3_600, 7_200])), tmp_path / "bars.parquet"
    with pytest.raises(DataError, match="try: --unit"):
        gaze_bars("import", source, "--out", out)
    done = told(gaze_bars("import", source, "--out", out, "--unit", "s", "--json"))
    assert done["first"] == "1970-01-01 01:00:00+00:00"


def test_a_binance_dump_without_a_header_is_known_by_its_twelve_columns(gaze_bars: Run, tmp_path: Path):
    opened = [JANUARY_S * 1_000 + 3_600_000 * step for step in range(3)]
    lines = "".join(f"{at},1,2,0.5,1.5,10,{at + 3_599_999},3,4,5,6,0\n" for at in opened)
    source = tmp_path / "BTCUSDT-1h-2024-01.zip"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("BTCUSDT-1h-2024-01.csv", lines)
    out = tmp_path / "bars.parquet"
    done = told(gaze_bars("import", source, "--out", out, "--json"))
    assert done["sources"][0]["symbol"] == "BTCUSDT (file name)"
    assert barfile.read(out).symbols["BTCUSDT"].rows.tolist() == [[1, 2, 0.5, 1.5, 10]] * 3


def test_a_publishers_address_above_the_header_and_two_times_that_agree_do_not_matter(
    gaze_bars: Run, write: Write, tmp_path: Path
):
    text = "https://www.example.org/data\nUnix,Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USDT\n"
    text += "".join(f"{JANUARY_S + 3600 * h},2024-01-01 0{h}:00:00,BTCUSDT,1,2,0.5,1.5,10,15\n" for h in range(3))
    done = told(gaze_bars("import", write("hourly.csv", text), "--out", tmp_path / "bars.parquet", "--json"))
    assert done["sources"][0]["columns"]["volume"] == "Volume BTC"
    assert done["sources"][0]["symbol"] == "column Symbol"


def test_two_times_that_differ_must_be_settled(gaze_bars: Run, write: Write, tmp_path: Path):
    text = "time,date,open,high,low,close,volume\n"
    text += "".join(f"{JANUARY_S + 3600 * h},2024-02-01,1,2,0.5,1.5,10\n" for h in range(3))
    with pytest.raises(DataError, match="try: --column ts="):
        gaze_bars("import", write("X.csv", text), "--out", tmp_path / "bars.parquet")


def test_two_volumes_must_be_settled(gaze_bars: Run, write: Write, tmp_path: Path):
    text = "time,open,high,low,close,Volume A,Volume B\n"
    text += "".join(f"{JANUARY_S + 3600 * h},1,2,0.5,1.5,10,20\n" for h in range(3))
    source, out = write("XYZ.csv", text), tmp_path / "bars.parquet"
    with pytest.raises(DataError, match="Volume A or Volume B; try: --column volume="):
        gaze_bars("import", source, "--out", out)
    gaze_bars("import", source, "--out", out, "--column", "volume=Volume B")
    assert barfile.read(out).symbols["XYZ"].rows[0].tolist() == [1, 2, 0.5, 1.5, 20]


def test_a_market_without_a_published_volume_is_imported_with_zeros_on_request(
    gaze_bars: Run, write: Write, tmp_path: Path
):
    text = "time,open,high,low,close\n" + "".join(f"{JANUARY_S + 3600 * h},1,2,0.5,1.5\n" for h in range(3))
    source, out = write("EURUSD.csv", text), tmp_path / "bars.parquet"
    with pytest.raises(DataError, match="--column volume=none"):
        gaze_bars("import", source, "--out", out)
    gaze_bars("import", source, "--out", out, "--column", "volume=none")
    assert barfile.read(out).symbols["EURUSD"].rows[:, 4].tolist() == [0, 0, 0]


def test_where_metatraders_volume_is_zero_its_ticks_are_not_taken_unasked(gaze_bars: Run, write: Write, tmp_path: Path):
    text = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n"
    text += "".join(f"2024.01.02\t0{h}:00:00\t1\t2\t0.5\t1.5\t7\t0\t1\n" for h in range(3))
    source, out = write("EURUSD_H1.csv", text), tmp_path / "bars.parquet"
    with pytest.raises(DataError, match="the volume could be <VOL> or <TICKVOL>"):
        gaze_bars("import", source, "--out", out)
    gaze_bars("import", source, "--out", out, "--column", "volume=<TICKVOL>")
    assert barfile.read(out).symbols["EURUSD"].rows[0].tolist() == [1, 2, 0.5, 1.5, 7]


def test_decimal_commas_are_read_and_said(gaze_bars: Run, write: Write, tmp_path: Path):
    text = "Time;Open;High;Low;Close;Volume\n"
    text += "".join(f"{JANUARY_S + 3600 * h};1,25;2;0,5;1,125;1,234\n" for h in range(3))
    out = tmp_path / "bars.parquet"
    done = told(gaze_bars("import", write("XYZ.csv", text), "--out", out, "--json"))
    assert done["sources"][0]["kind"] == "CSV with decimal commas"
    assert barfile.read(out).symbols["XYZ"].rows[0].tolist() == [1.25, 2, 0.5, 1.125, 1.234]


def test_commas_that_may_part_thousands_are_not_read_as_decimals(gaze_bars: Run, write: Write, tmp_path: Path):
    text = "Time;Open;High;Low;Close;Volume\n"
    text += "".join(f"{JANUARY_S + 3600 * h};1,250;2,000;1,000;1,125;1,234\n" for h in range(3))
    with pytest.raises(DataError, match="none of 3 rows is a bar"):
        gaze_bars("import", write("XYZ.csv", text), "--out", tmp_path / "bars.parquet")


def test_prices_in_dollars_are_read(gaze_bars: Run, write: Write, tmp_path: Path):
    """As Nasdaq's page of historical quotes writes them."""
    text = "Date,Close/Last,Volume,Open,High,Low\n"
    text += "".join(f"01/{day}/2024,$1.5,10,$1,$2,$0.5\n" for day in range(18, 21))
    gaze_bars("import", write("XYZ.csv", text), "--out", tmp_path / "bars.parquet")
    assert barfile.read(tmp_path / "bars.parquet").symbols["XYZ"].rows[0].tolist() == [1, 2, 0.5, 1.5, 10]


def test_a_source_is_never_written_over(gaze_bars: Run, write: Write):
    source = write("XYZ.csv", HEADER + rows([JANUARY_S, JANUARY_S + 3600]))
    before = source.read_bytes()
    with pytest.raises(UsageError, match="is a file that is read"):
        gaze_bars("import", source, "--out", source.parent / "." / source.name)
    assert source.read_bytes() == before


def test_an_adjusted_close_is_never_the_close(gaze_bars: Run, write: Write, tmp_path: Path):
    text = "Date,Open,High,Low,Adj Close,Volume\n2024-01-02,1,2,1,1,9\n2024-01-03,1,2,1,1,9\n"
    with pytest.raises(
        DataError,
        match="no column looks like the close; there are: Date, Open, High, Low, Adj Close, Volume; try:",
    ):
        gaze_bars("import", write("AAPL.csv", text), "--out", tmp_path / "bars.parquet")


def test_nothing_that_is_refused_is_lost(gaze_bars: Run, write: Write, tmp_path: Path):
    text = (
        "Date,Open,High,Low,Close,Volume\n"
        "2024-01-02,1,2,0.5,1.5,100\n"
        "2024-01-03,1,2,0.5,1.5,100\n"
        "2024-01-03,1,2,0.5,1.5,100\n"  # the same again
        "2024-01-04,1,2,0.5,1.5,100\n"
        "2024-01-04,1,2,0.5,1.6,100\n"  # the same time, another close
        "2024-01-05,n/a,2,0.5,1.5,100\n"
        "2024-01-08,1,2,1.4,1.5,100\n"  # low above open
        "soon,1,2,0.5,1.5,100\n"
    )
    out = tmp_path / "bars.parquet"
    done = told(gaze_bars("import", write("AAPL.csv", text), "--out", out, "--json"))
    assert done["refused"] == {"conflicting": 2, "inconsistent": 1, "unreadable": 2}
    assert done["bars"] + done["identical"] + sum(done["refused"].values()) == 8
    refused = pl.read_parquet(done["refused_file"])
    assert sorted(refused["row"]) == [4, 5, 6, 7, 8]
    assert refused.filter(pl.col("row") == 6)["original"].item() == "2024-01-05,n/a,2,0.5,1.5,100"
    assert refused["reason"].null_count() == 0


def test_an_import_that_refuses_nothing_leaves_no_refusals_of_an_earlier_one(
    gaze_bars: Run, write: Write, tmp_path: Path
):
    out = tmp_path / "bars.parquet"
    bad = write("BTCUSDT.csv", HEADER + rows([JANUARY_S, JANUARY_S + 3600]) + "1704074400,0,2,1,1,1\n")
    gaze_bars("import", bad, "--out", out)
    assert (tmp_path / "bars.refused.parquet").exists()
    gaze_bars("import", write("BTCUSDT.csv", HEADER + rows([JANUARY_S, JANUARY_S + 3600])), "--out", out)
    assert not (tmp_path / "bars.refused.parquet").exists()


def test_an_import_that_fails_leaves_the_earlier_file_alone(gaze_bars: Run, write: Write, tmp_path: Path):
    out = tmp_path / "bars.parquet"
    gaze_bars("import", write("BTCUSDT.csv", HEADER + rows([JANUARY_S, JANUARY_S + 3600])), "--out", out)
    before = out.read_bytes()
    with pytest.raises(DataError):
        gaze_bars("import", write("BTCUSDT.csv", HEADER), "--out", out)
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["BTCUSDT.csv", "bars.parquet"]


def test_one_interval_is_chosen_of_several_and_a_wrong_one_is_refused(gaze_bars: Run, write: Write, tmp_path: Path):
    source, out = write("BTCUSDT.csv", HEADER + rows([JANUARY_S, JANUARY_S + 3600])), tmp_path / "bars.parquet"
    with pytest.raises(DataError, match="try: --interval 1h"):
        gaze_bars("import", source, "--out", out, "--interval", "5m")


@pytest.mark.parametrize("name", ["missing.csv", "empty.csv", "words.csv", "nocolumns.csv"])
def test_what_is_no_file_of_bars_is_said_with_a_way_on(gaze_bars: Run, write: Write, tmp_path: Path, name: str):
    write("empty.csv", "")
    write("words.csv", "once upon a time\n")
    write("nocolumns.csv", "a,b,c\n1,2,3\n")
    with pytest.raises(DataError, match="try:"):
        gaze_bars("import", tmp_path / name, "--out", tmp_path / "bars.parquet", "--symbol", "X")


def test_real_bars_come_through_csv_gzip_and_feather_with_the_same_fingerprint(
    gaze_bars: Run, shared_data: Path, tmp_path: Path
):
    real = barfile.frame(shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet")
    real = (
        real.filter(pl.col("symbol").is_in(["BTCUSDT", "DOGEUSDT"])).group_by("symbol", maintain_order=True).head(500)
    )
    real.write_parquet(tmp_path / "real.parquet")
    wanted = barfile.read(tmp_path / "real.parquet").fingerprint
    dealt = real.with_columns(pl.col("ts").dt.epoch("ms")).rename({"ts": "open_time"}).sample(fraction=1, shuffle=True)
    text = dealt.write_csv()
    (tmp_path / "all.csv.gz").write_bytes(gzip.compress(text.encode()))
    real.write_ipc(tmp_path / "all.feather")
    for name in ("all.csv.gz", "all.feather"):
        done = told(gaze_bars("import", tmp_path / name, "--out", tmp_path / "bars.parquet", "--json"))
        assert done["fingerprint"] == wanted
        assert pl.read_parquet(tmp_path / "bars.parquet").equals(real)
        assert done["refused"] == {}


def test_real_daily_stocks_lose_only_their_known_defects(gaze_bars: Run, shared_data: Path, tmp_path: Path):
    source: Path = shared_data / "bars" / "sp500_daily_2013_2018.parquet"
    done = told(gaze_bars("import", source, "--out", tmp_path / "bars.parquet", "--json"))
    assert done["refused"] == {"inconsistent": 8, "unreadable": 8}
    assert done["bars"] + 16 == 411_490


def test_people_are_told_what_was_taken_for_what(gaze_bars: Run, write: Write, tmp_path: Path):
    source = write("BTCUSDT.csv", HEADER + rows([JANUARY_S, JANUARY_S + 3600]))
    said = gaze_bars("import", source, "--out", tmp_path / "bars.parquet").stdout
    for words in ("ts = time", "seconds since the epoch", "opening time", "BTCUSDT (file name)", "2 bars of 1h"):
        assert words in said
