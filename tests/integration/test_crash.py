"""The daemon is killed, its Redis killed and paused; afterwards its record is that of a run that nothing disturbed."""

import json
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from crashes import Stage, a_scene, clean, until_unready
from redis.asyncio import Redis

from benchmarks.crash.blows import Blow, plan
from benchmarks.crash.comparison import Counts, compare
from benchmarks.crash.record import Record
from benchmarks.crash.scene import NOTICED, RECOVERED, RUN, SPEED
from benchmarks.crash.stores import KINDS
from benchmarks.running.commands import Command
from daemon.stores.embedded import EmbeddedServer

MIXED = (
    Blow("kill", 0, "windows are back"),
    Blow("kill", 0, "socket open"),
    Blow("kill", 1),
    Blow("kill", 150),
    Blow("kill-store", 300),
    Blow("kill", 420),
    Blow("stop", 500),
    Blow("kill", 501),
    Blow("pause-store", 620),
    Blow("kill", 700, "ready"),
    Blow("kill", 800),
)


TROUBLES = (
    (("CONFIG SET maxmemory 1",), "CONFIG SET maxmemory 0", "raise maxmemory"),
    (("REPLICAOF 127.0.0.1 1",), "REPLICAOF NO ONE", "point store.url at the primary"),
    (
        ("CONFIG SET requirepass changed", "CLIENT KILL TYPE normal SKIPME yes"),
        "ACL SETUSER default nopass",
        "set the right user and password",
    ),
)
SLOW = ((("CLIENT PAUSE 600000 WRITE",), "CLIENT UNPAUSE", "no answer within 5 s"),)
LOST_SOCKET = "socket lost, opening it again"
EMPTIED = "Redis had lost what it had taken; what is still in memory is written again"


@pytest.mark.timeout(1_200)
async def test_a_daemon_that_is_killed_ten_times_leaves_the_record_of_one_that_was_not(stage: Stage):
    assert await stage.played(MIXED) == clean(stage)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("kind", KINDS)
async def test_forty_blows_by_chance_leave_the_record_of_a_run_without(tmp_path: Path, shared_data: Path, kind: str):
    scene = a_scene(tmp_path, shared_data, days=30)
    stage = Stage(scene, await scene.undisturbed())
    assert await stage.played(plan(40, scene.expected, seed=2), kind=kind) == clean(stage)


@pytest.mark.timeout(1_200)
async def test_a_redis_that_is_emptied_full_read_only_or_locked_costs_nothing_but_time(stage: Stage):
    scene = stage.scene
    async with scene.exchange("troubled", SPEED) as place, AsyncExitStack() as stack:
        server = await stack.enter_async_context(EmbeddedServer(place / "redis"))
        client = await stack.enter_async_context(Redis.from_url(server.url))
        record = scene.record(server.url)
        stack.push_async_callback(record.close)
        run = (place, *RUN, "--store", server.url)
        daemon = await stack.enter_async_context(Command.serving(*run))
        assert await record.grow_to(100)
        daemon.kill(signal.SIGSTOP)
        await client.flushall()
        daemon.kill(signal.SIGCONT)
        await daemon.said(EMPTIED)
        daemon.kill()
        await daemon.ended()
        daemon = await stack.enter_async_context(Command.serving(*run))
        assert await record.grow_to(300)
        await troubled(daemon, client, record, TROUBLES)
        assert await record.grow_to(scene.expected)
        assert compare(stage.undisturbed, [], await record.whole(), scene.until_ms) == clean(stage)


async def troubled(
    daemon: Command, client: "Redis", record: Record, troubles: Sequence[tuple[Sequence[str], str, str]]
):
    """In each trouble the daemon says on /readyz what it is, keeps its sockets, and goes on by itself after it."""
    for trouble, relief, reason in troubles:
        assert await record.grow_to(len(record.bars) + 100)
        noticed = daemon.count(NOTICED)
        for command in trouble:
            await client.execute_command(*command.split())
        await daemon.said(NOTICED, noticed + 1)
        await until_unready(daemon.listens["http"], reason)
        recovered = daemon.count(RECOVERED)
        await client.execute_command(*relief.split())
        await daemon.said(RECOVERED, recovered + 1)
    assert daemon.count(LOST_SOCKET) == 0


@pytest.mark.slow
@pytest.mark.timeout(1_200)
async def test_a_redis_that_is_slow_costs_nothing_but_time(stage: Stage):
    scene = stage.scene
    async with scene.exchange("slow", SPEED) as place, AsyncExitStack() as stack:
        server = await stack.enter_async_context(EmbeddedServer(place / "redis"))
        client = await stack.enter_async_context(Redis.from_url(server.url))
        record = scene.record(server.url)
        stack.push_async_callback(record.close)
        daemon = await stack.enter_async_context(Command.serving(place, *RUN, "--store", server.url))
        await troubled(daemon, client, record, SLOW)
        assert await record.grow_to(scene.expected)
        assert compare(stage.undisturbed, record.messages, await record.whole(), scene.until_ms) == clean(stage)


@pytest.mark.timeout(1_200)
async def test_of_two_daemons_on_one_store_the_former_says_so_and_exits_and_both_together_publish_each_once(
    stage: Stage,
):
    scene = stage.scene
    async with scene.exchange("fenced", "max") as place, AsyncExitStack() as stack:
        server = await stack.enter_async_context(EmbeddedServer(place / "redis"))
        record = scene.record(server.url)
        stack.push_async_callback(record.close)
        run = (place, *RUN, "--store", server.url)
        former = await stack.enter_async_context(Command.serving(*run))
        for turn in range(2):
            assert await record.grow_to(100 + 200 * turn)
            former.kill(signal.SIGSTOP)
            newer = await stack.enter_async_context(Command.serving(*run))
            former.kill(signal.SIGCONT)
            assert await former.ended() == 75
            assert "another daemon took over the lease" in json.dumps(former.log)
            former = newer
        assert await record.grow_to(scene.expected)
        assert compare(stage.undisturbed, record.messages, await record.whole(), scene.until_ms) == clean(stage)


async def test_a_lost_and_a_doubled_prediction_are_counted(stage: Stage):
    whole, until_ms = list(stage.undisturbed), stage.scene.until_ms
    assert compare(whole, whole, whole, until_ms) == clean(stage)
    assert compare(whole, whole[:1], [*whole[1:], whole[1]], until_ms) == Counts(
        stage.scene.expected, lost=1, unknown=0, doubled=1, different=0, vanished=1, unlike=0
    )
    other = whole[0].replace(b'"revision":0', b'"revision":1')
    assert compare(whole, whole, [other, *whole], until_ms).different == 1
