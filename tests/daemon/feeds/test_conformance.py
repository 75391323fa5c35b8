"""What holds for every feed, alone and against the stand-in that speaks its dialect from the other side."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
import pytest
import websockets
from hypothesis import given
from hypothesis import strategies as st

from core.barfile import BarFile
from core.bars import Bar, Interval
from core.errors import ConfigError, FarewellError, FrameError
from daemon.exchange.clock import VenueClock
from daemon.exchange.dialects import DIALECTS, dialect
from daemon.exchange.market import Market, Update
from daemon.exchange.server import Exchange
from daemon.feeds import FEEDS, feed
from daemon.listening.closing import Closer
from daemon.ports import Feed, Request

Span = Callable[[str], BarFile]
LEAST = {"coinbase": "5m"}
"""The one interval of a venue that has no hourly bars."""

_KEYS = (
    "topic",
    "data",
    "channel",
    "event",
    "events",
    "list",
    "result",
    "error",
    "code",
    "retCode",
    "time",
    "e",
    "type",
)
_WORDS = ("error", "candle", "candles", "ohlc", "kline", "kline.60.X", "0")
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(_WORDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4),
    max_leaves=12,
)


def interval_of(name: str) -> Interval:
    return Interval.parse(LEAST.get(name, "1h"))


def in_file(bars: BarFile) -> list[Bar]:
    return [
        Bar(symbol, opened_at_ms, *row)
        for symbol, part in bars.symbols.items()
        for opened_at_ms, row in zip(part.opened_at_ms.tolist(), part.rows.tolist(), strict=True)
    ]


def by_symbol_and_time(bar: Bar) -> tuple[str, int]:
    return bar.symbol, bar.opened_at_ms


def told_by(name: str, span: Span) -> tuple[bytes, Bar]:
    """A frame of the stand-in, and the bar it is about."""
    market = Market(span(name))
    bar = next(update.bar for update in market.period(market.first_ms + market.interval.ms) if update.bar.closed)
    return dialect(name, market).tell(Update(bar, bar.opened_at_ms + market.interval.ms)), bar


def test_every_feed_has_a_stand_in():
    assert list(FEEDS) == list(DIALECTS)


@pytest.mark.parametrize("name", FEEDS)
@given(st.binary() | st.text() | _json.map(msgspec.json.encode))
def test_whatever_arrives_nothing_but_frame_error_is_raised(name: str, frame: str | bytes):
    venue = feed(name)
    body = frame.encode(errors="surrogatepass") if isinstance(frame, str) else frame
    for read in (
        lambda: venue.decode(frame),
        lambda: venue.decode_history("BTCUSDT", interval_of(name), body, now_ms=0),
        lambda: venue.decode_clock(body),
    ):
        try:
            read()
        except FrameError:
            continue


@pytest.mark.parametrize("name", FEEDS)
def test_a_real_frame_damaged_anywhere_is_bars_or_a_frame_error(name: str, span: Span):
    whole, _ = told_by(name, span)

    @given(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=4))
    def damaged(places: list[tuple[int, int]]) -> None:
        frame = bytearray(whole)
        for place, byte in places:
            frame[place] = byte
        try:
            bars = feed(name).decode(bytes(frame))
        except FrameError:
            return
        assert all(isinstance(bar, Bar) for bar in bars)

    damaged()


@pytest.mark.parametrize("name", FEEDS)
def test_what_the_stand_in_tells_is_read_back_to_the_last_bit(name: str, span: Span):
    bars = span(name)
    market = Market(bars)
    side, venue = dialect(name, market), feed(name, "ws://127.0.0.1:1")
    venue.sockets(list(bars.symbols), bars.interval)
    says_closed = venue.grace_s is None
    for update in market.period(market.first_ms + 5 * bars.interval.ms):
        expected = msgspec.structs.replace(update.bar, closed=update.bar.closed and says_closed)
        assert list(venue.decode(side.tell(update))) == [expected]


@pytest.mark.parametrize("name", FEEDS)
def test_a_frame_of_another_interval_than_was_asked_for_gives_no_bar(name: str, span: Span):
    frame, _ = told_by(name, span)
    venue = feed(name, "ws://127.0.0.1:1")
    if name not in LEAST:
        venue.sockets(["BTCUSDT"], Interval.parse("1m"))
        with pytest.raises(FrameError, match="asked for"):
            venue.decode(frame)


@pytest.mark.parametrize("name", FEEDS)
def test_every_symbol_is_carried_by_one_socket_and_the_interval_must_exist(name: str):
    symbols = [f"S{number}USDT" for number in range(999)]
    sockets = feed(name, "ws://127.0.0.1:1").sockets(symbols, interval_of(name))
    assert [symbol for socket in sockets for symbol in socket.symbols] == symbols
    told = " ".join(message for socket in sockets for message in socket.hello).lower()
    assert all(symbol.lower() in told for symbol in symbols)
    if name != "generic":
        with pytest.raises(ConfigError, match="has no bars of 7m"):
            feed(name).sockets(["BTCUSDT"], Interval.parse("7m"))


@pytest.mark.parametrize("name", FEEDS)
def test_limits_are_said_and_make_sense(name: str):
    venue = feed(name)
    assert venue.name == name
    assert venue.silence_s >= 10
    assert 0 < venue.history_limit <= 5_000
    assert 0 < venue.request_spacing_s <= 2
    assert venue.openings is None or min(venue.openings) > 0
    if venue.heartbeat:
        assert venue.heartbeat[0] * 2 <= venue.silence_s
    # A timeout of less loses bars whose last word is late: see the captures.
    assert venue.grace_s is None or venue.grace_s >= 5


async def heard(venue: Feed, symbols: list[str], interval: Interval) -> list[Bar]:
    """The closed bars until the stand-in closes the sockets, as the listener reads them."""

    async def listen(url: str, hello: tuple[str, ...]) -> list[Bar]:
        closer = None if venue.grace_s is None else Closer(interval, int(venue.grace_s * 1_000))
        bars: list[Bar] = []
        async with websockets.connect(url) as connection:
            for message in hello:
                await connection.send(message)
            if venue.heartbeat:
                await connection.send(venue.heartbeat[1])
            async for frame in connection:
                with suppress(FarewellError):
                    told = venue.decode(frame)
                    bars += closer.take(told) if closer else told
        return bars + (closer.due(1 << 60) if closer else [])

    async with asyncio.TaskGroup() as tasks:
        listening = [tasks.create_task(listen(socket.url, socket.hello)) for socket in venue.sockets(symbols, interval)]
    return [bar for task in listening for bar in task.result() if bar.closed]


@pytest.mark.parametrize("name", FEEDS)
async def test_a_week_of_real_bars_arrives_once_in_order_and_equal_to_the_file(name: str, span: Span):
    bars = span(name)
    market = Market(bars)
    exchange = Exchange(market, dialect(name, market), VenueClock(market.first_ms))
    opened = asyncio.Event()

    async def play() -> None:
        async with exchange:
            opened.set()
            await exchange.replay()

    async with asyncio.timeout(100), asyncio.TaskGroup() as tasks:
        tasks.create_task(play())
        await opened.wait()
        venue = feed(name, exchange.websocket_url, exchange.rest_url)
        closed = await heard(venue, list(bars.symbols), bars.interval)
    for symbol in bars.symbols:
        times = [bar.opened_at_ms for bar in closed if bar.symbol == symbol]
        assert all(earlier < later for earlier, later in pairwise(times))
    assert sorted(closed, key=by_symbol_and_time) == in_file(bars)


async def ask(http: aiohttp.ClientSession, request: Request | None) -> bytes:
    assert request is not None
    method = "GET" if request.body is None else "POST"
    async with http.request(method, request.url, data=request.body) as answer:
        assert answer.status == 200
        return await answer.read()


@pytest.mark.parametrize("name", FEEDS)
async def test_history_agrees_with_the_file_and_never_shows_the_bar_still_forming(name: str, span: Span):
    bars = span(name)
    market = Market(bars)
    hour = bars.interval
    now_ms = market.first_ms + 100 * hour.ms + hour.ms // 2
    exchange = Exchange(market, dialect(name, market), VenueClock(now_ms))
    async with asyncio.timeout(100), exchange, aiohttp.ClientSession() as http:
        venue = feed(name, exchange.websocket_url, exchange.rest_url)
        told_ms = venue.decode_clock(await ask(http, venue.clock_request()))
        assert now_ms - 1_000 < told_ms <= now_ms
        found = []
        for symbol in bars.symbols:
            request = venue.history_request(symbol, hour, market.first_ms, now_ms + hour.ms)
            found += venue.decode_history(symbol, hour, await ask(http, request), told_ms)
            some = venue.history_request(symbol, hour, market.first_ms + 3 * hour.ms, market.first_ms + 7 * hour.ms)
            asked = venue.decode_history(symbol, hour, await ask(http, some), told_ms)
            wanted = [
                bar
                for bar in found
                if bar.symbol == symbol and 3 <= (bar.opened_at_ms - market.first_ms) // hour.ms < 7
            ]
            assert [bar for bar in asked if bar in wanted] == wanted
        assert found == [bar for bar in in_file(bars) if bar.opened_at_ms + hour.ms <= now_ms]


@pytest.mark.parametrize("name", FEEDS)
async def test_history_of_a_symbol_that_is_not_there_is_refused(name: str, span: Span):
    market = Market(span(name))
    exchange = Exchange(market, dialect(name, market), VenueClock(market.last_ms))
    async with asyncio.timeout(100), exchange, aiohttp.ClientSession() as http:
        venue = feed(name, exchange.websocket_url, exchange.rest_url)
        request = venue.history_request("NOPE", market.interval, market.first_ms, market.last_ms)
        assert request is not None
        method = "GET" if request.body is None else "POST"
        async with http.request(method, request.url, data=request.body) as answer:
            body: Any = await answer.read()
            if answer.status in (400, 404, 422, 500):
                return
        with pytest.raises(FrameError, match="refused"):
            venue.decode_history("NOPE", market.interval, body, market.last_ms)


@pytest.mark.parametrize("name", FEEDS)
def test_symbols_in_small_letters_are_spelled_as_the_venue_does(name: str):
    venue = feed(name)
    spelled = {
        "okx": ("btc-usdt", "BTC-USDT"),
        "kraken": ("xbt/usd", "BTC/USD"),
        "coinbase": ("btc-usd", "BTC-USD"),
        "hyperliquid": ("btc", "BTC"),
        "generic": ("btc", "btc"),
    }
    given_, expected = spelled.get(name, ("btcusdt", "BTCUSDT"))
    assert venue.spelling(given_) == venue.spelling(expected) == expected


@pytest.mark.parametrize("name", FEEDS)
def test_a_subscription_is_answered_and_one_to_what_is_not_there_is_refused(name: str, span: Span):
    bars = span(name)
    side = dialect(name, Market(bars))
    venue = feed(name, "ws://127.0.0.1:1")

    def answers(symbols: list[str]) -> tuple[list[bytes], set[str]]:
        (socket,) = venue.sockets(symbols, bars.interval)
        session = side.session(urlsplit(socket.url).path, {})
        assert session is not None
        told = [told for message in socket.hello for told in session.hear(message, 0)]
        return told, set(session.symbols)

    told, carried = answers(list(bars.symbols))
    assert told
    assert carried == set(bars.symbols)
    assert not any(map(venue.decode, told))
    told, carried = answers(["NOPE"])
    assert carried == set()
    # Binance lets anything be subscribed and then says nothing on it.
    if not name.startswith("binance"):
        with pytest.raises(FrameError, match="refused"):
            list(map(venue.decode, told))
    session = side.session(urlsplit(venue.sockets(["NOPE"], bars.interval)[0].url).path, {})
    assert session is not None
    for nonsense in ("", "{", "[]", "\ud800", '{"op":1}'):
        with suppress(FrameError):
            for frame in session.hear(nonsense, 0):
                venue.decode(frame)
    if venue.heartbeat:
        assert [venue.decode(frame) for frame in session.hear(venue.heartbeat[1], 0)] == [()]
    assert side.session("/nowhere/at/all", {}) is None
