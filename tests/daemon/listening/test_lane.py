"""Sockets replaced before their end, and hot spares, at a venue of the test's own."""

import logging
from collections.abc import Callable

import pytest
from venues import Desk, Link, Venue

ADesk = Callable[..., Desk]
BTC = "BTCUSDT"
SHUTDOWN = '{"stream":"","data":{"e":"serverShutdown","E":1}}'


async def joined(venue: Venue, desk: Desk, sockets: int = 1) -> list[Link]:
    """Half past hour 10, history taken, each socket has shown bar 10. What both fetch is told once."""
    desk.each_once = True
    venue.turn_to(10.5)
    venue.keep_hours(BTC, range(10))
    links = [await venue.next_link() for _ in range(sockets)]
    await desk.take(4)
    for link in links:
        await link.tell(venue.bar(BTC, 10, closed=False), venue.bar("MARK", 10))
    await desk.take(1)
    venue.questions()
    return links


async def test_an_announced_shutdown_opens_the_next_socket_before_this_one_ends(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    async with desk.listening():
        (link,) = await joined(venue, desk)
        await link.send(SHUTDOWN)
        successor = await venue.next_link()
        # Until the next one has told something, this one is listened to.
        await link.tell(venue.bar(BTC, 10))
        assert await desk.take(1) == [(BTC, 10, "live")]
        await successor.tell(venue.bar(BTC, 11, closed=False))
        await link.lost()
        await successor.tell(venue.bar(BTC, 11))
        assert await desk.take(1) == [(BTC, 11, "live")]
        assert desk.listener.live
    assert venue.questions() == []
    assert desk.told.counts["reconnected"] == desk.told.counts["refused"] == 0
    assert desk.told.up == [True, False]


async def test_a_socket_is_replaced_before_the_venue_ends_its_life(venue: Venue, a_desk: ADesk):
    desk = a_desk(life_s=1.0)
    async with desk.listening():
        (link,) = await joined(venue, desk)
        for number in range(11, 14):
            successor = await venue.next_link()
            await successor.tell(venue.bar(BTC, number - 1), venue.bar(BTC, number, closed=False))
            await link.lost()
            link = successor
        assert await desk.take(3) == [(BTC, number, "live") for number in range(10, 13)]
    assert venue.questions() == []
    assert desk.told.counts["reconnected"] == 0


async def test_a_successor_that_cannot_be_had_costs_nothing_while_this_one_lives(
    venue: Venue, a_desk: ADesk, caplog: pytest.LogCaptureFixture
):
    desk = a_desk()
    async with desk.listening():
        (link,) = await joined(venue, desk)
        venue.refusals = 3
        with caplog.at_level(logging.WARNING, "gaze.feed"):
            await link.send(SHUTDOWN)
            await link.tell(venue.bar(BTC, 10))
            assert await desk.take(1) == [(BTC, 10, "live")]
            successor = await venue.next_link()
        assert [record.message for record in caplog.records] == ["socket lost, opening it again"] * 3
        await successor.tell(venue.bar(BTC, 11))
        await link.lost()
        assert await desk.take(1) == [(BTC, 11, "live")]
    assert venue.questions() == []


async def test_a_socket_that_ends_before_its_successor_speaks_is_a_loss_that_history_mends(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    async with desk.listening():
        (link,) = await joined(venue, desk)
        await link.send(SHUTDOWN)
        successor = await venue.next_link()
        link.cut()
        venue.keep(venue.bar(BTC, 10))
        venue.turn_to(11.5)
        # What neither brought is overdue, and asked of history.
        assert await desk.take(1) == [(BTC, 10, "backfilled")]
        await successor.tell(venue.bar(BTC, 11))
        assert await desk.take(1) == [(BTC, 11, "live")]


async def test_with_spares_each_bar_counts_once_and_a_lost_socket_costs_nothing(venue: Venue, a_desk: ADesk):
    desk = a_desk(spares=1)
    async with desk.listening():
        first, second = await joined(venue, desk, sockets=2)
        await first.tell(venue.bar(BTC, 10))
        await second.tell(venue.bar(BTC, 10), venue.bar(BTC, 11))
        await first.tell(venue.bar(BTC, 11))
        first.cut()
        await second.tell(venue.bar(BTC, 12))
        third = await venue.next_link()
        assert await desk.take(3) == [(BTC, number, "live") for number in (10, 11, 12)]
        await third.tell(venue.bar(BTC, 12), venue.bar(BTC, 13))
        await second.tell(venue.bar(BTC, 13), venue.bar(BTC, 14))
        assert await desk.take(2) == [(BTC, number, "live") for number in (13, 14)]
        assert desk.listener.live
        await desk.told.until("frames", 4 + 4 + 1 + 4)
        assert desk.waiting == 0
    # The bar before may have been asked for by the second socket, too: nothing later was.
    assert all(int(asked["endTime"]) < venue.bar(BTC, 10).opened_at_ms for asked in venue.questions())
    assert desk.told.up == [True, False]
    assert desk.told.counts["disagreed"] == 0
    assert desk.told.counts["reconnected"] == 1


async def test_a_bar_that_two_sockets_tell_differently_is_the_first_ones_and_counted(venue: Venue, a_desk: ADesk):
    desk = a_desk(spares=1)
    async with desk.listening():
        first, second = await joined(venue, desk, sockets=2)
        await first.tell(venue.bar(BTC, 10, volume=1.0))
        assert [one.bar.volume for one in await desk.arrivals(1)] == [1.0]
        await second.tell(venue.bar(BTC, 10, volume=2.0))
        await desk.told.until("disagreed", 1)
        await first.tell(venue.bar(BTC, 10, volume=3.0))
        assert [one.bar.volume for one in await desk.arrivals(1)] == [3.0]
    assert desk.told.counts["disagreed"] == 1
