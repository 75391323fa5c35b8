"""The watcher behind a record in Redis: what comes late is taken in all the same, in the order of time."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from builders import a_manifest
from watched import reference_of, said

from core.bands import Margin
from core.errors import StoreError
from core.prediction import Message, encode
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.record import Memory, Record
from daemon.stores.record import said as recorded
from daemon.stores.redis import RedisStore
from daemon.watching import snapshot
from daemon.watching.watch import Watch
from daemon.watching.watcher import Watcher

MANIFEST = a_manifest(margins=(Margin("return_1", 0.9, 0.01, 50),))
REFERENCE = reference_of(MANIFEST, said(24 * 40))
KEYS = Keys("demo")
PROMPT_S = 0.01


def a_watch() -> Watch:
    return Watch(MANIFEST, REFERENCE, profiles={"attention": np.full(4, 0.25)})


class Notebook:
    """Waits until the watch that is told of has come to a close."""

    def __init__(self) -> None:
        self.watch: Watch | None = None
        self._more = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def watched(self, watch: Watch) -> None:
        self.watch = watch
        task = asyncio.get_running_loop().create_task(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def until(self, closes: int) -> Watch:
        async with asyncio.timeout(100), self._more:
            await self._more.wait_for(lambda: self.watch is not None and self.watch.closes == closes)
        assert self.watch
        return self.watch

    async def until_none_is_late(self, closes: int) -> Watch:
        async with asyncio.timeout(100), self._more:
            await self._more.wait_for(
                lambda: self.watch is not None and not self.watch.late and self.watch.closes == closes
            )
        assert self.watch
        return self.watch

    async def _tell(self) -> None:
        async with self._more:
            self._more.notify_all()


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    async with EmbeddedServer(tmp_path) as server:
        yield server.url


class Told:
    """A memory that tells what was put away."""

    def __init__(self, memory: Memory) -> None:
        self.put: asyncio.Queue[bytes] = asyncio.Queue()
        self.load, self.close = memory.load, memory.close
        self._memory = memory

    async def save(self, told: bytes) -> None:
        await self._memory.save(told)
        self.put.put_nowait(told)


class Scene:
    """A watcher at work on a record, and the record."""

    def __init__(self, url: str, keep_s: float = 1e9) -> None:
        self.record, self.writer = (Record(url, KEYS, KEYS.stream) for _ in range(2))
        self.store = RedisStore(url, KEYS, MANIFEST.grid, 5)
        self.memory = Told(self.store.memory())
        self.notebook = Notebook()
        self.watcher = Watcher(
            a_watch(),
            "digest",
            self.record,
            self.memory,
            self.notebook,
            busy=lambda: False,
            clock_s=time.monotonic,
            look_s=PROMPT_S,
            keep_s=keep_s,
        )

    async def write(self, messages: Sequence[Message], maxlen: int = 100_000) -> None:
        await self.writer.append([encode(one) for one in messages], maxlen)

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        self._stack.push_async_callback(self.record.close)
        self._stack.push_async_callback(self.writer.close)
        self._stack.push_async_callback(self.memory.close)
        self._stack.push_async_callback(self.store.close)
        await self.store.open()
        task = asyncio.create_task(self.watcher.watch_forever())
        self._stack.push_async_callback(asyncio.wait, [task])
        self._stack.callback(task.cancel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()


def by_symbol(closes: Sequence[Sequence[Message]]) -> list[Message]:
    """As a daemon publishes what it missed: one symbol after the other."""
    return [message for symbol in zip(*closes, strict=True) for message in symbol]


def in_order(closes: Sequence[Sequence[Message]]) -> list[Message]:
    return [message for close in closes for message in close]


def all_of(watch: Watch) -> object:
    assert watch.drift
    profile = watch.profiles["attention"].mean_T.tolist()
    return watch.standing(), watch.score.records, watch.losses, watch.drift.monitor.state(), profile


async def test_what_was_published_symbol_by_symbol_is_folded_as_if_it_had_come_in_the_order_of_time(url: str):
    closes = said(24 * 8, seed=5)
    undisturbed = a_watch()
    undisturbed.take(message.prediction for message in in_order(closes))
    async with Scene(url) as scene:
        await scene.write(in_order(closes[:50]))
        await scene.notebook.until(49)
        await scene.write(by_symbol(closes[50:150]) + in_order(closes[150:]))
        watch = await scene.notebook.until_none_is_late(24 * 8 - 1)
        assert all_of(watch) == all_of(undisturbed)
        assert scene.watcher.standing == undisturbed.standing()


async def test_another_record_is_read_from_its_beginning(url: str):
    closes = said(60, seed=5)
    async with Scene(url) as scene:
        await scene.write(in_order(closes[:40]))
        before = await scene.notebook.until(39)
        # As after a failover: what was read is written again under other ids.
        await scene.write(in_order(closes[30:]))
        scene.watcher.begin_again()
        after = await scene.notebook.until_none_is_late(59)
        assert after is not before
        undisturbed = a_watch()
        undisturbed.take(message.prediction for message in in_order(closes))
        assert all_of(after) == all_of(undisturbed)


async def test_what_comes_late_is_left_out_where_the_stream_no_longer_has_its_beginning(url: str):
    closes = said(200, seed=5)
    async with Scene(url) as scene:
        await scene.write(in_order(closes[:150]))
        before = await scene.notebook.until(149)
        await scene.write(closes[150], maxlen=100)
        await scene.write(in_order(closes[:1] + closes[151:]))
        after = await scene.notebook.until(199)
        assert after is before
        assert after.late == 3
        assert not await scene.record.whole()


async def until_kept(scene: Scene, closes: int) -> None:
    """Wait until what is remembered of so many closes is put away."""
    async with asyncio.timeout(60):
        while True:
            raw, watch = await scene.memory.put.get(), a_watch()
            if snapshot.go_on(watch, raw) and watch.closes == closes:
                return


async def test_a_daemon_that_is_killed_again_and_again_goes_on_to_the_same_bits_though_the_stream_is_trimmed(url: str):
    closes = said(24 * 8, seed=5)
    undisturbed = a_watch()
    undisturbed.take(message.prediction for message in in_order(closes))
    for first in range(0, len(closes), 24):
        async with Scene(url, keep_s=0) as scene:
            await scene.write(in_order(closes[first : first + 24]), maxlen=100)
            watch = await scene.notebook.until(first + 23)
            await until_kept(scene, first + 23)
        # Ended here without a word, as by SIGKILL: nothing is done at the end of a watcher.
    assert all_of(watch) == all_of(undisturbed)
    assert len(await left(url)) < 300


async def left(url: str) -> list[bytes]:
    record = Record(url, KEYS, KEYS.stream)
    messages = await record.read(10_000)
    await record.close()
    return messages


async def test_what_was_put_away_of_a_stream_that_has_lost_its_end_is_left_and_what_it_has_is_read(url: str):
    closes = said(120, seed=5)
    async with Scene(url, keep_s=0) as scene:
        await scene.write(in_order(closes[:40]))
        await scene.notebook.until(39)
        await until_kept(scene, 39)
    writer = Record(url, KEYS, KEYS.stream)
    # The server trims whole blocks: of fewer there may be no whole close left.
    await writer.append([encode(one) for one in in_order(closes[40:])], 30)
    await writer.close()
    there = a_watch()
    there.take(one for one in recorded(await left(url), "digest"))
    assert 0 < there.closes < 40
    async with Scene(url) as scene:
        assert all_of(await scene.notebook.until(there.closes)) == all_of(there)


async def test_who_has_lost_the_lease_puts_nothing_away(url: str):
    async with Scene(url) as scene, Scene(url) as after:
        with pytest.raises(StoreError):
            await scene.memory.save(b"old")
        await after.memory.save(b"new")
        assert await scene.memory.load() == b"new"
