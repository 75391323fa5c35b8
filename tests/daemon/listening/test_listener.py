import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from aiohttp import web
from msgspec.structs import replace
from venues import Desk, Link, Venue

from core.bars import Interval
from daemon.feeds.binance import Binance
from daemon.listening.backoff import Backoff
from daemon.listening.line import AT_ONCE
from daemon.ports import Socket

ADesk = Callable[..., Desk]

BTC, ETH = "BTCUSDT", "ETHUSDT"
HOUR = Interval.parse("1h")


async def joined(venue: Venue, desk: Desk) -> Link:
    """Half past hour 10: history up to 9 has been taken, the socket has shown bar 10, and a mark behind it."""
    venue.turn_to(10.5)
    venue.keep_hours(BTC, range(10))
    link = await venue.next_link()
    await desk.take(4)
    await link.tell(venue.bar(BTC, 10, closed=False), venue.bar("MARK", 10))
    await desk.take(1)
    return link


async def test_open_bars_are_dropped_and_closed_ones_handed_over(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    async with desk.listening():
        link = await joined(venue, desk)
        assert desk.inbox.open_dropped == 1
        await link.tell(venue.bar(BTC, 10))
        assert await desk.take(1) == [(BTC, 10, "live")]
    assert link.symbols == (BTC,)
    assert desk.told.counts["frames"] == 3


async def test_a_password_in_the_address_reaches_no_log(venue: Venue, a_desk: ADesk, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    desk = a_desk(_websocket_url=venue.websocket_url.replace("//", "//me:hidden@"))
    async with desk.listening():
        await joined(venue, desk)
    hosts = {record.host for record in caplog.records if record.message == "socket open"}
    assert hosts == {venue.websocket_url.removeprefix("ws://")}


async def test_a_day_of_disconnects_at_any_moment_misses_and_disorders_nothing(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    venue.turn_to(10.5)
    venue.keep_hours(BTC, range(10))
    taken: list[int] = []
    async with desk.listening():
        for number in range(10, 34):
            link = await venue.next_link()
            # The socket goes before, while or after the close is sent; one is never sent at all.
            if number % 4 == 0:
                await link.tell(venue.bar(BTC, number, closed=False))
            if number % 4 in (1, 2):
                await link.tell(venue.bar(BTC, number))
            if number % 2:
                link.cut()
            else:
                await link.close()
            await link.lost()
            venue.turn_to(number + 1.5)
            venue.keep(venue.bar(BTC, number))
            while number not in taken:
                taken += [hour for _, hour, _ in await desk.take(1)]
    fresh = list(dict.fromkeys(taken))
    assert fresh == list(range(fresh[0], 34))
    assert desk.told.counts["reconnected"] >= 23


async def test_a_silent_socket_is_opened_again(venue: Venue, a_desk: ADesk, caplog: pytest.LogCaptureFixture):
    desk = a_desk(silence_s=0.05)
    with caplog.at_level(logging.WARNING, "gaze.feed"):
        async with desk.listening():
            venue.turn_to(10.5)
            silent = await venue.next_link()
            await silent.lost()
            await venue.next_link()
    assert caplog.records[0].__dict__["reason"] == "binance: nothing came for 0.05 s"
    assert desk.told.counts["reconnected"] >= 1


async def test_a_full_inbox_is_not_taken_for_the_venues_silence(venue: Venue, a_desk: ADesk):
    # Long enough for a slow machine to tell the bars in.
    desk = a_desk(capacity=2, silence_s=2.0)
    venue.turn_to(10.5)
    async with desk.listening():
        link = await venue.next_link()
        await link.tell(*(venue.bar("MARK", number) for number in range(10, 30)))
        await desk.told.until("frames", 3)
        assert desk.inbox.depth == 2
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await link.lost()
        assert [number for _, number, _ in await desk.take(20)] == list(range(10, 30))
        assert desk.told.counts["reconnected"] == 0


async def test_a_full_inbox_holds_the_venue_back_and_loses_nothing(venue: Venue, a_desk: ADesk):
    desk = a_desk(capacity=3)
    count = 2_000
    async with desk.listening():
        link = await joined(venue, desk)
        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(link.tell(*(venue.bar("MARK", number) for number in range(count))))
            # Two frames were read before; three bars fit, and what was read with them then waits for room.
            await desk.told.until("frames", 2 + 3 + 1)
            await asyncio.wait({telling}, timeout=0.2)
            assert desk.inbox.depth == 3
            assert desk.told.counts["frames"] <= 2 + 3 + AT_ONCE
            taken = await desk.take(count)
    assert [number for _, number, _ in taken] == list(range(count))


async def test_a_venue_that_refuses_is_tried_until_it_does_not(
    venue: Venue, a_desk: ADesk, caplog: pytest.LogCaptureFixture
):
    desk = a_desk()
    venue.refusals = 5
    with caplog.at_level(logging.WARNING, "gaze.feed"):
        async with desk.listening():
            await joined(venue, desk)
            assert desk.listener.live
    reasons = [record.__dict__["reason"] for record in caplog.records]
    assert reasons == ["server rejected WebSocket connection: HTTP 503"] * 5
    assert desk.told.counts["reconnected"] == 0
    assert desk.told.up == [True, False]


@pytest.mark.parametrize(("healthy_s", "pauses_s"), [(60.0, [0.001, 0.002, 0.004, 0.004]), (0.0, [0.001] * 4)])
async def test_each_failure_in_a_row_doubles_the_pause_and_a_healthy_time_ends_the_row(
    venue: Venue, a_desk: ADesk, caplog: pytest.LogCaptureFixture, healthy_s: float, pauses_s: list[float]
):
    backoff = Backoff(first_s=0.001, last_s=0.004, chance=lambda: 0.0)
    desk = a_desk(backoff=backoff, healthy_s=healthy_s)
    venue.turn_to(10.5)
    with caplog.at_level(logging.WARNING, "gaze.feed"):
        async with desk.listening():
            for _ in range(4):
                link = await venue.next_link()
                link.cut()
            await venue.next_link()
    assert [record.__dict__["pause_s"] for record in caplog.records] == pauses_s


async def test_a_limit_on_history_is_waited_for(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    venue.answers.append(web.Response(status=429, headers={"Retry-After": "1"}))
    async with desk.listening():
        await joined(venue, desk)
        assert desk.listener.live
    assert desk.told.counts["backfilled"] == 4


async def test_frames_that_are_none_are_counted_sampled_and_passed_over(
    venue: Venue, a_desk: ADesk, caplog: pytest.LogCaptureFixture
):
    desk = a_desk()
    with caplog.at_level(logging.WARNING, "gaze.feed"):
        async with desk.listening():
            link = await joined(venue, desk)
            for frame in ("", "{", "[]", "\x00", '{"data":{"e":"kline"}}', '{"code":1,"msg":"no"}'):
                await link.send(frame)
            await link.tell(venue.bar(BTC, 10))
            assert await desk.take(1) == [(BTC, 10, "live")]
    assert desk.told.counts["refused"] == 6
    assert desk.told.counts["reconnected"] == 0
    assert [record.message for record in caplog.records] == ["frame refused"] * 5


@pytest.mark.parametrize("unconfirmed", [False, True])
async def test_a_bar_told_in_another_unit_of_time_closes_none_and_keeps_none_from_being_missed(
    venue: Venue, a_desk: ADesk, *, unconfirmed: bool
):
    desk = a_desk(**({"grace_s": 5.0} if unconfirmed else {}))
    async with desk.listening():
        link = await joined(venue, desk)
        await link.tell(replace(venue.bar(BTC, 10, closed=not unconfirmed), opened_at_ms=venue.now_ms * 1_000))
        await desk.told.until("refused", 1)
        for volume in (6.0, 7.0):
            await link.tell(venue.bar(BTC, 10, closed=False, volume=volume))
        await link.tell(venue.bar("MARK", 11))
        assert await desk.take(1) == [("MARK", 11, "live")]
        # Its close does not come, and history is asked for it.
        venue.keep_hours(BTC, range(11))
        venue.turn_to(11, seconds=16)
        assert [number for _, number, _ in await desk.take(1)] == [10]


async def test_a_connection_of_nothing_but_garbage_is_given_up(
    venue: Venue, a_desk: ADesk, caplog: pytest.LogCaptureFixture
):
    desk = a_desk()
    async with desk.listening():
        link = await joined(venue, desk)
        with caplog.at_level(logging.WARNING, "gaze.feed"):
            for _ in range(49):
                await link.send("{")
            await link.tell(venue.bar(BTC, 10, closed=False))
            for _ in range(50):
                await link.send("{")
            await venue.next_link()
    assert desk.told.counts["refused"] == 99
    assert caplog.records[-1].__dict__["reason"] == "binance: 50 frames in a row were refused"


async def test_a_frame_beyond_all_measure_costs_the_connection_and_no_bar(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    async with desk.listening():
        link = await joined(venue, desk)
        await link.send(" " * (1024 * 1024 + 1))
        link = await venue.next_link()
        await link.tell(venue.bar(BTC, 10))
        assert await desk.take(1) == [(BTC, 10, "live")]


async def test_ending_leaves_nothing_behind(venue: Venue, a_desk: ADesk):
    before = asyncio.all_tasks()
    desk = a_desk(BTC, ETH)
    venue.turn_to(10.5)
    venue.history_open.clear()
    async with desk.listening():
        link = await venue.next_link()
        await venue.next_question()
        ours = {task for task in asyncio.all_tasks() - before if task.get_name().startswith(("socket:", "chase:"))}
        assert len(ours) == 2
    await link.lost()
    assert all(task.done() for task in ours)
    assert not desk.listener.live
    assert desk.told.up[-1] is False


@pytest.mark.parametrize("turns", range(12))
async def test_ending_in_the_instant_the_socket_breaks_is_an_end(venue: Venue, a_desk: ADesk, turns: int):
    desk = a_desk()
    async with desk.listening():
        link = await joined(venue, desk)
        link.cut()
        for _ in range(turns):
            await asyncio.sleep(0)


async def test_ending_does_not_wait_for_a_venue_that_is_stuck(venue: Venue, a_desk: ADesk):
    desk = a_desk()
    async with desk.listening():
        link = await joined(venue, desk)
        link._connection.transport.pause_reading()
        clock = asyncio.get_running_loop().time
        ended_at_s = clock()
    # Not the ten seconds for which a library would wait.
    assert clock() - ended_at_s < 9


async def test_ending_while_a_full_inbox_holds_the_reader_is_clean(venue: Venue, a_desk: ADesk):
    desk = a_desk(capacity=1)
    venue.turn_to(10.5)
    async with desk.listening():
        link = await venue.next_link()
        await link.tell(*(venue.bar("MARK", number) for number in range(5)))
        await desk.told.until("frames", 2)
    assert desk.waiting == 1


async def test_only_the_symbols_of_the_lost_socket_wait_for_history(venue: Venue, a_desk: ADesk):
    class OneSymbolASocket(Binance):
        def sockets(self, symbols: Any, interval: Interval) -> list[Socket]:
            return [one for symbol in symbols for one in super(OneSymbolASocket, self).sockets([symbol], interval)]

    desk = a_desk(BTC, ETH, __class__=OneSymbolASocket)
    venue.turn_to(10.5)
    venue.keep_hours(BTC, range(10))
    venue.keep_hours(ETH, range(10))
    async with desk.listening():
        links = {link.symbols[0]: link for link in [await venue.next_link(), await venue.next_link()]}
        await desk.take(8)
        for symbol, link in links.items():
            await link.tell(venue.bar(symbol, 10, closed=False), venue.bar("MARK", 10))
            await desk.take(1)
        assert desk.told.up == [True]
        assert desk.listener.live
        # Were BTC to wait for history too, which has bar 10 by now, it would wait here.
        venue.history_open.clear()
        venue.turn_to(11, seconds=6)
        links[ETH].cut()
        again = await venue.next_link()
        assert again.symbols == (ETH,)
        assert not desk.listener.live
        await again.tell(venue.bar(ETH, 11))
        await links[BTC].tell(venue.bar(BTC, 11))
        assert await desk.take(1) == [(BTC, 11, "live")]
        venue.keep(venue.bar(ETH, 10))
        venue.turn_to(11.5)
        venue.history_open.set()
        await again.tell(venue.bar(ETH, 12))
        taken = await desk.take(2)
    assert taken in (
        [(ETH, 10, "backfilled"), (ETH, 11, "live")],
        [(ETH, 11, "live"), (ETH, 12, "live")],
    )


async def test_a_venue_with_a_heartbeat_of_its_own_gets_it(venue: Venue, a_desk: ADesk):
    desk = a_desk(heartbeat=(0.01, '{"op":"ping"}'))
    async with desk.listening():
        link = await joined(venue, desk)
        async with asyncio.timeout(100):
            assert [await link.said.get() for _ in range(3)] == ['{"op":"ping"}'] * 3


async def test_every_request_of_a_socket_is_sent(venue: Venue, a_desk: ADesk):
    symbols = [f"LONGSYMBOLNUMBER{number}USDT" for number in range(250)]
    desk = a_desk(*symbols)
    venue.turn_to(10.5)
    async with desk.listening():
        link = await venue.next_link()
        async with asyncio.timeout(100):
            rest = [msgspec.json.decode(await link.said.get()) for _ in range(2)]
    carried = [*link.symbols, *(name.split("@")[0].upper() for request in rest for name in request["params"])]
    assert carried == symbols
