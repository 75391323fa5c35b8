"""Frames as they were captured, for the conformance tests of every feed."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core import barfile
from core.barfile import BarFile, SymbolBars

Records = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def recorded(shared_data: Path) -> Records:
    """The lines of a file in data/frames, by the beginning of its name."""

    def lines(name: str) -> Iterator[bytes]:
        for path in sorted((shared_data / "frames").glob(f"{name}*")):
            raw = path.read_bytes()
            yield from (gzip.decompress(raw) if path.suffix == ".gz" else raw).splitlines()

    return lambda name: [msgspec.json.decode(line) for line in lines(name)]


@pytest.fixture(scope="session")
def span(shared_data: Path) -> Callable[[str], BarFile]:
    """Real bars for a feed: a week of hours of three symbols, or half a day of five minutes where it has no hours."""

    def cut(file: str, interval: str, from_ms: int, count: int) -> BarFile:
        bars = barfile.read(shared_data / "bars" / file, interval)
        until_ms = from_ms + count * bars.interval.ms
        parts = {}
        for symbol in ("BTCUSDT", "ETHUSDT", "SHIBUSDT", "SOLUSDT"):
            part = bars.symbols.get(symbol)
            if part is not None:
                keep = (part.opened_at_ms >= from_ms) & (part.opened_at_ms < until_ms)
                parts[symbol] = SymbolBars(symbol, part.opened_at_ms[keep], part.rows[keep])
        return BarFile(bars.interval, parts, "cut")

    # The week of an outage: SHIBUSDT lacks an hour.
    hours = cut("binance_usdm_1h_2023_2025h1.parquet", "1h", 1_679_270_400_000, 168)
    minutes = cut("binance_usdm_5m_15m_1h_2025_03.parquet", "5m", 1_741_564_800_000, 168)
    return lambda name: minutes if name == "coinbase" else hours
