"""A venue of the test's own, and what listens to it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from venues import AT_ONCE, Desk, Venue
from websockets.asyncio.server import serve

from core import barfile
from core.barfile import BarFile, SymbolBars
from daemon.feeds.binance import Binance, spot
from daemon.listening.backoff import Backoff
from daemon.listening.history import History
from daemon.listening.rest import Rest


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    """A venue on two free ports of loopback."""
    one = Venue()
    app = web.Application()
    app.router.add_get("/api/v3/klines", one.serve_klines)
    app.router.add_get("/api/v3/time", one.serve_clock)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    one.rest_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with serve(one.serve_socket, "127.0.0.1", 0, process_request=one.refuse, close_timeout=0.2) as server:
        one.websocket_url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield one
    one.history_open.set()
    await runner.cleanup()


@pytest.fixture
def feed(venue: Venue) -> Binance:
    """Binance's dialect, at the venue of the test."""
    return spot(venue.websocket_url, venue.rest_url)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """What speaks HTTP."""
    async with aiohttp.ClientSession() as one:
        yield one


@pytest.fixture
def rest(session: aiohttp.ClientSession) -> Rest:
    """What history is asked with."""
    return Rest(session)


@pytest.fixture
def history(venue: Venue, feed: Binance, rest: Rest) -> History:
    """History that does not dawdle, on the venue's own clock."""
    return History(feed, rest, spacing_s=0.0, backoff=AT_ONCE, clock_age_s=0.0, elapsed_s=lambda: venue.now_ms / 1_000)


@pytest.fixture
def a_desk(feed: Binance, history: History) -> Callable[..., Desk]:
    """A builder: a desk for these symbols."""

    def build(
        *symbols: str,
        capacity: int = 1_000,
        backoff: Backoff = AT_ONCE,
        healthy_s: float = 60.0,
        spares: int = 0,
        **changes: Any,
    ) -> Desk:
        for name, value in changes.items():
            setattr(feed, name, value)
        return Desk(
            feed,
            history,
            symbols or ("BTCUSDT",),
            capacity=capacity,
            backoff=backoff,
            healthy_s=healthy_s,
            spares=spares,
        )

    return build


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
