import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import redis.asyncio as redis

from core.bars import Interval
from core.errors import StoreError
from core.windows import Windows
from daemon.ports import Entry
from daemon.stores.append_only import AppendOnlyFile, Size
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore

AnEntry = Callable[..., Entry]

HOUR = Interval.parse("1h")
KEYS = Keys("btc")
MIB = 1 << 20


@pytest.fixture
async def server(tmp_path: Path, binary: Path | None) -> AsyncIterator[EmbeddedServer]:
    async with EmbeddedServer(tmp_path / "state", binary=binary) as server:
        yield server


class Work:
    """Whether bars wait, and how often that was asked."""

    def __init__(self, *, busy: bool) -> None:
        self.busy = busy
        self._asked = asyncio.Semaphore(0)

    def __call__(self) -> bool:
        self._asked.release()
        return self.busy

    async def asked(self, times: int) -> None:
        async with asyncio.timeout(100):
            for _ in range(times):
                await self._asked.acquire()


@asynccontextmanager
async def kept_short(server: EmbeddedServer, work: Work) -> AsyncIterator[AppendOnlyFile]:
    file = AppendOnlyFile(server.url, KEYS, busy=work, look_s=0.001, again_s=0.001, least_bytes=MIB)
    keeping = asyncio.create_task(file.rewrite_forever())
    yield file
    keeping.cancel()
    await asyncio.wait([keeping])
    await file.close()


async def grow(server: EmbeddedServer, mebibytes: int) -> None:
    """Write one value over and over: what is kept stays small."""
    async with redis.Redis.from_url(server.url) as client:
        for _ in range(mebibytes):
            await client.set("value", os.urandom(MIB))


def kill(server: EmbeddedServer) -> None:
    pid = server.pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


async def short(file: AppendOnlyFile) -> None:
    async with asyncio.timeout(100):
        while (size := await file.size()).rewriting or size.now_bytes > 2 * MIB:
            pass


@pytest.mark.parametrize(
    ("now", "new", "when"),
    [
        (127, 1, "not"),
        (128, 1, "quiet"),
        (255, 1, "quiet"),
        (256, 1, "at once"),
        (1_999, 1_000, "not"),
        (2_000, 1_000, "quiet"),
        (3_999, 1_000, "quiet"),
        (4_000, 1_000, "at once"),
    ],
)
def test_it_is_due_when_twice_as_large_and_though_bars_wait_when_four_times(now: int, new: int, when: str):
    file = AppendOnlyFile("unix:///nowhere", KEYS, busy=lambda: False)
    size = Size(now * MIB, new * MIB, rewriting=False, failed=False)
    assert file.due(size, quiet=True) == (when != "not")
    assert file.due(size, quiet=False) == (when == "at once")
    assert not file.due(Size(now * MIB, new * MIB, rewriting=True, failed=False), quiet=True)


async def test_the_server_never_rewrites_it_of_its_own_accord(server: EmbeddedServer):
    async with redis.Redis.from_url(server.url) as client:
        assert await client.config_get("auto-aof-rewrite-percentage") == {"auto-aof-rewrite-percentage": "0"}


async def test_it_is_rewritten_in_quiet_and_not_while_bars_wait(server: EmbeddedServer):
    work = Work(busy=True)
    await grow(server, 3)
    async with kept_short(server, work) as file:
        await work.asked(10)
        size = await file.size()
        assert size.now_bytes > 3 * MIB
        assert not size.rewriting
        work.busy = False
        await short(file)


async def test_a_moment_between_two_batches_is_not_quiet(server: EmbeddedServer):
    work = Work(busy=True)
    await grow(server, 3)
    async with kept_short(server, work) as file:
        for _ in range(5):
            work.busy = False
            await work.asked(1)
            work.busy = True
            await work.asked(1)
        size = await file.size()
        assert size.now_bytes > 3 * MIB
        assert not size.rewriting


async def test_it_is_rewritten_though_bars_wait_before_the_disk_is_full(server: EmbeddedServer):
    await grow(server, 5)
    async with kept_short(server, Work(busy=True)) as file:
        await short(file)


async def test_a_daemon_that_is_started_again_and_again_has_it_rewritten_all_the_same(
    tmp_path: Path, binary: Path | None
):
    for _ in range(3):
        async with EmbeddedServer(tmp_path, binary=binary) as server:
            await grow(server, 4)
    async with EmbeddedServer(tmp_path, binary=binary) as server, kept_short(server, Work(busy=False)) as file:
        await short(file)


async def test_a_server_that_dies_while_it_rewrites_it_has_all_that_was_answered(
    server: EmbeddedServer, tmp_path: Path, an_entry: AnEntry, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "gaze.store")
    symbols = [f"S{number}" for number in range(20)]
    store = RedisStore(server.url, KEYS, HOUR, 48, answer_s=60)
    await store.open()
    await store.commit([an_entry(0, symbol=symbol) for symbol in symbols])
    await grow(server, 8)
    async with redis.Redis.from_url(server.url) as client:
        await client.config_set("rdb-key-save-delay", 100_000)
    async with kept_short(server, Work(busy=False)) as file:
        async with asyncio.timeout(100):
            while not (unfinished := list((tmp_path / "state").glob("temp-*"))):
                await file.size()
        await store.commit([an_entry(1, symbol=symbol) for symbol in symbols])
        assert (await file.size()).rewriting
        kill(server)
        await server.start()
        await store.close()
        await store.open()
        assert await store.load(Windows(HOUR, symbols, 48)) == 40
        assert await store.commit([an_entry(1, symbol=symbol) for symbol in symbols]) == [False] * 20
        # Who asks first on the connection to the server that died, the keeper or we, is told that it is gone.
        with suppress(StoreError):
            await file.size()
        await short(file)
    await store.close()
    assert not any(one.exists() for one in unfinished)
    assert "our own server makes its file short" in caplog.text


async def test_where_it_cannot_be_rewritten_that_is_said(server: EmbeddedServer, caplog: pytest.LogCaptureFixture):
    await grow(server, 3)
    async with redis.Redis.from_url(server.url) as client:
        await client.acl_setuser("default", enabled=True, nopass=True, commands=["-bgrewriteaof"])
    # What the server holds of its clients' commands counts as used until it lets go of it.
    work = Work(busy=False)
    async with kept_short(server, work), asyncio.timeout(100):
        while "cannot be made short" not in caplog.text:
            await work.asked(1)
