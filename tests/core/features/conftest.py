"""Bars to try features on: every awkward kind of market, generated, and real ones."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from books import HOUR_MS, LENGTH, Book, markets

from core.bars import Bar, BarArray, TimeArray, inconsistency


@pytest.fixture(scope="session")
def generated() -> Book:
    bars_NT5 = np.stack(list(markets()))
    for bars_T5 in bars_NT5:
        for row in bars_T5:
            assert inconsistency(Bar("X", 0, *row)) is None
    starts = [int(datetime(2024, month, 5, month, tzinfo=UTC).timestamp() * 1_000) for month in range(1, 13)]
    starts_N = np.resize(np.array(starts), len(bars_NT5))
    return Book(bars_NT5, starts_N[:, None] + HOUR_MS * np.arange(LENGTH))


REAL = {
    "binance_spot_1h_2017_2022.parquet": ("BTCUSDT", "ETHUSDT"),
    "binance_spot_1h_2023_06_07_100_symbols.parquet": ("BTSUSDT", "AGLDUSDT"),
    "dow30_daily_2008_2019.parquet": ("JPM", "AAPL"),
    "sp500_weekly_2013_2018_derived.parquet": ("NI", "EBAY"),
    "binance_usdm_1m_2025_05.parquet": ("LAYERUSDT",),
    "us_indices_vix_daily_2008_2019.parquet": ("^VIX", "^GSPC"),
}


@pytest.fixture(scope="session")
def read_bars(shared_data: Path) -> Callable[[str, str], tuple[BarArray, TimeArray]]:
    """(file, symbol) -> its consistent bars (T, 5) and opening times (T,)."""
    polars = pytest.importorskip("polars")

    def read(file: str, symbol: str) -> tuple[BarArray, TimeArray]:
        table = polars.read_parquet(shared_data / "bars" / file).filter(polars.col("symbol") == symbol).drop_nulls()
        bars_T5 = table.select("open", "high", "low", "close", "volume").to_numpy().astype(np.float64)
        times_T = table["ts"].cast(polars.Datetime("ms")).to_physical().to_numpy()
        sound_T = np.array([inconsistency(Bar(symbol, 0, *row)) is None for row in bars_T5])
        return np.ascontiguousarray(bars_T5[sound_T]), times_T[sound_T]

    return read


@pytest.fixture(scope="session")
def real(read_bars: Callable[[str, str], tuple[BarArray, TimeArray]]) -> Book:
    # Weekly bars of five years are fewer than LENGTH: what is missing is filled with the same bars, oldest again first.
    read = [read_bars(file, symbol) for file, symbols in REAL.items() for symbol in symbols]
    bars = [np.resize(bars_T5[-LENGTH:], (LENGTH, 5)) for bars_T5, _ in read]
    return Book(np.stack(bars), np.stack([np.resize(times_T[-LENGTH:], LENGTH) for _, times_T in read]))


@pytest.fixture(scope="session", params=["generated", "real"])
def book(request: pytest.FixtureRequest) -> Book:
    found: Book = request.getfixturevalue(request.param)
    return found
