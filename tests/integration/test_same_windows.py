"""Models of stocks, and of longer bars, served live: their windows are training's own, a kill in the middle.

`gaze bench same-windows` is the same over as many bars as one has the time for.
"""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from benchmarks.house import GAZE
from benchmarks.same_bits.served import read, serve
from benchmarks.same_bits.windows import RecipeMirror
from training import recipe
from training.recipe import Recipe

STOCKS = ("AAPL", "BA", "JPM")
CLOSED = ("2017-01-02", "2017-01-16", "2017-02-20", "2017-04-14", "2017-05-29")
"""Holidays of New York that no bar before 2017 tells."""
SESSIONS = 126
"""From the day before the venue begins to the last but one in the file."""


def ms(at: datetime) -> int:
    return int(at.timestamp() * 1_000)


def stocks(shared_data: Path, *, index: bool = False) -> pl.DataFrame:
    """Days of three stocks, and of the index beside them."""
    days = pl.read_parquet(shared_data / "bars" / "dow30_daily_2008_2019.parquet")
    days = days.filter(pl.col("symbol").is_in(STOCKS))
    if index:
        indices = pl.read_parquet(shared_data / "bars" / "us_indices_vix_daily_2008_2019.parquet")
        market = indices.filter(pl.col("symbol") == "^GSPC").with_columns(symbol=pl.lit("SP500"))
        days = pl.concat([days, market.select(days.columns)])
    return days.filter(pl.col("ts").is_between(pl.date(2014, 9, 1), pl.date(2017, 6, 30)))


async def served(
    folder: Path, table: pl.DataFrame, asked: Recipe, start: datetime, closed: tuple[str, ...] = ()
) -> int:
    """Serve these bars; returns how many rows came, each in training's bits."""
    table.write_parquet(folder / "table.parquet")
    bars = read(folder, folder / "table.parquet", asked.data.interval)
    mirror = RecipeMirror(folder, bars, asked, start_ms=ms(start), learn_ms=ms(start), closed=closed)
    counts = await serve(mirror, asked.name)
    assert counts.clean, counts
    return counts.rows


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(
    "told",
    [
        ("stocks_with_market", "data.market=SP500"),
        pytest.param(("winner_daily",), marks=pytest.mark.slow),
        pytest.param(("stocks_with_market", "data.market=breadth"), marks=pytest.mark.slow),
    ],
)
async def test_windows_of_daily_stocks_are_trainings_over_weekends_and_holidays(
    tmp_path: Path, shared_data: Path, told: tuple[str, ...]
):
    name, *changes = told
    table = stocks(shared_data, index="data.market=SP500" in changes)
    asked = recipe.read(name, None, changes)
    assert await served(tmp_path, table, asked, datetime(2016, 12, 30, tzinfo=UTC), CLOSED) == len(STOCKS) * SESSIONS
    replay = (*GAZE, "replay", "gaze.toml", "--bars", "bars.parquet", "--compare", "state", "--json")
    told = await asyncio.create_subprocess_exec(*replay, cwd=tmp_path, stdout=asyncio.subprocess.PIPE)
    said, _ = await told.communicate()
    found = json.loads(said)["differences"]
    # A replay also says the last bar.
    assert found["compared"] >= len(STOCKS) * SESSIONS
    assert found["different"] == found["only_recorded"] == 0


@pytest.mark.slow
@pytest.mark.timeout(1_200)
async def test_windows_of_weekly_stocks_are_trainings(tmp_path: Path, shared_data: Path):
    table = pl.read_parquet(shared_data / "bars" / "sp500_weekly_2013_2018_derived.parquet")
    asked = recipe.read("dual_horizon_weekly")
    some = table.filter(pl.col("symbol").is_in(["AAPL", "KO"]))
    assert await served(tmp_path, some, asked, datetime(2015, 6, 1, tzinfo=UTC)) > 2 * 130


@pytest.mark.slow
@pytest.mark.timeout(1_200)
async def test_windows_of_longer_bars_are_trainings(tmp_path: Path, shared_data: Path):
    table = pl.read_parquet(shared_data / "bars" / "binance_usdm_5m_15m_1h_2025_03.parquet")
    some = table.filter((pl.col("interval") == "5m") & pl.col("symbol").is_in(["ADAUSDT", "BTCUSDT"]))
    changes = ['data.scales=["15m", "1h"]', "data.scale_length=4", "data.scale_features=btc_3", "label.horizons=[3]"]
    asked = recipe.read("token_minutes", None, ["data.interval=5m", "window.length=40", *changes])
    until = some.filter(pl.col("ts") < datetime(2025, 3, 9, tzinfo=UTC)).drop("interval")
    assert await served(tmp_path, until, asked, datetime(2025, 3, 8, tzinfo=UTC)) == 2 * (288 + 1 - 1)
