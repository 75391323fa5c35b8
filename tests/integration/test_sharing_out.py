"""Shards over one store: one is killed, one is added; what all of them published is what one daemon would have."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import redis.asyncio as redis
from crashes import Stage, clean
from redis.crc import key_slot

from benchmarks.crash.comparison import compare
from benchmarks.crash.record import Record
from benchmarks.crash.scene import RUN
from benchmarks.running.commands import PATIENCE_S, Command
from benchmarks.running.redises import Service, cluster
from daemon.sharding import share
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]

SPEED = "7200"
"""Two hours a second: bars go on coming while daemons end and start."""
WAITING = "waiting for shards that serve symbols of this one"
GOING_ON = "going on with symbols that other shards served"


class Shards:
    """The daemons of one store, and what each of them publishes."""

    def __init__(self, stage: Stage, place: Path, url: str, stack: AsyncExitStack, count: int) -> None:
        self._place = place
        self.url = url
        self._stack = stack
        self.scene = stage.scene
        self.model = stage.scene.bundle.manifest.name
        self.records: list[Record] = []
        for shard in range(count):
            self.records.append(Record(url, Keys(self.model, str(shard)).stream, stage.scene.until_ms))
            stack.push_async_callback(self.records[-1].close)

    def log(self) -> str:
        """What all of them said: who waits has not started yet."""
        return (self._place / "run.log").read_text()

    def serving(self, shard: int, shards: int):
        told = (f"store.shard={shard}", f"store.shards={shards}")
        words = [word for one in told for word in ("--set", one)]
        return Command.serving(self._place, *RUN, "--store", self.url, *words)

    async def started(self, shard: int, shards: int) -> Command:
        return await self._stack.enter_async_context(self.serving(shard, shards))

    async def begun_as_one(self) -> None:
        """One daemon has predicted the first bars of every symbol, and is told to end."""
        async with self.serving(0, 1) as alone:
            assert await self.records[0].grow_to(3 * len(self.scene.symbols))
            alone.kill(signal.SIGTERM)
            assert await alone.ended() == 0

    @property
    def bars(self) -> int:
        """How many bars were predicted by any."""
        return len(set().union(*(record.bars for record in self.records)))

    async def all_there(self) -> None:
        """Read on until every bar was predicted by some shard."""
        growing = {asyncio.create_task(self._grown(record)) for record in self.records}
        try:
            while self.bars < self.scene.expected:
                done, growing = await asyncio.wait(growing, return_when=asyncio.FIRST_COMPLETED)
                growing |= {asyncio.create_task(self._grown(task.result())) for task in done}
        finally:
            for task in growing:
                task.cancel()
            await asyncio.wait(growing)

    async def _grown(self, record: Record) -> Record:
        assert await record.grow_to(len(record.bars) + 1), (
            f"only {[len(one.bars) for one in self.records]} of {self.scene.expected} came"
        )
        return record

    async def told(self) -> list[bytes]:
        """Every message of all shards."""
        return [message for record in self.records for message in await record.whole()]


@asynccontextmanager
async def shards_of(
    stage: Stage, name: str, count: int, subscribers: int = 1, over: str = "server"
) -> AsyncIterator[Shards]:
    async with stage.scene.exchange(name, SPEED, subscribers=subscribers) as place, AsyncExitStack() as stack:
        opened = cluster(place / "redis") if over == "cluster" else EmbeddedServer(place / "redis")
        store: Service | EmbeddedServer = await stack.enter_async_context(opened)
        yield Shards(stage, place, store.url, stack, count)


def test_the_shards_of_a_cluster_lie_on_different_nodes():
    assert len({key_slot(shard.encode()) * 3 // 16_384 for shard in ("0", "1")}) == 2


@pytest.mark.parametrize("over", ["server", "cluster"])
async def test_a_shard_that_is_killed_during_a_burst_leaves_no_hole_and_no_double(stage: Stage, over: str):
    async with shards_of(stage, f"two shards, {over}", 2, over=over) as shards:
        await shards.begun_as_one()
        await shards.started(0, 2)
        killed = await shards.started(1, 2)
        assert await shards.records[1].grow_to(len(share(shards.scene.symbols, 1, 2)) * 5 + 1)
        killed.kill()
        await killed.ended()
        assert await shards.records[0].grow_to(len(shards.records[0].bars) + 50)
        await shards.started(1, 2)
        await shards.all_there()
        told = await shards.told()
        assert compare(stage.undisturbed, [], told, shards.scene.until_ms) == clean(stage)
        assert {symbol for symbol, _ in shards.records[1].bars} == set(share(shards.scene.symbols, 1, 2))


async def test_a_shard_that_is_added_takes_its_share_where_the_others_left_it(stage: Stage):
    async with shards_of(stage, "a third shard", 3) as shards:
        await shards.begun_as_one()
        two = [await shards.started(0, 2), await shards.started(1, 2)]
        assert await shards.records[1].grow_to(100)
        await is_added_to(two, shards, stage)


async def test_a_shard_is_added_after_redis_came_back_empty(stage: Stage):
    async with shards_of(stage, "an emptied Redis", 3, subscribers=2) as shards:
        async with asyncio.TaskGroup() as both:
            starts = [both.create_task(shards.started(number, 2)) for number in range(2)]
        two = [start.result() for start in starts]
        for record in shards.records[:2]:
            assert await record.grow_to(100)
        async with redis.Redis.from_url(shards.url) as client:
            await client.flushall()
        await is_added_to(two, shards, stage)


async def is_added_to(two: list[Command], shards: Shards, stage: Stage) -> None:
    """A third shard waits until both of two share out as it does; what all three published is whole."""
    ended = asyncio.Event()

    async def third() -> list[int]:
        async with shards.serving(2, 3) as daemon:
            await daemon.said(GOING_ON)
            await ended.wait()
            return [line["symbols"] for line in daemon.log if line["message"] == GOING_ON]

    adding = asyncio.create_task(third())
    try:
        async with asyncio.timeout(PATIENCE_S):
            while WAITING not in shards.log():
                await shards.records[0].grow_to(len(shards.records[0].bars) + 1, within_s=0.2)
        for number, former in enumerate(two):
            former.kill(signal.SIGTERM)
            assert await former.ended() == 0
            await shards.started(number, 3)
        await shards.all_there()
    finally:
        ended.set()
        moved = await adding
    assert compare(stage.undisturbed, [], await shards.told(), shards.scene.until_ms) == clean(stage)
    ours = share(shards.scene.symbols, 2, 3)
    assert moved == [len(ours)]
    # On a slow machine the venue has told most bars before the third shard begins.
    assert {symbol for symbol, _ in shards.records[2].bars} <= set(ours)
