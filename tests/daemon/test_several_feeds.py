"""One daemon on two venues, each symbol from its own; one of them over two sockets."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec
import redis.asyncio
from bundles import a_bundle
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from core.barfile import BarFile, SymbolBars
from core.prediction import Message
from daemon.app import serve
from daemon.config import BundleConfig, Config, FeedConfig, HttpConfig, StoreConfig, VenueConfig
from daemon.exchange.clock import VenueClock
from daemon.exchange.dialects import dialect
from daemon.exchange.market import Market
from daemon.exchange.server import Exchange
from daemon.stores.embedded import socket_in

HOURS = 60


def a_venue(name: str, bars: BarFile, symbols: dict[str, str], subscribers: int = 1) -> Exchange:
    """A stand-in that has these symbols of the file under its own names, and tells the last hours after a warm-up."""
    parts = {
        there: SymbolBars(there, bars.symbols[ours].opened_at_ms, bars.symbols[ours].rows)
        for ours, there in symbols.items()
    }
    market = Market(BarFile(bars.interval, parts, "cut"))
    clock = VenueClock(market.last_ms - HOURS * bars.interval.ms)
    return Exchange(market, dialect(name, market), clock, subscribers=subscribers)


async def until(url: str, expected: set[tuple[str, str]]) -> None:
    """Until predictions of these venues and symbols stand in the store."""
    patience = Retry(ConstantBackoff(0.1), 300)
    async with redis.asyncio.Redis(unix_socket_path=url, retry=patience) as client:
        last, seen = b"0", set[tuple[str, str]]()
        while not expected <= seen:
            for _, entries in await client.xread({"gaze:{0}:predictions:demo": last}, block=500):
                for number, fields in entries:
                    last = number
                    message = msgspec.json.decode(fields[b"message"], type=Message)
                    seen.add((message.context.venue, message.prediction.symbol))


async def test_each_symbol_is_predicted_from_its_own_venue(span: Callable[[str], BarFile], tmp_path: Path):
    bars = span("binance")
    one = a_venue("binance", bars, {"BTCUSDT": "BTCUSDT", "ETHUSDT": "ETHUSDT"}, subscribers=2)
    other = a_venue("okx", bars, {"SOLUSDT": "SOL-USDT"})
    bundle = a_bundle(tmp_path / "bundle")
    async with asyncio.timeout(100), one, other:
        config = Config(
            BundleConfig(str(bundle.folder)),
            feed=FeedConfig(
                ("btcusdt", "ETHUSDT"),
                websocket_url=one.websocket_url,
                rest_url=one.rest_url,
                spares=1,
                more=(VenueConfig(("sol-usdt",), "okx", other.websocket_url, other.rest_url),),
            ),
            store=StoreConfig(directory=str(tmp_path / "state")),
            http=HttpConfig(port=0),
        )
        started = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(serve(config, lambda _: started.set()))
            telling = [tasks.create_task(venue.replay()) for venue in (one, other)]
            await started.wait()
            expected = {("binance", "BTCUSDT"), ("binance", "ETHUSDT"), ("okx", "SOL-USDT")}
            await until(str(socket_in(tmp_path / "state")), expected)
            await asyncio.gather(*telling)
            os.kill(os.getpid(), signal.SIGTERM)
            await serving
    assert (one.summary.clients, other.summary.clients) == (2, 1)
