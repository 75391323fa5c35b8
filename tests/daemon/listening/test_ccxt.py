"""ccxt itself, over websocket and REST, at stand-ins of venues that it knows."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import ccxt.async_support
import pytest
from proxies import a_proxy
from standins import House, Place, Row, rows

from core.barfile import BarFile, SymbolBars
from core.bars import Interval
from core.errors import ConfigError, FeedError, FrameError, RefusalError
from daemon.exchange.clock import VenueClock
from daemon.exchange.dialects import dialect
from daemon.exchange.faults import Faults
from daemon.exchange.market import Market
from daemon.exchange.server import Exchange
from daemon.feeds import feed
from daemon.feeds.ccxt import Ccxt
from daemon.listening import ways
from daemon.listening.ccxt import Watch
from daemon.listening.closing import Closer
from daemon.listening.rest import UnansweredError
from daemon.listening.ways import way_to

HOUR = Interval.parse("1h")
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")


def spelled(bars: BarFile, *, slash: bool) -> BarFile:
    """The week without the symbol of an outage, written as one venue or the other does."""
    parts = {symbol if slash else symbol.replace("/", ""): bars.symbols[symbol.replace("/", "")] for symbol in SYMBOLS}
    named = {name: SymbolBars(name, part.opened_at_ms, part.rows) for name, part in parts.items()}
    return BarFile(bars.interval, named, "cut")


@pytest.mark.parametrize("venue", ["bybit", "kraken"])
async def test_what_is_watched_and_what_is_fetched_are_the_file(venue: str, span: Callable[[str], BarFile]):
    bars = spelled(span(venue), slash=venue == "kraken")
    market = Market(bars)
    start_ms = market.first_ms + 24 * HOUR.ms
    exchange = Exchange(market, dialect(venue, market), VenueClock(start_ms))
    expected = rows(bars, SYMBOLS)
    async with asyncio.timeout(100), exchange:
        ours = feed(f"ccxt:{venue}", exchange.websocket_url, exchange.rest_url)
        way = way_to(ours, HOUR)
        async with way.rest() as rest:
            asked = ours.history_request(SYMBOLS[1], HOUR, market.first_ms, start_ms)
            assert asked
            past = ours.decode_history(SYMBOLS[1], HOUR, (await rest.ask(asked)).body, start_ms)
        assert {(bar.symbol, bar.opened_at_ms): bar.row for bar in past} == {
            place: row for place, row in expected.items() if place[0] == SYMBOLS[1] and place[1] < start_ms
        }
        (socket,) = ours.sockets([SYMBOLS[0]], HOUR)
        closer, heard = Closer(HOUR, 5_000), dict[Place, Row]()
        async with way.open(socket.url, pings=True) as connection:
            await connection.send(*socket.hello)
            replaying = asyncio.create_task(exchange.replay())
            # The last bar is closed by its grace period alone.
            while len(heard) < 168 - 24 - 1:
                bars_told = closer.take(ours.decode((await connection.frames(1))[0]))
                heard |= {(bar.symbol, bar.opened_at_ms): bar.row for bar in bars_told if bar.closed}
            await replaying
    assert heard == {place: expected[place] for place in heard}
    assert {symbol for symbol, _ in heard} == {SYMBOLS[0]}


async def test_over_lost_sockets_the_store_has_the_file_and_no_bar_is_said_twice(
    span: Callable[[str], BarFile], tmp_path: Path
):
    bars = spelled(span("bybit"), slash=False)
    faults = Faults(seed=3, drop=0.05, repeat=0.1, reorder=0.1, silent_gap=0.1, revise=0.05, unclosed=0.5)
    house = House("ccxt:bybit", bars, 120, faults, tmp_path, SYMBOLS, speed=20 * 3_600)
    expected = rows(bars, SYMBOLS, slice(None, -1))
    async with house.living():
        await house.until_kept(expected)
    assert {place: house.stored[place] for place in expected} == expected
    said = Counter((one.symbol, one.opened_at_ms, one.revision) for one in house.published)
    assert set(said.values()) == {1}


async def test_a_symbol_that_the_venue_does_not_have_is_refused_and_the_others_are_told(span: Callable[[str], BarFile]):
    bars = spelled(span("bybit"), slash=False)
    market = Market(bars)
    exchange = Exchange(market, dialect("bybit", market), VenueClock(market.first_ms))
    async with asyncio.timeout(100), exchange:
        ours = feed("ccxt:bybit", exchange.websocket_url, exchange.rest_url)
        way = way_to(ours, HOUR)
        async with way.rest() as rest, way.open("", pings=True) as connection:
            asked = ours.history_request("NO/USDT", HOUR, market.first_ms, market.last_ms)
            assert asked
            with pytest.raises(RefusalError, match="BadSymbol: bybit does not have market symbol NO/USDT"):
                ours.decode_history("NO/USDT", HOUR, (await rest.ask(asked)).body, market.last_ms)
            await connection.send(*ours.sockets(["NO/USDT", "BTC/USDT"], HOUR)[0].hello)
            with pytest.raises(FrameError, match="NO/USDT"):
                ours.decode((await connection.frames(1))[0])
            replaying = asyncio.create_task(exchange.replay())
            (bar, *_) = ours.decode((await connection.frames(1))[0])
            assert bar.symbol == "BTC/USDT"
            replaying.cancel()


async def test_a_limit_is_told_with_its_end_and_a_venue_that_is_away_as_lost(span: Callable[[str], BarFile]):
    market = Market(spelled(span("bybit"), slash=False))
    exchange = Exchange(market, dialect("bybit", market), VenueClock(market.first_ms), Faults(limit=1.0))
    async with asyncio.timeout(100), exchange:
        ours = feed("ccxt:bybit", exchange.websocket_url, exchange.rest_url)
        way = way_to(ours, HOUR)
        asked = ours.clock_request()
        assert asked
        async with way.rest() as rest:
            answer = await rest.ask(asked)
        assert (answer.status, answer.retry_after_s) == (429, 1.0)
        with pytest.raises(FeedError, match="ccxt says RateLimitExceeded"):
            async with way.open("", pings=True):
                pass
    async with way.rest() as rest:
        with pytest.raises(UnansweredError, match="ccxt says ExchangeNotAvailable"):
            await rest.ask(asked)


async def test_a_venue_that_cannot_be_watched_has_no_live_word_and_is_not_taken_for_dead():
    ours = Ccxt("bitstamp", None, "http://127.0.0.1:1")

    async with asyncio.timeout(100), ccxt.async_support.bitstamp() as exchange, asyncio.TaskGroup() as tasks:
        watch = Watch(exchange, tasks)
        for message in (*ours.sockets(["BTC/USD"], HOUR)[0].hello, "{}"):
            await watch.send(message)
            assert ours.decode((await watch.frames(1))[0]) == []


@pytest.mark.parametrize(
    ("name", "interval", "said"),
    [
        ("ccxt:krakn", "1h", r"ccxt [\d.]+ has no venue 'krakn'; try: ccxt:kraken"),
        ("ccxt:", "1h", "has no venue ''; try: ccxt:kraken"),
        ("ccxt:kraken", "7m", "ccxt:kraken has no bars of 7m; it has: 1m, 5m"),
    ],
)
def test_what_ccxt_does_not_have_is_refused(name: str, interval: str, said: str):
    with pytest.raises(ConfigError, match=said):
        way_to(feed(name), Interval.parse(interval))


def test_without_ccxt_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ways.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"needs ccxt, which is not installed; try: pip install 'gazed\[ccxt\]'"):
        way_to(feed("ccxt:kraken"), HOUR)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_leads_to_the_venue(scheme: str, span: Callable[[str], BarFile]):
    market = Market(spelled(span("bybit"), slash=False))
    exchange = Exchange(market, dialect("bybit", market), VenueClock(market.first_ms))
    async with asyncio.timeout(100), a_proxy(scheme) as proxy, exchange:
        ours = feed("ccxt:bybit", exchange.websocket_url, exchange.rest_url)
        async with way_to(ours, HOUR, proxy.url).open("", pings=True) as connection:
            await connection.send(*ours.sockets(["BTC/USDT"], HOUR)[0].hello)
            replaying = asyncio.create_task(exchange.replay())
            assert ours.decode((await connection.frames(1))[0])
            replaying.cancel()
    # A proxy leads REST and the websocket over one connection.
    assert set(proxy.led) == {exchange.rest_url.partition("://")[2]}
