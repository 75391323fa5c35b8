"""The venue's clock."""

import asyncio

from daemon.exchange.clock import VenueClock


def test_it_stands_until_it_is_started_and_after_it_is_stopped():
    ours = iter([5.0, 6.5, 8.0])
    clock = VenueClock(1_000, speed=3_600, monotonic_s=lambda: next(ours))
    assert clock.now_ms() == 1_000
    clock.start()
    assert clock.now_ms() == 1_000 + 1_500 * 3_600
    clock.stop()
    assert clock.now_ms() == 1_000 + 3_000 * 3_600


async def test_a_leaping_clock_is_at_once_as_late_as_it_is_told_and_never_earlier():
    clock = VenueClock(1_000)
    clock.start()
    await clock.reach(9_000)
    await clock.reach(2_000)
    assert clock.now_ms() == 9_000


async def test_a_running_clock_is_waited_for():
    clock = VenueClock(0, speed=1_000_000)
    clock.start()
    async with asyncio.timeout(100):
        await clock.reach(20_000)
    assert clock.now_ms() >= 19_000
