"""Whole daemons with the documented rights on Redis and no others: shards, takeovers, a right that is missing."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from crashes import Stage, clean, until_unready
from kept import least_rights
from redis.asyncio import Redis

from benchmarks.crash.comparison import compare
from benchmarks.crash.record import Record
from benchmarks.crash.scene import NOTICED, RECOVERED, RUN, SPEED
from benchmarks.house import GAZE
from benchmarks.running.commands import Command
from core.errors import StoreError
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]

WAITING = "waiting behind the daemon that leads"
LEADING = "leading"


class Guarded:
    """A server, the address of a user with the least rights on it, and a client that may do all."""

    def __init__(self, server: EmbeddedServer, client: "Redis") -> None:
        self.url = server.url
        self.least_url = server.url.replace("unix://", "unix://gaze:right@")
        self.client = client

    async def grant(self, *words: str) -> None:
        await self.client.execute_command("ACL", "SETUSER", "gaze", "on", ">right", *words)


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Guarded]:
    async with EmbeddedServer(tmp_path) as server, Redis.from_url(server.url) as client:
        one = Guarded(server, client)
        await one.grant(*least_rights())
        yield one


class Shard:
    """Half of the symbols: a daemon that leads, one that waits behind it, and the record."""

    def __init__(self, name: str, symbols: list[str], stage: Stage, place: Path, guarded: Guarded) -> None:
        self.symbols = symbols
        self._undisturbed = [one for one in stage.undisturbed if any(f'"{name}"'.encode() in one for name in symbols)]
        self._until_ms = stage.scene.until_ms
        self.expected = stage.scene.expected * len(symbols) // len(stage.scene.symbols)
        stream = Keys(stage.scene.bundle.manifest.name, name).stream
        self.record = Record(guarded.url, stream, self._until_ms)
        settings = ("store.standby=true", f"store.shard={name}")
        told = [word for one in settings for word in ("--set", one)]
        self._told = (place, *RUN, "--store", guarded.least_url, "--symbols", ",".join(symbols), *told)
        self.leader: Command
        self.standby: Command

    async def start(self, stack: AsyncExitStack) -> None:
        stack.push_async_callback(self.record.close)
        self.leader = await stack.enter_async_context(Command.serving(*self._told))
        await self.leader.said(LEADING)
        self.standby = await stack.enter_async_context(Command.serving(*self._told))
        await self.standby.said(WAITING)

    async def is_clean(self) -> bool:
        found = compare(self._undisturbed, self.record.messages, await self.record.whole(), self._until_ms)
        assert found.clean, found
        return found.expected == self.expected


async def test_of_two_shards_each_with_a_daemon_in_waiting_both_lose_the_one_that_leads(stage: Stage, guarded: Guarded):
    symbols = stage.scene.symbols
    async with stage.scene.exchange("shards", SPEED, subscribers=4) as place, AsyncExitStack() as stack:
        shards = [
            Shard(name, part, stage, place, guarded)
            for name, part in (("east", symbols[: len(symbols) // 2]), ("west", symbols[len(symbols) // 2 :]))
        ]
        for shard in shards:
            await shard.start(stack)
        for shard in shards:
            assert await shard.record.grow_to(shard.expected // 4)
            shard.leader.kill()
        for shard in shards:
            await shard.standby.said(LEADING)
            assert await shard.record.grow_to(shard.expected)
            assert await shard.is_clean()


async def test_a_daemon_whose_user_loses_a_right_says_so_and_goes_on_once_it_is_given_back(
    stage: Stage, guarded: Guarded
):
    scene = stage.scene
    async with scene.exchange("rights", SPEED) as place, AsyncExitStack() as stack:
        record = scene.record(guarded.url)
        stack.push_async_callback(record.close)
        daemon = await stack.enter_async_context(Command.serving(place, *RUN, "--store", guarded.least_url))
        for number, right in enumerate(("xadd", "publish", "setrange", "evalsha", "hincrby"), 1):
            assert await record.grow_to(100 * number)
            noticed = daemon.count(NOTICED)
            await guarded.grant(f"-{right}")
            await daemon.said(NOTICED, noticed + 1)
            await until_unready(daemon.listens["http"], "give its user the rights", right)
            recovered = daemon.count(RECOVERED)
            await guarded.grant(f"+{right}")
            await daemon.said(RECOVERED, recovered + 1)
        assert await record.grow_to(scene.expected)
        assert compare(stage.undisturbed, record.messages, await record.whole(), scene.until_ms) == clean(stage)


@pytest.mark.parametrize("right", ["xadd", "publish", "eval", "script|load"])
async def test_a_daemon_whose_user_lacks_a_right_does_not_start_and_says_which(
    stage: Stage, guarded: Guarded, right: str
):
    await guarded.grant(f"-{right}")
    async with stage.scene.exchange(f"refused-{right.partition('|')[0]}", SPEED) as place:
        done = await asyncio.to_thread(
            subprocess.run,
            [*GAZE, *RUN, "--store", guarded.least_url],
            cwd=place,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == StoreError.exit_code
    assert "try: give its user the rights listed in docs/reference/redis.md" in done.stderr
    assert right.replace("|", " ").split()[0] in done.stderr.lower()
