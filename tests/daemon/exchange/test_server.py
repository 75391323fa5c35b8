"""The stand-in exchange on loopback, seen by real clients."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
import websockets

from core.barfile import BarFile
from core.bars import Bar
from core.errors import UsageError
from daemon.exchange.clock import VenueClock
from daemon.exchange.dialects import Dialect, dialect
from daemon.exchange.dialects.binance import BinanceDialect
from daemon.exchange.faults import Faults
from daemon.exchange.market import Market
from daemon.exchange.server import Exchange
from daemon.feeds import feed
from daemon.feeds.binance import SPOT
from daemon.ports import Feed

HOUR_MS = 3_600_000
WEEK_MS = 1_679_270_400_000


def an_exchange(week: BarFile, skipped_h: int = 0, faults: Faults | None = None, **changes: Any) -> Exchange:
    """All five symbols, leaping from hour to hour, in Binance's words."""
    market = changes.pop("market", None) or Market(week)
    side: Dialect = changes.pop("side", None) or dialect("binance", market)
    speed = changes.pop("speed", None)
    return Exchange(market, side, VenueClock(market.first_ms + skipped_h * HOUR_MS, speed), faults, **changes)


def a_feed(exchange: Exchange) -> Feed:
    return feed("binance", exchange.websocket_url, exchange.rest_url)


async def heard(exchange: Exchange, symbols: list[str], week: BarFile) -> list[dict[str, Any]]:
    """Every event until the venue closes the socket, subscribed as the feed does it."""
    (socket,) = a_feed(exchange).sockets(symbols, week.interval)
    events = []
    async with websockets.connect(socket.url) as connection:
        for request in socket.hello:
            await connection.send(request)
        async for frame in connection:
            told = msgspec.json.decode(frame)
            if told.get("data", {}).get("e") == "kline":
                events.append(told["data"])
        assert connection.close_code == 1001
    return events


@asynccontextmanager
async def playing(exchange: Exchange) -> AsyncIterator[Exchange]:
    """It tells its market to the end and closes; leaving waits for that."""
    opened = asyncio.Event()

    async def play() -> None:
        async with exchange:
            opened.set()
            await exchange.replay()

    async with asyncio.timeout(100), asyncio.TaskGroup() as tasks:
        tasks.create_task(play())
        await opened.wait()
        yield exchange


async def all_heard(exchange: Exchange, week: BarFile) -> list[dict[str, Any]]:
    async with playing(exchange):
        return await heard(exchange, list(week.symbols), week)


def in_file(week: BarFile) -> list[Bar]:
    return [
        Bar(symbol, opened_at_ms, *row)
        for symbol, part in week.symbols.items()
        for opened_at_ms, row in zip(part.opened_at_ms.tolist(), part.rows.tolist(), strict=True)
    ]


def closed(events: list[dict[str, Any]]) -> list[Bar]:
    venue = feed("binance")
    return [bar for event in events for bar in venue.decode(msgspec.json.encode(event)) if bar.closed]


def by_symbol_and_time(bar: Bar) -> tuple[str, int]:
    return bar.symbol, bar.opened_at_ms


async def test_a_week_of_real_bars_arrives_once_in_order_and_equal_to_the_file(week: BarFile):
    events = await all_heard(an_exchange(week), week)
    bars = closed(events)
    assert sorted(bars, key=by_symbol_and_time) == in_file(week)
    assert [event["E"] for event in events] == sorted(event["E"] for event in events)
    late = [event["E"] - event["k"]["T"] - 1 for event in events if event["k"]["x"]]
    assert 200 <= min(late) <= max(late) <= 2_000
    counts = Counter((event["s"], event["k"]["t"]) for event in events)
    assert set(counts.values()) == {3}


async def test_rest_history_agrees_with_the_file_and_with_the_venues_clock(week: BarFile):
    async with asyncio.timeout(100), an_exchange(week, skipped_h=100) as exchange, aiohttp.ClientSession() as http:
        venue = a_feed(exchange)

        async def got(url: str) -> bytes:
            async with http.get(url) as answer:
                assert answer.status == 200
                return await answer.read()

        now_ms = venue.decode_clock(await got(venue.clock_request().url))
        assert now_ms == exchange.clock.now_ms() == WEEK_MS + 100 * HOUR_MS
        bars = []
        for symbol in week.symbols:
            body = await got(venue.history_request(symbol, week.interval, 0, now_ms + HOUR_MS).url)
            rows = msgspec.json.decode(body)
            assert rows[-1][0] == now_ms, "the forming bar comes last"
            bars += venue.decode_history(symbol, week.interval, body, now_ms)
        assert bars == [bar for bar in in_file(week) if bar.opened_at_ms < now_ms]


async def test_the_clock_stands_until_enough_have_subscribed_and_both_get_everything(week: BarFile):
    async with (
        playing(an_exchange(week, subscribers=2)) as exchange,
        asyncio.TaskGroup() as tasks,
        websockets.connect(f"{exchange.websocket_url}/ws/btcusdt@kline_1h") as first,
    ):
        await first.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        assert msgspec.json.decode(await first.recv()) == {"result": ["btcusdt@kline_1h"], "id": 1}
        with pytest.raises(TimeoutError):
            # Longer than the clock lets subscriptions settle.
            async with asyncio.timeout(0.5):
                await first.recv()
        assert exchange.clock.now_ms() == WEEK_MS
        second = tasks.create_task(heard(exchange, ["ETHUSDT"], week))
        raw = [msgspec.json.decode(frame) async for frame in first]
    assert raw.pop() == {"e": "serverShutdown", "E": exchange.clock.now_ms()}
    assert {event["s"] for event in raw} == {"BTCUSDT"}
    assert closed(raw) == [bar for bar in in_file(week) if bar.symbol == "BTCUSDT"]
    assert closed(second.result()) == [bar for bar in in_file(week) if bar.symbol == "ETHUSDT"]
    assert exchange.summary.clients == 2


async def test_a_client_that_does_not_read_holds_the_leaping_clock(week: BarFile):
    exchange = an_exchange(week)
    async with asyncio.timeout(100), exchange, aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
        replay = tasks.create_task(exchange.replay())
        url = f"{exchange.websocket_url}/stream?streams=btcusdt@kline_1h"
        async with http.ws_connect(url, autoping=False) as socket:
            first_ms = exchange.clock.now_ms()
            for hour in range(3):
                frames = []
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.PING:
                        break
                    frames.append(msgspec.json.decode(message.data))
                assert len(frames) == (3 if hour else 2)
                # Every other symbol of the hour may be later, none of the next hour is.
                assert exchange.clock.now_ms() < first_ms + (hour + 1) * HOUR_MS
                await socket.pong(message.data)
        replay.cancel()


@pytest.mark.parametrize("fault", ["repeat", "silent_gap", "reorder"])
async def test_faults_come_again_with_their_seed(week: BarFile, fault: str):
    runs = [closed(await all_heard(an_exchange(week, 144, Faults(seed, **{fault: 0.2})), week)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    told = in_file(week)
    bars = [bar for bar in told if bar.opened_at_ms >= told[144].opened_at_ms]
    counts = Counter(runs[0])
    assert set(counts) <= set(bars)
    assert set(counts.values()) == ({1, 2} if fault == "repeat" else {1})
    assert (len(counts) < len(bars)) == (fault == "silent_gap")


async def test_dropped_sockets_leave_holes_that_history_fills(week: BarFile):
    live: set[Bar] = set()

    async def listen(venue: Feed) -> None:
        """Subscribe again whenever the socket breaks. Ends by cancellation."""
        (socket,) = venue.sockets(list(week.symbols), week.interval)
        while True:
            async with websockets.connect(socket.url) as connection:
                for request in socket.hello:
                    await connection.send(request)
                with contextlib.suppress(websockets.ConnectionClosedError):
                    async for frame in connection:
                        live.update(bar for bar in venue.decode(frame) if bar.closed)

    exchange = an_exchange(week, faults=Faults(drop=0.1))
    async with asyncio.timeout(100), exchange, aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
        venue = a_feed(exchange)
        listening = tasks.create_task(listen(venue))
        summary = await exchange.replay()
        listening.cancel()
        history = set()
        for symbol in week.symbols:
            async with http.get(venue.history_request(symbol, week.interval, 0, summary.to_ms).url) as answer:
                history.update(venue.decode_history(symbol, week.interval, await answer.read(), summary.to_ms))
    assert 5 < summary.dropped < 40
    assert summary.clients == summary.dropped + 1
    assert live < set(in_file(week)) == history


async def test_a_clients_ping_is_answered_and_the_venue_pings_too(week: BarFile):
    market = Market(week)
    side = BinanceDialect(SPOT, 0.001, 60.0, market)
    async with asyncio.timeout(100), an_exchange(week, market=market, side=side) as exchange:
        async with websockets.connect(f"{exchange.websocket_url}/ws") as connection:
            await (await connection.ping())
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(f"{exchange.rest_url}/ws", autoping=False) as socket,
        ):
            for _ in range(3):
                message = await socket.receive()
                assert message.type is aiohttp.WSMsgType.PING
                await socket.pong(message.data)


async def test_a_client_that_owes_an_answer_to_a_ping_is_cut(week: BarFile):
    market = Market(week)
    side = BinanceDialect(SPOT, 0.001, 0.001, market)
    async with (
        asyncio.timeout(100),
        an_exchange(week, market=market, side=side) as exchange,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{exchange.rest_url}/ws", autoping=False) as socket,
    ):
        kinds = [message.type async for message in socket]
        assert set(kinds) == {aiohttp.WSMsgType.PING}
        assert socket.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE


async def test_what_the_venue_has_not_is_said_over_http(week: BarFile):
    async with asyncio.timeout(100), an_exchange(week) as exchange, aiohttp.ClientSession() as http:
        async with http.get(f"{exchange.rest_url}/api/v3/klines?symbol=NOPE&interval=1h") as answer:
            assert (answer.status, await answer.json()) == (400, {"code": -1121, "msg": "Invalid symbol."})
        with pytest.raises(aiohttp.WSServerHandshakeError, match="404"):
            await http.ws_connect(f"{exchange.rest_url}/nowhere")


async def test_a_running_clock_tells_the_same_as_a_leaping_one(week: BarFile):
    leaping = await all_heard(an_exchange(week, 120), week)
    running = await all_heard(an_exchange(week, 120, speed=1_000_000.0), week)
    assert running == leaping


async def test_a_port_that_is_taken_is_said(week: BarFile):
    async with asyncio.timeout(100), an_exchange(week) as first:
        port = int(first.rest_url.rpartition(":")[2])
        with pytest.raises(UsageError, match=rf"127\.0\.0\.1:{port} .*try: --port 0"):
            await an_exchange(week, port=port).__aenter__()
