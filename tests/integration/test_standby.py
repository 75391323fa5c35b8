"""Two daemons, one leads: it is killed, stopped, told to end, and the other takes over; the record is that of one."""

import asyncio
import json
import signal
import urllib.request
from contextlib import AsyncExitStack

import pytest
from crashes import Stage, clean, readiness

from benchmarks.crash.comparison import compare
from benchmarks.crash.scene import RUN, SPEED
from benchmarks.running.commands import Command
from daemon.stores.embedded import EmbeddedServer

WAITING = "waiting behind the daemon that leads"
LEADING = "leading"
BEHIND = "another daemon took over, waiting behind it"


def metric(url: str, name: str) -> float:
    with urllib.request.urlopen(f"{url}/metrics", timeout=100) as answer:
        [told] = [line for line in answer.read().decode().splitlines() if line.startswith(f"{name} ")]
    return float(told.split()[1])


async def ready(url: str) -> str:
    """Ask until the daemon is ready; what it says then."""
    async with asyncio.timeout(250):
        while True:
            status, said = await asyncio.to_thread(readiness, url)
            if status == 200:
                return said


@pytest.mark.timeout(1_200)
async def test_a_daemon_in_waiting_takes_over_from_one_that_is_killed_stopped_or_ends(stage: Stage):
    scene = stage.scene
    async with scene.exchange("standby", SPEED) as place, AsyncExitStack() as stack:
        server = await stack.enter_async_context(EmbeddedServer(place / "redis"))
        record = scene.record(server.url)
        stack.push_async_callback(record.close)
        pair = ("--store", server.url, "--set", "store.standby=true")

        async def started() -> Command:
            return await stack.enter_async_context(Command.serving(place, *RUN, *pair))

        first = await started()
        await first.said(LEADING)
        second = await started()
        await second.said(WAITING)
        assert f"{first.process.pid} leads" in await ready(second.listens["http"])
        assert await asyncio.to_thread(metric, second.listens["http"], "gaze_standby") == 1
        assert await record.grow_to(150)

        first.kill()
        await second.said(LEADING)
        assert await asyncio.to_thread(metric, second.listens["http"], "gaze_standby") == 0
        third = await started()
        await third.said(WAITING)
        assert await record.grow_to(400)

        second.kill(signal.SIGSTOP)
        await third.said(LEADING)
        second.kill(signal.SIGCONT)
        await second.said(BEHIND)
        await second.said(WAITING)
        assert await record.grow_to(700)

        third.kill(signal.SIGTERM)
        assert await third.ended() == 0
        await second.said(LEADING, 2)
        assert await record.grow_to(scene.expected)
        assert compare(stage.undisturbed, record.messages, await record.whole(), scene.until_ms) == clean(stage)
        assert json.dumps(second.log).count(BEHIND) == 1
