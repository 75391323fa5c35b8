"""Models of stocks served live: their windows are training's own, over weekends and holidays, a kill in the middle.

`gaze bench same-windows` is the same over as many bars as one has the time for.
"""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from benchmarks.same_bits import read, serve
from benchmarks.same_windows import RecipeMirror
from training import recipe

STOCKS = ("AAPL", "BA", "JPM")
CLOSED = ("2017-01-02", "2017-01-16", "2017-02-20", "2017-04-14", "2017-05-29")
"""Holidays of New York that no bar before 2017 tells."""
START = datetime(2016, 12, 30, tzinfo=UTC)


def ms(at: datetime) -> int:
    return int(at.timestamp() * 1_000)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "told",
    [
        "stocks beside their market",
        pytest.param("stocks", marks=pytest.mark.slow),
        pytest.param("stocks beside their breadth", marks=pytest.mark.slow),
    ],
)
async def test_windows_of_daily_stocks_are_trainings_over_weekends_and_holidays(
    tmp_path: Path, shared_data: Path, told: str
):
    days = pl.read_parquet(shared_data / "bars" / "dow30_daily_2008_2019.parquet")
    indices = pl.read_parquet(shared_data / "bars" / "us_indices_vix_daily_2008_2019.parquet")
    index = indices.filter(pl.col("symbol") == "^GSPC").with_columns(symbol=pl.lit("SP500"))
    both = pl.concat([days.filter(pl.col("symbol").is_in(STOCKS)), index.select(days.columns)])
    both = both.filter(pl.col("ts").is_between(pl.date(2014, 9, 1), pl.date(2017, 6, 30)))
    if told != "stocks beside their market":
        both = both.filter(pl.col("symbol") != "SP500")
    both.write_parquet(tmp_path / "days.parquet")
    asked = {
        "stocks": recipe.read("winner_daily"),
        "stocks beside their market": recipe.read("stocks_with_market", None, ["data.market=SP500"]),
        "stocks beside their breadth": recipe.read("stocks_with_market", None, ["data.market=breadth"]),
    }[told]
    bars = read(tmp_path, tmp_path / "days.parquet", "1d")
    start_ms = ms(START)
    mirror = RecipeMirror(tmp_path, bars, asked, start_ms=start_ms, learn_ms=start_ms, closed=CLOSED)
    counts = await serve(mirror, told)
    assert counts.clean, counts
    assert counts.rows == len(STOCKS) * 126
