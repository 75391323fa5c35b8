"""Each way in which history and live frames can interleave around a subscription."""

import asyncio
import logging
from collections.abc import Callable

import pytest
from aiohttp import web
from venues import Desk, Link, Venue

from core.bars import Origin

ADesk = Callable[..., Desk]

BTC, ETH = "BTCUSDT", "ETHUSDT"


def backfilled(numbers: range, symbol: str = BTC) -> list[tuple[str, int, str]]:
    return [(symbol, number, "backfilled") for number in numbers]


async def joined(venue: Venue, desk: Desk) -> Link:
    """Half past hour 10: history up to 9 has been taken, the socket has shown bar 10, and a mark behind it."""
    venue.turn_to(10.5)
    venue.keep_hours(BTC, range(10))
    link = await venue.next_link()
    assert await desk.take(4) == backfilled(range(6, 10))
    await link.tell(venue.bar(BTC, 10, closed=False), venue.bar("MARK", 10))
    assert await desk.take(1) == [("MARK", 10, "live")]
    return link


async def test_history_comes_first_then_what_is_live(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    async with desk.listening():
        link = await joined(venue, desk)
        await link.tell(venue.bar(BTC, 10), venue.bar(BTC, 11, closed=False), venue.bar(BTC, 11))
        assert await desk.take(2) == [(BTC, 10, "live"), (BTC, 11, "live")]
        assert desk.listener.live
    assert desk.told.counts["backfilled"] == 4


async def test_history_is_fetched_from_the_bar_before_the_first_that_the_predictor_misses(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    venue.turn_to(10.5)
    venue.keep_hours(BTC, range(10))
    desk.known[BTC] = venue.bar(BTC, 2).opened_at_ms
    async with desk.listening():
        assert await desk.take(9) == backfilled(range(1, 10))


async def test_a_bar_that_closes_before_history_answers_waits_behind_it(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    venue.turn_to(10.9)
    venue.keep_hours(BTC, range(10))
    venue.history_open.clear()
    async with desk.listening():
        link = await venue.next_link()
        await venue.next_question()
        await link.tell(venue.bar(BTC, 10), venue.bar(BTC, 11))
        await link.send("a frame refused is a frame read")
        await desk.told.until("refused", 1)
        assert desk.waiting == 0
        assert not desk.listener.live
        venue.history_open.set()
        assert await desk.take(6) == [*backfilled(range(6, 10)), (BTC, 10, "live"), (BTC, 11, "live")]


async def test_a_bar_that_settles_while_history_answers_is_asked_for_before_live_bars(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    venue.turn_to(10.9)
    venue.keep_hours(BTC, range(11))
    venue.history_open.clear()
    async with desk.listening():
        link = await venue.next_link()
        await venue.next_question()
        # Bar 10 closed before the subscription took effect: no frame tells of it.
        venue.turn_to(11.9)
        await link.tell(venue.bar(BTC, 11))
        await link.send("a frame refused is a frame read")
        await desk.told.until("refused", 1)
        venue.history_open.set()
        assert await desk.take(6) == [*backfilled(range(6, 11)), (BTC, 11, "live")]


async def test_a_close_sent_before_the_subscription_and_not_yet_settled_in_history_is_fetched_once_overdue(
    venue: Venue, a_desk: ADesk
):
    desk = a_desk()
    venue.turn_to(11, seconds=4)
    venue.keep_hours(BTC, range(10))
    # Two seconds after its end the venue's history has bar 10, but not yet its last trades.
    venue.keep(venue.bar(BTC, 10, volume=4.0))
    async with desk.listening():
        link = await venue.next_link()
        assert await desk.take(4) == backfilled(range(6, 10))
        await link.tell(venue.bar(BTC, 11, closed=False))
        venue.keep(venue.bar(BTC, 10))
        venue.turn_to(11, seconds=9.9)
        await link.send("a frame refused is a frame read")
        await desk.told.until("refused", 1)
        assert desk.waiting == 0
        venue.turn_to(11, seconds=10)
        assert await desk.take(1) == backfilled(range(10, 11))
        await link.tell(venue.bar(BTC, 11))
        assert await desk.take(1) == [(BTC, 11, "live")]


async def test_a_close_that_comes_five_seconds_late_behind_the_next_bars_opening_is_live(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    async with desk.listening():
        link = await joined(venue, desk)
        venue.turn_to(11, seconds=5)
        venue.keep(venue.bar(BTC, 10))
        await link.tell(venue.bar(BTC, 11, closed=False), venue.bar(BTC, 10), venue.bar(BTC, 11))
        assert await desk.take(2) == [(BTC, 10, "live"), (BTC, 11, "live")]
    assert venue.asked.qsize() == 1


async def test_a_close_that_comes_both_ways_is_passed_on_both_ways(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    venue.turn_to(11, seconds=6)
    venue.keep_hours(BTC, range(11))
    venue.history_open.clear()
    async with desk.listening():
        link = await venue.next_link()
        await venue.next_question()
        await link.tell(venue.bar(BTC, 10))
        await link.send("a frame refused is a frame read")
        await desk.told.until("refused", 1)
        venue.history_open.set()
        assert await desk.take(5) == [*backfilled(range(7, 11)), (BTC, 10, "live")]


async def test_a_socket_that_missed_nothing_goes_on_without_history(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    async with desk.listening():
        link = await joined(venue, desk)
        venue.history_open.clear()
        venue.turn_to(11.5)
        link.cut()
        link = await venue.next_link()
        # History would be needed to know that bar 10 closed; this frame says that it has not: nothing was missed.
        await link.tell(venue.bar(BTC, 10, closed=False), venue.bar(BTC, 10))
        assert await desk.take(1) == [(BTC, 10, "live")]
        assert desk.listener.live


async def test_once_a_frame_shows_that_nothing_was_missed_history_is_asked_no_further(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    venue.turn_to(11.2)
    desk.known[BTC] = venue.bar(BTC, 10).opened_at_ms
    venue.keep_hours(BTC, range(11))
    venue.history_open.clear()
    async with desk.listening():
        link = await venue.next_link()
        await venue.next_question()
        await link.tell(venue.bar(BTC, 10))
        assert await desk.take(1) == [(BTC, 10, "live")]
        venue.turn_to(12, seconds=6)
        venue.history_open.set()
        assert await desk.take(1) == backfilled(range(9, 10))
        await venue.until_clock_asked(venue.clock_asked + 5)
    assert venue.asked.empty()


async def test_what_is_held_is_not_chased(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    venue.turn_to(10.5)
    desk.known[BTC] = venue.bar(BTC, 8).opened_at_ms
    venue.history_open.clear()
    async with desk.listening():
        await venue.next_question()
        await venue.until_clock_asked(venue.clock_asked + 5)
        assert venue.asked.empty()


async def test_bars_missed_while_away_come_from_history_in_their_order(venue: Venue, a_desk: ADesk):
    desk = a_desk(BTC, ETH)
    venue.turn_to(10.5)
    venue.keep_hours(BTC, range(10))
    venue.keep_hours(ETH, range(10))
    async with desk.listening():
        link = await venue.next_link()
        taken = dict.fromkeys(await desk.take(8))
        assert sorted(taken) == backfilled(range(6, 10)) + backfilled(range(6, 10), ETH)
        await link.tell(venue.bar(BTC, 10, closed=False))
        link.cut()
        venue.turn_to(14.5)
        venue.keep_hours(BTC, range(14))
        venue.keep_hours(ETH, range(14))
        link = await venue.next_link()
        await link.tell(venue.bar(ETH, 14), venue.bar(BTC, 14))
        # The chase may ask for any of these bars once more: repeats are harmless, order and holes are not.
        while len(taken) < 18:
            taken |= dict.fromkeys(await desk.take(1))
    for symbol in (BTC, ETH):
        own = [bar for bar in taken if bar[0] == symbol]
        assert own == [*backfilled(range(6, 14), symbol), (symbol, 14, "live")]


async def test_what_a_lost_socket_left_held_is_not_lost(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    venue.turn_to(11, seconds=2)
    venue.keep_hours(BTC, range(10))
    venue.history_open.clear()
    async with desk.listening():
        link = await venue.next_link()
        await venue.next_question()
        await link.tell(venue.bar(BTC, 10))
        await link.send("a frame refused is a frame read")
        await desk.told.until("refused", 1)
        link.cut()
        await venue.next_link()
        venue.history_open.set()
        # Bar 10 has not settled in history: it is had from the first socket alone.
        assert await desk.take(5) == [*backfilled(range(6, 10)), (BTC, 10, "live")]


async def test_while_no_socket_opens_bars_come_from_history(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    async with desk.listening():
        link = await joined(venue, desk)
        venue.refusals = 1 << 30
        link.cut()
        venue.keep_hours(BTC, range(12))
        venue.turn_to(12, seconds=10)
        assert await desk.take(2) == backfilled(range(10, 12))
        assert not desk.listener.live


async def test_a_bar_that_history_does_not_have_either_is_not_asked_for_all_the_time(
    venue: Venue, a_desk: ADesk, caplog: pytest.LogCaptureFixture
):
    desk = a_desk()
    async with desk.listening():
        await joined(venue, desk)
        await venue.next_question()
        with caplog.at_level(logging.WARNING, "gaze.feed"):
            venue.turn_to(11, seconds=10)
            await venue.next_question()
            looked = venue.clock_asked
            await venue.until_clock_asked(looked + 10)
            assert venue.asked.empty()
            venue.turn_to(11, seconds=10 + 60)
            await venue.next_question()
    assert {record.message for record in caplog.records} == {"a bar did not come live, asked history"}


async def test_a_venue_without_clock_for_a_while_is_asked_again(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    async with desk.listening():
        await joined(venue, desk)
        venue.clock_failures = 8
        venue.turn_to(11, seconds=10)
        venue.keep_hours(BTC, range(11))
        assert await desk.take(1) == backfilled(range(10, 11))


async def test_while_history_fails_live_bars_are_held_and_then_all_come_in_order(
    venue: Venue, a_desk: ADesk, caplog: pytest.LogCaptureFixture
):
    desk = a_desk()
    venue.turn_to(10.5)
    venue.keep_hours(BTC, range(10))
    venue.answers.extend(web.Response(status=500) for _ in range(20))
    with caplog.at_level(logging.WARNING, "gaze.feed"):
        async with desk.listening():
            link = await venue.next_link()
            await link.tell(venue.bar(BTC, 10))
            assert await desk.take(5) == [*backfilled(range(6, 10)), (BTC, 10, "live")]
            assert desk.listener.live
    assert [record.message for record in caplog.records] == ["history cannot be had, trying again"] * 3


async def test_a_symbol_whose_history_is_refused_goes_live_without(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    venue.turn_to(10.5)
    venue.answers.append(web.Response(status=400, text='{"code":-1121,"msg":"Invalid symbol."}'))
    async with desk.listening():
        link = await venue.next_link()
        await venue.next_question()
        await link.tell(venue.bar(BTC, 10))
        assert await desk.take(1) == [(BTC, 10, "live")]


async def test_a_symbol_new_to_the_venue_goes_live_and_is_watched(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    venue.turn_to(10.5)
    async with desk.listening():
        await venue.next_link()
        await venue.next_question()
        venue.keep_hours(BTC, range(10, 11))
        venue.turn_to(11, seconds=10)
        assert await desk.take(1) == backfilled(range(10, 11))


async def test_one_failing_symbol_does_not_hold_up_the_others(venue: Venue, a_desk: ADesk):
    desk = a_desk(*(f"S{number}" for number in range(20)), BTC)
    venue.turn_to(10.5)
    venue.keep_hours(BTC, range(10))
    venue.failing = {f"S{number}" for number in range(20)}
    async with desk.listening():
        assert await desk.take(4) == backfilled(range(6, 10))
        assert not desk.listener.live


async def test_a_symbol_nobody_asked_for_is_handed_on_and_not_asked_after(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    async with desk.listening():
        link = await joined(venue, desk)
        await link.tell(venue.bar("XYZUSDT", 3))
        assert await desk.take(1) == [("XYZUSDT", 3, "live")]
        venue.turn_to(10.9)
        await venue.until_clock_asked(venue.clock_asked + 3)
    assert {question["symbol"] for question in venue.questions()} == {BTC}


@pytest.mark.parametrize("shown", [True, False])
async def test_a_revision_that_was_told_while_no_socket_was_open_is_taken_from_history(
    venue: Venue, a_desk: ADesk, *, shown: bool
):
    desk = a_desk()
    venue.turn_to(10.5)
    venue.keep_hours(BTC, range(10))
    async with desk.listening():
        link = await venue.next_link()
        await desk.take(4)
        await link.tell(venue.bar(BTC, 10, closed=False), venue.bar(BTC, 10, volume=3.0))
        assert await desk.take(1) == [(BTC, 10, "live")]
        venue.keep(venue.bar(BTC, 10, volume=4.0))
        venue.turn_to(11.5)
        venue.history_open.clear()
        link.cut()
        link = await venue.next_link()
        if shown:
            # Nothing was missed, so that the next bar waits for nothing.
            await link.tell(venue.bar(BTC, 11, closed=False), venue.bar(BTC, 11))
            assert await desk.take(1) == [(BTC, 11, "live")]
        venue.history_open.set()
        async with asyncio.timeout(100):
            (revised,) = await desk.inbox.take(9)
        assert (revised.bar, revised.origin) == (venue.bar(BTC, 10, volume=4.0), Origin.BACKFILLED)
