"""A week of five real symbols, and a stand-in exchange over it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from core import barfile
from core.barfile import BarFile, SymbolBars

WEEK = ("BTCUSDT", "ETHUSDT", "PEPEUSDT", "SHIBUSDT", "SOLUSDT")


@pytest.fixture(scope="session")
def usdm(shared_data: Path) -> BarFile:
    """Two and a half years of 20 symbols."""
    return barfile.read(shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet")


@pytest.fixture(scope="session")
def cut(usdm: BarFile) -> Callable[[int, int], BarFile]:
    """Five symbols from this opening time on, for so many hours."""

    def between(from_ms: int, hours: int) -> BarFile:
        parts = {}
        for symbol in WEEK:
            bars = usdm.symbols[symbol]
            keep = (bars.opened_at_ms >= from_ms) & (bars.opened_at_ms < from_ms + hours * usdm.interval.ms)
            if keep.any():
                parts[symbol] = SymbolBars(symbol, bars.opened_at_ms[keep], bars.rows[keep])
        return BarFile(usdm.interval, parts, "cut")

    return between


@pytest.fixture(scope="session")
def week(cut: Callable[[int, int], BarFile]) -> BarFile:
    """The week of 2023-03-20, in which SHIBUSDT lacks the hour of an outage; PEPEUSDT was not yet listed."""
    return cut(1_679_270_400_000, 168)
