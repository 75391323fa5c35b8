import asyncio
from email.utils import formatdate

import pytest
from aiohttp import ClientSession, web
from venues import AT_ONCE, HOUR, Venue

from core.bars import Bar
from core.errors import FeedError
from daemon.feeds.binance import Binance, spot
from daemon.listening.history import History, RefusedError
from daemon.listening.rest import Answer, Rest
from daemon.ports import Request

ALL = (0, 1 << 60)


async def fetched(history: History, venue: Venue, first: float, last: float) -> list[Bar]:
    from_ms, to_ms = (venue.bar("", 0).opened_at_ms + int(number * HOUR.ms) for number in (first, last))
    return await history.bars("BTCUSDT", HOUR, from_ms, to_ms)


async def test_history_is_fetched_in_pages_and_none_is_missing(venue: Venue, feed: Binance, history: History):
    venue.turn_to(100)
    venue.keep_hours("BTCUSDT", range(-5, 100))
    feed.history_limit = 10
    bars = await fetched(history, venue, 0, 64)
    assert bars == [venue.bar("BTCUSDT", number) for number in range(64)]
    assert venue.asked.qsize() == 7


async def test_what_the_venue_does_not_have_is_left_out(venue: Venue, feed: Binance, history: History):
    venue.turn_to(100)
    venue.keep_hours("BTCUSDT", range(25, 27))
    feed.history_limit = 10
    assert len(await fetched(history, venue, 0, 64)) == 2


async def test_nothing_is_asked_for_an_empty_span(venue: Venue, history: History):
    venue.turn_to(100)
    assert await fetched(history, venue, 100, 100) == []
    assert await fetched(history, venue, 100, 200) == []
    assert venue.asked.empty()


async def test_a_bar_counts_as_closed_when_it_has_settled_by_the_venues_clock(venue: Venue, history: History):
    venue.keep_hours("BTCUSDT", range(20))
    venue.turn_to(10, seconds=4.9)
    assert len(await fetched(history, venue, 0, 20)) == 9
    venue.turn_to(10, seconds=5)
    assert len(await fetched(history, venue, 0, 20)) == 10


async def test_the_venues_clock_goes_on_between_two_looks_and_is_never_ahead(venue: Venue, history: History):
    assert history.venue_now_ms() is None
    assert await history.venue_time_ms() == venue.now_ms
    venue.now_ms += 1_500
    assert history.venue_now_ms() == venue.now_ms
    assert venue.clock_asked == 1


async def test_the_clock_is_not_asked_when_the_span_is_known_to_have_closed(venue: Venue, history: History):
    venue.turn_to(100)
    await history.venue_time_ms()
    await fetched(history, venue, 0, 50)
    assert venue.clock_asked == 1


async def test_a_limit_holds_for_every_request_and_is_waited_for(venue: Venue, feed: Binance, rest: Rest):
    history = History(feed, rest, spacing_s=0, tries=1)
    venue.turn_to(100)
    venue.keep_hours("BTCUSDT", range(100))
    await history.venue_time_ms()
    venue.answers.append(web.Response(status=429, headers={"Retry-After": "1"}))
    clock = asyncio.get_running_loop().time
    began_s = clock()
    with pytest.raises(FeedError, match="found status 429"):
        await fetched(history, venue, 0, 10)
    assert len(await fetched(history, venue, 20, 30)) == 10
    assert clock() - began_s >= 1.0


async def test_a_date_to_retry_at_is_taken_against_the_answers_own_date(venue: Venue, history: History):
    venue.turn_to(100)
    venue.answers.append(
        web.Response(status=418, headers={"Date": formatdate(1_000_000_000), "Retry-After": formatdate(1_000_000_400)})
    )
    with pytest.raises(FeedError, match=r"wants no request for (400|399) s; try: fewer symbols"):
        await fetched(history, venue, 0, 10)


async def test_a_long_ban_is_an_error_at_once_and_the_venue_is_left_alone(venue: Venue, history: History):
    venue.turn_to(100)
    venue.answers.append(web.Response(status=418, headers={"Retry-After": "999999999999"}))
    for _ in range(3):
        with pytest.raises(FeedError, match="wants no request for 259"):
            await fetched(history, venue, 0, 10)
    assert venue.asked.qsize() == 1


@pytest.mark.parametrize("told", ["soon", "-5", "nan", "inf", ""])
async def test_a_retry_after_of_nonsense_is_no_wait(venue: Venue, history: History, told: str):
    venue.turn_to(100)
    venue.keep_hours("BTCUSDT", range(100))
    venue.answers.append(web.Response(status=429, headers={"Retry-After": told}))
    assert len(await fetched(history, venue, 0, 10)) == 10


@pytest.mark.parametrize("status", [500, 502, 503, 403, 302])
async def test_a_failure_is_tried_again(venue: Venue, history: History, status: int):
    venue.turn_to(100)
    venue.keep_hours("BTCUSDT", range(100))
    venue.answers.extend(web.Response(status=status) for _ in range(5))
    assert len(await fetched(history, venue, 0, 10)) == 10


async def test_a_redirection_is_not_followed(venue: Venue, history: History):
    venue.turn_to(100)
    await history.venue_time_ms()
    venue.answers.extend(web.Response(status=302, headers={"Location": "/api/v3/time"}) for _ in range(6))
    with pytest.raises(FeedError, match="found status 302"):
        await fetched(history, venue, 0, 10)
    assert venue.clock_asked == 1


async def test_an_answer_that_is_no_history_is_tried_again(venue: Venue, history: History):
    venue.turn_to(100)
    venue.keep_hours("BTCUSDT", range(100))
    venue.answers.append(web.Response(text="<html>sorry</html>"))
    assert len(await fetched(history, venue, 0, 10)) == 10


async def test_after_the_last_try_the_error_says_what_was_found_and_what_to_try(venue: Venue, history: History):
    venue.turn_to(100)
    venue.answers.extend(web.Response(status=502, text="Bad Gateway") for _ in range(6))
    with pytest.raises(FeedError, match="found status 502: 'Bad Gateway', 6 times; try: the network"):
        await fetched(history, venue, 0, 10)


async def test_a_refusal_is_not_tried_again(venue: Venue, history: History):
    venue.turn_to(100)
    venue.answers.append(web.Response(status=400, text='{"code":-1121,"msg":"Invalid symbol."}'))
    with pytest.raises(RefusedError, match=r"Invalid symbol.*try: whether the venue lists this symbol"):
        await fetched(history, venue, 0, 10)
    assert venue.asked.qsize() == 1


async def test_nobody_at_the_address_is_said_with_the_address(rest: Rest):
    history = History(spot("ws://127.0.0.1:1", "http://127.0.0.1:1"), rest, backoff=AT_ONCE, spacing_s=0)
    with pytest.raises(FeedError, match=r"expected history from 127\.0\.0\.1:1, found .*Cannot connect"):
        await history.venue_time_ms()


async def test_a_password_in_the_address_is_not_said(rest: Rest):
    history = History(spot("ws://127.0.0.1:1", "http://me:hidden@127.0.0.1:1"), rest, backoff=AT_ONCE, spacing_s=0)
    with pytest.raises(FeedError, match=r"expected history from 127\.0\.0\.1:1, found") as found:
        await history.venue_time_ms()
    assert "hidden" not in str(found.value)


async def test_a_venue_that_does_not_answer_is_given_up(venue: Venue, feed: Binance, session: ClientSession):
    history = History(feed, Rest(session, timeout_s=0.05), backoff=AT_ONCE, spacing_s=0, tries=2)
    venue.turn_to(100)
    venue.history_open.clear()
    with pytest.raises(FeedError, match=r"found no answer in 0\.05 s, 2 times"):
        await fetched(history, venue, 0, 10)


async def test_a_body_beyond_the_limit_is_not_read(venue: Venue, feed: Binance, session: ClientSession):
    history = History(feed, Rest(session, body_limit=1_000), backoff=AT_ONCE, spacing_s=0, tries=2)
    venue.turn_to(100)
    venue.answers.extend(web.Response(body=b"[" + b" " * 100_000 + b"]") for _ in range(2))
    with pytest.raises(FeedError, match="a body of more than 1000 bytes"):
        await fetched(history, venue, 0, 10)


async def test_bars_of_another_time_than_asked_are_not_taken(venue: Venue, history: History):
    venue.turn_to(100)
    bars = [venue.bar("BTCUSDT", number) for number in (30, 3, 2)]
    rows = [[bar.opened_at_ms, *map(repr, bar.row), bar.opened_at_ms + HOUR.ms - 1] for bar in bars]
    venue.answers.append(web.json_response(rows))
    assert await fetched(history, venue, 0, 10) == [bars[2], bars[1]]


async def test_no_more_requests_are_under_way_than_allowed(venue: Venue, feed: Binance, rest: Rest):
    history = History(feed, rest, backoff=AT_ONCE, spacing_s=0, concurrency=2)
    venue.turn_to(100)
    await history.venue_time_ms()
    venue.history_open.clear()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(5):
            tasks.create_task(fetched(history, venue, 0, 10))
        for _ in range(2):
            await venue.next_question()
        assert history._slots.locked()
        assert venue.asked.empty()
        venue.history_open.set()


async def test_requests_keep_their_distance(feed: Binance, rest: Rest):
    history = History(feed, rest, spacing_s=0.02)
    clock = asyncio.get_running_loop().time
    began_s = clock()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(history.venue_time_ms())
    assert clock() - began_s >= 0.06


def quiet_hours(venue: Venue) -> Bar:
    """Have sixty hours in history that open where the last one closed; returns the thirtieth as it stood earlier."""
    for number in range(60):
        told = venue.bar("BTCUSDT", number, volume=100.0)
        venue.keep(Bar(told.symbol, told.opened_at_ms, 100.0, 101.0, 99.0, 100.0, told.volume))
    return Bar("BTCUSDT", venue.bar("BTCUSDT", 30).opened_at_ms, 100.0, 104.0, 99.0, 104.0, 5.0)


async def test_a_bar_that_looks_unclosed_is_asked_for_again_and_its_second_word_counts(venue: Venue, feed: Binance):
    cut, right = quiet_hours(venue), venue.history["BTCUSDT"].copy()
    venue.turn_to(100)
    venue.keep(cut)
    doubted: list[Bar] = []
    answered = asyncio.Event()

    class Settling(Rest):
        """After the first answer about bars the venue has the bar as it closed."""

        async def ask(self, request: Request) -> Answer:
            answer = await super().ask(request)
            if "klines" in request.url and not answered.is_set():
                answered.set()
                venue.history["BTCUSDT"] = right
            return answer

    async with ClientSession() as session:
        history = History(feed, Settling(session), spacing_s=0, clock_age_s=0, doubted=doubted.extend)
        bars = await fetched(history, venue, 0, 60)
    assert bars == list(right.values())
    assert not doubted
    first, second = venue.questions()
    assert (first["startTime"], second["startTime"]) == (str(bars[0].opened_at_ms), str(cut.opened_at_ms))


async def test_a_bar_that_looks_unclosed_twice_is_kept_and_told(venue: Venue, feed: Binance, rest: Rest):
    cut = quiet_hours(venue)
    venue.turn_to(100)
    venue.keep(cut)
    doubted: list[Bar] = []
    history = History(feed, rest, spacing_s=0, clock_age_s=0, doubted=doubted.extend)
    assert (await fetched(history, venue, 0, 60))[30] == cut
    assert doubted == [cut]
