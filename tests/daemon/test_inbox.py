import asyncio

import pytest

from core.bars import Arrival, Bar
from daemon.inbox import Inbox


def a_bar(number: int, symbol: str = "BTCUSDT", *, closed: bool = True) -> Bar:
    return Bar(symbol, number, 1.0, 1.0, 1.0, 1.0, 1.0, closed)


def an_arrival(number: int, symbol: str = "BTCUSDT") -> Arrival:
    return Arrival(a_bar(number, symbol), "binance", 0)


def numbers(arrivals: list[Arrival]) -> list[int]:
    return [arrival.bar.opened_at_ms for arrival in arrivals]


async def a_full_inbox(capacity: int) -> Inbox:
    inbox = Inbox(capacity)
    for number in range(capacity):
        await inbox.put_closed([an_arrival(number)])
    return inbox


async def test_a_batch_is_whatever_waits_up_to_the_limit():
    inbox = await a_full_inbox(5)
    assert numbers(await inbox.take(3)) == [0, 1, 2]
    assert numbers(await inbox.take(3)) == [3, 4]
    assert inbox.depth == 0


async def test_what_is_there_is_taken_up_to_a_symbol_that_is_not_wanted():
    inbox = Inbox(5)
    assert inbox.take_now(3) == []
    await inbox.put_closed([an_arrival(number, symbol) for number, symbol in enumerate("ABCAD")])
    assert numbers(inbox.take_now(1)) == [0]
    assert numbers(inbox.take_now(3, but={"A"})) == [1, 2]
    assert numbers(inbox.take_now(3, but={"A"})) == []
    assert numbers(inbox.take_now(3)) == [3, 4]


async def test_taking_waits_for_a_bar():
    inbox = Inbox(1)
    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(inbox.take(10))
        await asyncio.sleep(0)
        assert not taking.done()
        await inbox.put_closed([an_arrival(7)])
    assert numbers(taking.result()) == [7]


async def test_a_wait_given_up_loses_no_bar():
    inbox = Inbox(1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await inbox.take(10)
    await inbox.put_closed([an_arrival(7)])
    async with asyncio.timeout(0):
        assert numbers(await inbox.take(10)) == [7]


async def test_full_it_holds_its_putters_back_and_lets_them_in_in_the_order_they_came():
    inbox = await a_full_inbox(2)
    async with asyncio.TaskGroup() as tasks:
        for number in range(2, 8):
            tasks.create_task(inbox.put_closed([an_arrival(number)]))
        await asyncio.sleep(0)
        assert inbox.depth == 2
        taken: list[int] = []
        while len(taken) < 8:
            batch = await inbox.take(1)
            taken += numbers(batch)
            assert inbox.depth <= 2
    assert taken == list(range(8))
    assert inbox.closed_bars == 8


async def test_nobody_overtakes_a_bar_that_waits_for_room():
    inbox = await a_full_inbox(1)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(inbox.put_closed([an_arrival(1)]))
        await asyncio.sleep(0)
        # Bar 2 is put when there is room again, but before bar 1, which waits for it, has been woken.
        tasks.create_task(inbox.put_closed([an_arrival(2)]))
        assert numbers(await inbox.take(1)) == [0]
        assert numbers(await inbox.take(1)) == [1]
        assert numbers(await inbox.take(1)) == [2]


async def test_a_putter_that_gives_up_leaves_the_way_free():
    inbox = await a_full_inbox(1)
    async with asyncio.TaskGroup() as tasks:
        quitter = tasks.create_task(inbox.put_closed([an_arrival(1)]))
        tasks.create_task(inbox.put_closed([an_arrival(2)]))
        await asyncio.sleep(0)
        quitter.cancel()
        assert numbers(await inbox.take(1)) == [0]
        assert numbers(await inbox.take(1)) == [2]


async def test_closed_it_gives_out_what_is_left_and_what_was_waiting_for_room_then_ends():
    inbox = await a_full_inbox(2)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(inbox.put_closed([an_arrival(2)]))
        tasks.create_task(inbox.put_closed([an_arrival(3)]))
        await asyncio.sleep(0)
        inbox.close()
        taken: list[int] = []
        while batch := await inbox.take(2):
            taken += numbers(batch)
    assert taken == [0, 1, 2, 3]
    assert await inbox.take(1) == []


async def test_closing_ends_a_take_that_waits():
    inbox = Inbox(1)
    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(inbox.take(1))
        await asyncio.sleep(0)
        inbox.close()
    assert taking.result() == []


async def test_open_bars_are_counted_and_take_no_room():
    inbox = Inbox(1)
    inbox.drop_open(1)
    inbox.drop_open(2)
    await inbox.put_closed([an_arrival(3, "A")])
    assert numbers(await inbox.take(4)) == [3]
    assert inbox.open_dropped == 3


async def test_many_go_in_as_far_as_there_is_room_and_the_others_follow_in_their_order():
    inbox = await a_full_inbox(2)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(inbox.put_closed([an_arrival(number) for number in range(2, 7)]))
        tasks.create_task(inbox.put_closed([an_arrival(7)]))
        await asyncio.sleep(0)
        taken: list[int] = []
        while len(taken) < 8:
            taken += numbers(await inbox.take(3))
            assert inbox.depth <= 2
    assert taken == list(range(8))
    assert inbox.closed_bars == 8
    assert inbox.held_back == 3


async def test_many_that_fit_are_there_at_once():
    inbox = Inbox(5)
    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(inbox.take(10))
        await asyncio.sleep(0)
        await inbox.put_closed([an_arrival(number) for number in range(5)])
    assert numbers(taking.result()) == list(range(5))
    assert inbox.held_back == 0
