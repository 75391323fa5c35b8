import logging
from collections.abc import Callable

import pytest
from aiohttp import web
from venues import Desk, Venue

ADesk = Callable[..., Desk]

BTC = "BTCUSDT"


async def started(venue: Venue, desk: Desk) -> None:
    """Hour 20: bars 16 to 19 have been taken, their question has been counted."""
    venue.turn_to(20.5)
    venue.keep_hours(BTC, range(16, 20))
    await desk.take(4)
    await venue.next_question()


def request(venue: Venue, desk: Desk, first: int, last: int) -> None:
    desk.fills.request_fill(BTC, venue.bar(BTC, first).opened_at_ms, venue.bar(BTC, last).opened_at_ms)


async def test_a_gap_is_filled_in_order(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    async with desk.listening():
        await started(venue, desk)
        venue.keep_hours(BTC, range(5, 9))
        request(venue, desk, 5, 9)
        assert await desk.take(4) == [(BTC, number, "backfilled") for number in range(5, 9)]
        await desk.until_filled()
        assert (desk.fills.filled, desk.fills.unfilled) == (1, 0)


async def test_history_that_lags_behind_is_asked_again_for_the_rest(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    async with desk.listening():
        await started(venue, desk)
        venue.keep_hours(BTC, range(5, 6))
        request(venue, desk, 5, 7)
        assert await desk.take(1) == [(BTC, 5, "backfilled")]
        venue.keep_hours(BTC, range(6, 7))
        assert await desk.take(1) == [(BTC, 6, "backfilled")]
        await desk.until_filled()
        assert desk.fills.filled == 1


async def test_a_gap_is_asked_for_once_however_often_it_is_requested(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    venue.history_open.set()
    async with desk.listening():
        await started(venue, desk)
        venue.keep_hours(BTC, range(5, 9))
        venue.history_open.clear()
        request(venue, desk, 5, 7)
        request(venue, desk, 5, 7)
        await venue.next_question()
        request(venue, desk, 5, 7)
        # A later bar that came too early asks for more of the same gap.
        request(venue, desk, 5, 9)
        venue.history_open.set()
        taken = await desk.take(4)
        await desk.until_filled()
    assert [number for _, number, _ in taken] == [5, 6, 7, 8]
    assert len(venue.questions()) == 1


async def test_a_gap_that_cannot_be_filled_is_told_and_can_be_asked_for_again(
    venue: Venue, a_desk: ADesk, caplog: pytest.LogCaptureFixture
):
    desk = a_desk()
    async with desk.listening():
        await started(venue, desk)
        venue.keep_hours(BTC, range(5, 6))
        with caplog.at_level(logging.WARNING, "gaze.feed"):
            request(venue, desk, 5, 8)
            await desk.until_filled()
        assert desk.fills.unfilled == 1
        assert [(record.message, record.__dict__["missing"]) for record in caplog.records] == [
            ("a gap could not be filled", 2)
        ]
        venue.keep_hours(BTC, range(6, 8))
        request(venue, desk, 6, 8)
        assert [number for _, number, _ in await desk.take(3)] == [5, 6, 7]


async def test_a_gap_is_given_up_when_history_cannot_be_had(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    async with desk.listening():
        await started(venue, desk)
        venue.answers.extend(web.Response(status=500) for _ in range(18))
        request(venue, desk, 5, 8)
        await desk.until_filled()
        assert desk.fills.unfilled == 1


async def test_a_gap_is_filled_once_history_can_be_had_again(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    async with desk.listening():
        await started(venue, desk)
        venue.keep_hours(BTC, range(5, 8))
        venue.answers.extend(web.Response(status=500) for _ in range(6))
        request(venue, desk, 5, 8)
        assert [number for _, number, _ in await desk.take(3)] == [5, 6, 7]
        await desk.until_filled()
        assert desk.fills.filled == 1


async def test_a_bar_of_the_far_future_asks_for_no_more_than_the_past(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    async with desk.listening():
        await started(venue, desk)
        desk.fills.request_fill(BTC, venue.bar(BTC, 18).opened_at_ms, 1 << 60)
        await desk.until_filled()
    assert [number for _, number, _ in await desk.take(2)] == [18, 19]
    assert desk.fills.unfilled == 1
    assert len(venue.questions()) == 3


async def test_what_is_asked_for_during_the_last_try_has_tries_of_its_own(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    async with desk.listening():
        await started(venue, desk)
        venue.history.clear()
        venue.history_open.clear()
        desk.fills.request_fill(BTC, venue.bar(BTC, 12).opened_at_ms, venue.bar(BTC, 13).opened_at_ms)
        venue.history_open.set()
        for _ in range(2):
            await venue.next_question()
        venue.history_open.clear()
        await venue.next_question()
        # The third and last question is on its way.
        venue.keep_hours(BTC, range(14, 15))
        desk.fills.request_fill(BTC, venue.bar(BTC, 12).opened_at_ms, venue.bar(BTC, 15).opened_at_ms)
        venue.history_open.set()
        assert [number for _, number, _ in await desk.take(1)] == [14]
        await desk.until_filled()
