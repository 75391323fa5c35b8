"""The venue of a burst: its words are ready, and each socket is told its own symbols, once, in order."""

import asyncio
from pathlib import Path

import msgspec
import websockets

from benchmarks.speed.venue import Venue
from core import barfile
from core.barfile import BarFile, SymbolBars
from daemon.exchange.clock import VenueClock
from daemon.exchange.dialects import dialect
from daemon.exchange.market import Market
from daemon.feeds import feed

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
HOURS = 3


def hours_of(bars: BarFile) -> BarFile:
    parts = {}
    for symbol in SYMBOLS:
        part = bars.symbols[symbol]
        parts[symbol] = SymbolBars(symbol, part.opened_at_ms[-HOURS:], part.rows[-HOURS:])
    return BarFile(bars.interval, parts, "the last hours")


async def test_each_socket_is_told_every_close_of_its_symbols_once(shared_data: Path):
    bars = hours_of(barfile.read(shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet"))
    market = Market(bars, updates=0, close_delay_ms=(0, 0))
    venue = Venue(market, dialect("binance", market), VenueClock(market.first_ms), subscribers=2)
    told: list[tuple[str, int]] = []

    async def listen(symbols: tuple[str, ...]) -> None:
        (socket,) = feed("binance", venue.websocket_url, venue.rest_url).sockets(symbols, bars.interval)
        async with websockets.connect(socket.url) as connection:
            for request in socket.hello:
                await connection.send(request)
            closes = 0
            async for frame in connection:
                event = msgspec.json.decode(frame).get("data", {})
                if event.get("e") == "kline":
                    told.append((event["s"], event["k"]["t"]))
                    closes += 1
                if closes == HOURS * len(symbols):
                    return

    async with asyncio.timeout(100), venue:
        telling = asyncio.create_task(venue.tell_forever())
        await asyncio.gather(listen(SYMBOLS[:2]), listen(SYMBOLS[2:]))
        telling.cancel()
        await asyncio.wait([telling])
    times_ms = bars.symbols[SYMBOLS[0]].opened_at_ms.tolist()
    for symbols in (SYMBOLS[:2], SYMBOLS[2:]):
        its_own = [one for one in told if one[0] in symbols]
        assert its_own == [(symbol, at_ms) for at_ms in times_ms for symbol in symbols]
