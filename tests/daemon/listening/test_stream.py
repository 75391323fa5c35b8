"""Bars out of a Redis Stream, on a server of the test's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis.asyncio
from venues import AT_ONCE, HOUR, START_MS, Told

from core.bars import Bar
from core.errors import ConfigError, FeedError, FrameError
from daemon.feeds import feed as open_feed
from daemon.feeds.redis import Redis
from daemon.inbox import Inbox
from daemon.listening.stream import StreamSource
from daemon.stores.embedded import EmbeddedServer

BTC = "BTCUSD"


class Listening(Told):
    """What the source tells of itself, whatever its venue."""

    def feed_up(self, _venue: str, *, up: bool) -> None:
        self.up.append(up)

    def frames(self, _venue: str, _received_at_ms: int, count: int = 1) -> None:
        self._tell("frames", count)

    def refused(self, _venue: str) -> None:
        self._tell("refused")

    def reconnected(self, _venue: str) -> None:
        self._tell("reconnected")


def entry(number: int, close: float = 101.0, **changes: object) -> dict[str, object]:
    """The fields of an hour's bar."""
    told = {"symbol": BTC, "interval": "1h", "opened_at_ms": START_MS + number * HOUR.ms}
    return told | {"open": "100.5", "high": 200, "low": 50, "close": close, "volume": "5"} | changes


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with EmbeddedServer(tmp_path / "server") as one:
        yield one


@pytest.fixture
async def client(server: EmbeddedServer) -> AsyncIterator["redis.asyncio.Redis"]:
    async with redis.asyncio.Redis.from_url(server.url) as one:
        yield one


class Desk:
    """A source at that stream; `known`: the first bar that is missing."""

    def __init__(self, url: str, known: int = 0) -> None:
        joint = "&" if "?" in url else "?"
        self.source = StreamSource(Redis(f"{url}{joint}stream=mine"), [BTC], backoff=AT_ONCE)
        self.inbox, self.told = Inbox(100), Listening()
        self.source.join(
            HOUR, self.inbox, lambda _: START_MS + known * HOUR.ms, self.told, now=lambda: 1.0, warmup_bars=4
        )

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.source.listen_forever())
        try:
            async with asyncio.timeout(100):
                yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def take(self, count: int) -> list[tuple[int, float, str]]:
        taken = []
        while len(taken) < count:
            taken += await self.inbox.take(count - len(taken))
        return [((one.bar.opened_at_ms - START_MS) // HOUR.ms, one.bar.close, one.origin.value) for one in taken]


async def test_what_is_there_comes_first_as_history_and_what_is_added_live(
    server: EmbeddedServer, client: "redis.asyncio.Redis"
):
    for number in range(4):
        await client.xadd("mine", entry(number))
    desk = Desk(server.url, known=2)
    async with desk.listening():
        assert await desk.take(2) == [(2, 101.0, "backfilled"), (3, 101.0, "backfilled")]
        await client.xadd("mine", entry(4, closed="false"))
        await client.xadd("mine", entry(4))
        assert await desk.take(1) == [(4, 101.0, "live")]
        # A revision of a bar that has long closed is one.
        await client.xadd("mine", entry(1, close=102.0))
        assert await desk.take(1) == [(1, 102.0, "live")]
        assert desk.source.live
        assert desk.inbox.open_dropped == 1


async def test_entries_that_are_none_or_of_others_are_passed_over(
    server: EmbeddedServer, client: "redis.asyncio.Redis"
):
    desk = Desk(server.url)
    async with desk.listening():
        for wrong in (entry(0, close="much"), {"hello": "there"}, entry(0, interval="1m"), {b"\xff": b"\xfe"}):
            await client.xadd("mine", wrong)
        await client.xadd("mine", entry(0, symbol="ETHUSD"))
        await client.xadd("mine", entry(1))
        assert await desk.take(1) == [(1, 101.0, "live")]
    assert desk.told.counts["refused"] == 4


async def test_reading_goes_on_behind_the_last_entry_when_the_server_comes_back(
    server: EmbeddedServer, client: "redis.asyncio.Redis"
):
    desk = Desk(server.url)
    async with desk.listening():
        await client.xadd("mine", entry(0))
        assert [number for number, _, _ in await desk.take(1)] == [0]
        await client.client_kill_filter(_type="normal", skipme=True)
        await desk.told.until("reconnected", 1)
        await client.xadd("mine", entry(1))
        assert [number for number, _, _ in await desk.take(1)] == [1]
    assert desk.inbox.depth == 0
    assert desk.told.up[-1] is False


async def test_its_time_is_the_servers(server: EmbeddedServer, tmp_path: Path):
    assert await StreamSource(Redis(server.url), [BTC]).venue_time_ms() > START_MS
    with pytest.raises(FeedError, match=r"expected its time from .*try: whether it runs there"):
        await Desk(f"unix://{tmp_path / 'nowhere.sock'}").source.venue_time_ms()


def test_an_address_is_needed_and_a_bar_too():
    with pytest.raises(ConfigError, match=r"try: \[feed\] websocket_url"):
        open_feed("redis").sockets([BTC], HOUR)
    for url in ("redis://me:hidden@there:port", "unix://?x=1", "redis://me:hidden@there?max_connections=10"):
        with pytest.raises(ConfigError, match=r"^\[feed\] websocket_url.*try: ") as refused:
            StreamSource(Redis(url), [BTC])
        assert "hidden" not in str(refused.value)
    one = Redis("redis://me:hidden@there:1/2?stream=mine&db=3")
    assert (one.stream, one.server_url) == ("mine", "redis://me:hidden@there:1/2?db=3")
    fields = {key.encode(): str(value).encode() for key, value in entry(3).items()}
    assert one.decode(fields) == Bar(BTC, START_MS + 3 * HOUR.ms, 100.5, 200.0, 50.0, 101.0, 5.0)
    with pytest.raises(FrameError, match="missing required field `close`"):
        one.decode(fields | {b"close": b"1" * 10_000})
