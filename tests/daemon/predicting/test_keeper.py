"""The keeper on a real store, whose server is killed, filled up and handed to another daemon."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from builders import HOUR
from redis.asyncio import Redis

from core.errors import FencedError, StoreError
from daemon.ports import Entry
from daemon.predicting.keeper import Keeper
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore

KEYS = Keys("kept")
ENTRY = Entry("BTCUSDT", 480_000 * HOUR.ms, 0, (1.0, 2.0, 0.5, 1.5, 10.0), b"message")


class Told:
    """What a status page would show of the store."""

    def __init__(self) -> None:
        self.error = "not asked yet"
        self.failed = asyncio.Event()
        self.back = asyncio.Event()

    def store_failed(self, error: StoreError) -> None:
        self.error = str(error)
        self.back.clear()
        self.failed.set()

    def store_back(self) -> None:
        self.error = ""
        self.failed.clear()
        self.back.set()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with EmbeddedServer(tmp_path / "state") as server:
        yield server


@pytest.fixture
async def store(server: EmbeddedServer) -> AsyncIterator[RedisStore]:
    store = RedisStore(server.url, KEYS, HOUR, 5, answer_s=60)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def told() -> Told:
    return Told()


async def leave_it():
    """A server that is not ours."""


def a_keeper(store: RedisStore, told: Told, revive: Callable[[], Awaitable[None]] = leave_it):
    return Keeper(store, told, revive, retry_s=0.01, look_s=0.01)


class RefusingOnce(RedisStore):
    """A store that is away when it is asked for the first time."""

    asked = 0

    async def commit(self, entries: Sequence[Entry]) -> list[bool]:
        self.asked += 1
        if self.asked == 1:
            raise StoreError("away")
        return await super().commit(entries)


async def test_a_later_bar_waits_for_an_earlier_one_that_was_refused(server: EmbeddedServer, told: Told):
    store = RefusingOnce(server.url, KEYS, HOUR, 5, answer_s=60)
    await store.open()
    keeper = a_keeper(store, told)
    same_slot = msgspec.structs.replace(ENTRY, opened_at_ms=ENTRY.opened_at_ms + 5 * HOUR.ms)
    assert await asyncio.gather(keeper.commit([ENTRY]), keeper.commit([same_slot])) == [[True], [True]]
    await store.close()


def kill(server: EmbeddedServer):
    pid = server.pid
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


async def soon(event: asyncio.Event):
    async with asyncio.timeout(100):
        await event.wait()


async def test_a_server_of_our_own_that_was_killed_is_brought_back_and_has_the_batch(
    server: EmbeddedServer, store: RedisStore, told: Told, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    keeper = a_keeper(store, told, server.start)
    kill(server)
    async with asyncio.timeout(100):
        assert await keeper.commit([ENTRY]) == [True]
    assert told.error == ""
    assert [record.getMessage() for record in caplog.records if record.name == "gaze.store"] == [
        "the store does not answer; bars are kept until it does",
        "our own server has ended, starting it again",
        "the store answers again",
    ]
    assert await keeper.commit([ENTRY]) == [False]


async def test_an_idle_daemon_notices_a_killed_server_and_brings_it_back(
    server: EmbeddedServer, store: RedisStore, told: Told
):
    looking = asyncio.create_task(a_keeper(store, told, server.start).look_forever())
    await soon(told.back)
    before = server.pid
    kill(server)
    told.back.clear()
    await soon(told.back)
    assert server.pid not in (None, before)
    looking.cancel()


async def test_a_server_that_is_not_ours_is_waited_for(server: EmbeddedServer, store: RedisStore, told: Told):
    kill(server)
    committing = asyncio.create_task(a_keeper(store, told).commit([ENTRY]))
    await soon(told.failed)
    assert "try: see that the server runs" in told.error
    await server.start()
    async with asyncio.timeout(100):
        assert await committing == [True]
    assert told.error == ""


async def test_a_full_server_is_waited_for_and_the_reason_stays_until_the_batch_is_in(
    server: EmbeddedServer, store: RedisStore, told: Told
):
    async with Redis.from_url(server.url) as client:
        await client.config_set("maxmemory", 1)
        keeper = a_keeper(store, told)
        committing = asyncio.create_task(keeper.commit([ENTRY]))
        await soon(told.failed)
        assert "try: raise maxmemory" in told.error
        await client.config_set("maxmemory", 0)
        async with asyncio.timeout(100):
            assert await committing == [True]
        assert told.error == ""


async def test_what_keeps_a_batch_out_is_not_over_when_a_look_succeeds(
    server: EmbeddedServer, store: RedisStore, told: Told
):
    async with Redis.from_url(server.url) as client:
        await client.set(KEYS.stream, "foreign")
        keeper = a_keeper(store, told)
        committing = asyncio.create_task(keeper.commit([ENTRY]))
        await soon(told.failed)
        looking = asyncio.create_task(keeper.look_forever())
        async with Redis.from_url(server.url) as watching:
            # Some looks have gone by once the lease has been written a few times.
            written = (await watching.info("commandstats"))["cmdstat_set"]["calls"]
            while (await watching.info("commandstats"))["cmdstat_set"]["calls"] < written + 3:
                assert "foreign key" in told.error
        looking.cancel()
        await client.delete(KEYS.stream)
        async with asyncio.timeout(100):
            assert await committing == [True]


async def test_an_idle_daemon_that_was_fenced_ends(server: EmbeddedServer, store: RedisStore, told: Told):
    newer = RedisStore(server.url, KEYS, HOUR, 5, answer_s=60)
    await newer.open()
    async with asyncio.timeout(100):
        with pytest.raises(FencedError, match="another daemon took over"):
            await a_keeper(store, told).look_forever()
        with pytest.raises(FencedError):
            await a_keeper(store, told).commit([ENTRY])
    await newer.close()


async def test_a_server_that_cannot_be_brought_back_is_tried_again(
    server: EmbeddedServer, store: RedisStore, told: Told, caplog: pytest.LogCaptureFixture
):
    async def revive():
        if "cannot be brought back" not in caplog.text:
            raise StoreError("the disk is full; try: make room")
        await server.start()

    kill(server)
    async with asyncio.timeout(100):
        assert await a_keeper(store, told, revive).commit([ENTRY]) == [True]
