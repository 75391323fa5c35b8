"""Clocks at the doors of stages: what a stage holds of another counts there alone, and waiting for nobody."""

import asyncio
import json
import time

import pytest

from benchmarks.speed.clocked import Clocks, clocked, clocked_steps

BUSY_NS = 5_000_000
CLOSE = b"x" * 4_096


def busy() -> None:
    until_ns = time.thread_time_ns() + BUSY_NS
    while time.thread_time_ns() < until_ns:
        pass


class House:
    """Two stages, one within the other."""

    def encode(self) -> None:
        busy()

    async def read(self, gate: asyncio.Event) -> str:
        await gate.wait()
        self.encode()
        return "read"


async def test_a_stage_counts_what_is_its_own_and_nothing_while_it_waits(capsys: pytest.CaptureFixture[str]):
    class Clocked(House):
        """One whose doors can be changed."""

    clocks = Clocks(messages=2)
    clocked(clocks, Clocked, "encode", "encode")
    clocked_steps(clocks, Clocked, "read", "inbox")
    clocks.heard(b"a ping")
    clocks.heard(CLOSE)
    gate = asyncio.Event()
    reading = asyncio.create_task(Clocked().read(gate))
    await asyncio.sleep(0)
    busy()
    gate.set()
    assert await reading == "read"
    clocks.published(1)
    assert not capsys.readouterr().out
    clocks.published(1)
    told = json.loads(capsys.readouterr().out)
    assert told["ns"]["encode"] >= BUSY_NS
    assert told["ns"]["inbox"] < BUSY_NS
    assert told["whole_ns"] >= 2 * BUSY_NS


async def test_a_stage_that_is_cancelled_hears_of_it():
    class Clocked(House):
        """One whose doors can be changed."""

    clocked_steps(Clocks(messages=1), Clocked, "read", "inbox")
    reading = asyncio.create_task(Clocked().read(asyncio.Event()))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
