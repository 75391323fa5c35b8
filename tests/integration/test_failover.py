"""A daemon whose primary is killed before its replica has everything: the new primary has the whole record."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from crashes import Stage, clean

from benchmarks.crash.comparison import compare
from benchmarks.crash.scene import NOTICED, RECOVERED, RUN, SPEED
from benchmarks.running.commands import Command
from benchmarks.running.redises import Service, cluster, sentinels
from daemon.stores.keys import Keys

LOST = "Redis had lost what it had taken; what is still in memory is written again"


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("kind", [sentinels, cluster])
async def test_a_daemon_goes_on_over_a_failover_and_the_new_primary_has_the_whole_record(
    stage: Stage, tmp_path: Path, kind: type[Service]
):
    scene = stage.scene
    key = Keys(scene.stream.rpartition(":")[2]).lease
    async with scene.exchange(f"failover-{kind.__name__}", SPEED) as place, AsyncExitStack() as stack:
        told = (tmp_path, key) if kind is cluster else (tmp_path,)
        service = await stack.enter_async_context(kind(*told))
        before = scene.record(service.primary.url)
        stack.push_async_callback(before.close)
        daemon = await stack.enter_async_context(Command.serving(place, *RUN, "--store", service.url))
        assert await before.grow_to(200)
        async with service.lagging():
            assert await before.grow_to(400)
        await daemon.said(LOST)
        await daemon.said(RECOVERED)
        assert daemon.count(NOTICED) >= 1
        after = scene.record(service.replica.url)
        stack.push_async_callback(after.close)
        assert await after.grow_to(scene.expected)
        assert compare(stage.undisturbed, before.messages, await after.whole(), scene.until_ms) == clean(stage)
