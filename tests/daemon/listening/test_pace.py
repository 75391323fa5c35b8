"""A venue's limit on new sockets, kept over all of them."""

import asyncio
from collections.abc import Callable

import msgspec
from venues import Desk, Venue

from daemon.feeds.binance import SPOT, Binance
from daemon.listening.pace import Pace


async def test_in_no_span_of_time_there_are_more_turns_than_allowed():
    pace, clock = Pace(3, 0.05), asyncio.get_running_loop().time
    began_s = clock()
    given_s: list[float] = []

    async def take() -> None:
        await pace.turn()
        given_s.append(clock())

    async with asyncio.TaskGroup() as tasks:
        for _ in range(10):
            tasks.create_task(take())
    assert len(given_s) == 10
    assert all(at_s - began_s >= 0.05 * (number // 3) for number, at_s in enumerate(given_s))


async def test_whoever_gives_up_waiting_takes_no_turn():
    pace = Pace(1, 3_600.0)
    await pace.turn()
    waiting = asyncio.create_task(pace.turn())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert len(pace._taken_s) == 1
    assert not pace._next.locked()


async def test_all_sockets_of_a_venue_are_opened_at_its_pace(venue: Venue, feed: Binance, a_desk: Callable[..., Desk]):
    feed.market = msgspec.structs.replace(SPOT, streams_a_socket=1)
    desk = a_desk("BTCUSDT", "ETHUSDT", "SOLUSDT", openings=(1, 0.1), spares=1)
    clock = asyncio.get_running_loop().time
    began_s = clock()
    async with desk.listening():
        carried = [symbol for _ in range(6) for symbol in (await venue.next_link()).symbols]
        assert clock() - began_s >= 0.5
    assert sorted(carried) == ["BTCUSDT", "BTCUSDT", "ETHUSDT", "ETHUSDT", "SOLUSDT", "SOLUSDT"]
