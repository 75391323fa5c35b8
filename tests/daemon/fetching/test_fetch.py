"""Bars fetched from stand-ins of every venue, with interruptions, limits and bars that cannot be true."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from venues import HOUR, START_MS, Venue

from core import barfile
from core.barfile import BarFile
from core.bars import Bar
from core.errors import DataError, FeedError, UsageError
from daemon.exchange.clock import VenueClock
from daemon.exchange.dialects import dialect
from daemon.exchange.market import Market
from daemon.exchange.server import Exchange
from daemon.feeds import FEEDS, feed
from daemon.feeds.binance import Binance
from daemon.fetching.book import Book
from daemon.fetching.fetch import Fetch, Summary
from daemon.listening.history import History
from daemon.listening.rest import Rest

BTC, ETH = "BTCUSDT", "ETHUSDT"


def nobody(_count: int) -> None:
    """Nobody looks at the progress."""


@pytest.mark.parametrize("name", FEEDS)
async def test_what_is_fetched_equals_the_file_and_ends_before_the_bar_still_forming(
    name: str, span: Callable[[str], BarFile], tmp_path: Path
):
    bars = span(name)
    market = Market(bars)
    length = bars.interval.ms
    now_ms = market.first_ms + 150 * length + length // 2
    exchange = Exchange(market, dialect(name, market), VenueClock(now_ms))
    async with asyncio.timeout(100), exchange, aiohttp.ClientSession() as session:
        venue = feed(name, exchange.websocket_url, exchange.rest_url)
        venue.history_limit = 40
        book = Book(tmp_path / "bars.parquet", name, bars.interval)
        fetch = Fetch(venue, History(venue, Rest(session), spacing_s=0), bars.interval, book, nobody)
        wanted = await fetch.span(market.first_ms, 0, None)
        summary = await fetch.run(tuple(bars.symbols), wanted)
    assert wanted == (market.first_ms, market.first_ms + 150 * length)
    assert summary.refused == {}
    book.close()
    fetched = barfile.read(book.path)
    for symbol, part in bars.symbols.items():
        there = part.opened_at_ms < wanted[1]
        found = np.isin(fetched.symbols[symbol].opened_at_ms, part.opened_at_ms[there])
        assert np.array_equal(fetched.symbols[symbol].rows[found], part.rows[there])
        # Where a venue leaves out bars without trades, the one that SHIBUSDT lacks was built.
        assert (~found).sum() == (symbol == "SHIBUSDT" and name == "kraken")
    assert summary.filled == (name == "kraken")


def a_fetch(venue: Venue, feed: Binance, history: History, folder: Path) -> tuple[Book, Fetch]:
    venue.turn_to(100.5)
    feed.history_limit = 2
    book = Book(folder / "bars.parquet", feed.name, HOUR)
    return book, Fetch(feed, history, HOUR, book, nobody)


def hours(first: int, last: int) -> tuple[int, int]:
    return START_MS + first * HOUR.ms, START_MS + last * HOUR.ms


def kept(book: Book, symbol: str = BTC) -> list[int]:
    book.close()
    return [(int(at) - START_MS) // HOUR.ms for at in barfile.read(book.path, "1h").symbols[symbol].opened_at_ms]


async def test_a_fetch_that_was_stopped_goes_on_where_it_was(
    venue: Venue, feed: Binance, history: History, tmp_path: Path
):
    venue.keep_hours(BTC, range(100))
    book, fetch = a_fetch(venue, feed, history, tmp_path)
    stopped = asyncio.create_task(fetch.run([BTC], hours(0, 100)))
    for _ in range(30):
        await venue.next_question()
    stopped.cancel()
    with suppress(asyncio.CancelledError):
        await stopped
    asked = 30 + len(venue.questions())
    # A new process knows only what is on disk.
    book, fetch = a_fetch(venue, feed, history, tmp_path)
    left = fetch.left([BTC], hours(0, 100))
    assert 100 - 2 * asked <= left <= 100 - 2 * (asked - 2)
    summary = await fetch.run([BTC], hours(0, 100))
    assert summary.bars == left
    assert kept(book) == list(range(100))
    assert not book.path.with_name(".bars.parquet.fetching").exists()


async def test_a_fetch_that_was_killed_lost_only_the_part_it_had_begun(
    venue: Venue, feed: Binance, history: History, tmp_path: Path
):
    venue.keep_hours(BTC, range(100))
    book, fetch = a_fetch(venue, feed, history, tmp_path)
    await fetch.run([BTC], hours(0, 100))
    parts = sorted((tmp_path / ".bars.parquet.fetching").glob("*.parquet"))
    assert len(parts) == 2
    parts[-1].unlink()
    book, fetch = a_fetch(venue, feed, history, tmp_path)
    assert fetch.left([BTC], hours(0, 100)) == 50
    assert (await fetch.run([BTC], hours(0, 100))).bars == 50
    assert kept(book) == list(range(100))


async def test_a_file_that_is_there_is_extended_to_both_sides_and_by_another_symbol(
    venue: Venue, feed: Binance, history: History, tmp_path: Path
):
    for symbol in (BTC, ETH):
        venue.keep_hours(symbol, range(100))
    book, fetch = a_fetch(venue, feed, history, tmp_path)
    await fetch.run([BTC], hours(40, 60))
    book.close()
    venue.questions()
    book, fetch = a_fetch(venue, feed, history, tmp_path)
    summary = await fetch.run([BTC, ETH], hours(30, 70))
    assert summary.bars == 20 + 40
    assert len(venue.questions()) == 10 + 20
    assert kept(book) == kept(book, ETH) == list(range(30, 70))


async def test_a_time_in_which_the_venue_had_no_bars_is_not_asked_for_again(
    venue: Venue, feed: Binance, history: History, tmp_path: Path
):
    venue.keep_hours(BTC, range(90, 100))
    book, fetch = a_fetch(venue, feed, history, tmp_path)
    await fetch.run([BTC], hours(0, 100))
    book.close()
    book, fetch = a_fetch(venue, feed, history, tmp_path)
    assert fetch.left([BTC], hours(0, 100)) == 0
    assert kept(book) == list(range(90, 100))


async def test_a_bar_that_the_venues_history_tells_late_is_asked_for_again(
    venue: Venue, feed: Binance, history: History, tmp_path: Path
):
    book, fetch = a_fetch(venue, feed, history, tmp_path)
    venue.keep_hours(BTC, range(96, 99))
    venue.turn_to(100, seconds=6)
    await fetch.run([BTC], await fetch.span(hours(96, 0)[0], 0, None))
    assert kept(book) == [96, 97, 98]
    venue.keep_hours(BTC, range(96, 101))
    venue.turn_to(101, seconds=6)
    book = Book(book.path, feed.name, HOUR)
    await Fetch(feed, history, HOUR, book, nobody).run([BTC], await fetch.span(hours(96, 0)[0], 0, None))
    assert kept(book) == [96, 97, 98, 99, 100]
    assert book.covered(BTC) == [hours(96, 101)]


async def test_a_symbol_the_venue_refuses_does_not_keep_the_others(
    venue: Venue, feed: Binance, history: History, tmp_path: Path
):
    venue.keep_hours(ETH, range(100))
    venue.answers.append(web.Response(status=400, text='{"code":-1121,"msg":"Invalid symbol."}'))
    venue.answers.append(web.Response(status=400, text='{"code":-1121,"msg":"Invalid symbol."}'))
    _, fetch = a_fetch(venue, feed, history, tmp_path)
    summary = await fetch.run(["NOPE"], hours(0, 10))
    venue.answers.clear()
    assert "Invalid symbol" in summary.refused["NOPE"]
    assert (await fetch.run([ETH], hours(0, 10))).bars == 10


async def test_a_venue_that_cannot_be_had_ends_it_and_what_was_had_is_kept(
    venue: Venue, feed: Binance, history: History, tmp_path: Path
):
    venue.keep_hours(BTC, range(100))
    book, fetch = a_fetch(venue, feed, history, tmp_path)
    await fetch.run([BTC], hours(0, 10))
    venue.failing.add(BTC)
    with pytest.raises(ExceptionGroup) as found:
        await fetch.run([BTC], hours(0, 20))
    assert isinstance(found.value.exceptions[0], FeedError)
    assert kept(book) == list(range(10))


async def test_bars_that_cannot_be_true_are_left_out_and_counted(
    venue: Venue, feed: Binance, history: History, tmp_path: Path
):
    venue.keep_hours(BTC, range(100))
    venue.keep(Bar(BTC, START_MS + 3 * HOUR.ms, 100.0, 90.0, 50.0, 101.0, 5.0))
    book, fetch = a_fetch(venue, feed, history, tmp_path)
    summary = await fetch.run([BTC], hours(0, 5))
    assert summary == Summary(bars=4, requests=3, filled=0, absurd=1, refused={})
    assert kept(book) == [0, 1, 2, 4]


async def test_times_are_the_venues_and_only_what_it_still_tells_is_promised(
    venue: Venue, feed: Binance, history: History, tmp_path: Path
):
    _, fetch = a_fetch(venue, feed, history, tmp_path)
    assert await fetch.span(None, 10 * HOUR.ms, None) == hours(90, 100)
    assert await fetch.span(None, 10 * HOUR.ms, START_MS + 95 * HOUR.ms) == hours(90, 95)
    with pytest.raises(DataError, match="an earlier --since"):
        await fetch.span(START_MS + 200 * HOUR.ms, 0, None)
    feed.history_reach = 5
    with pytest.raises(DataError, match=r"tells only the last 5 bars of 1h, 0.2083 days; try: a later --since"):
        await fetch.span(None, 10 * HOUR.ms, None)


def test_a_file_of_another_venue_or_interval_or_none_that_was_fetched_is_left_alone(tmp_path: Path):
    path = tmp_path / "bars.parquet"
    book = Book(path, "binance", HOUR)
    book.add(BTC, [Bar(BTC, START_MS, 1.0, 1.0, 1.0, 1.0, 1.0)], hours(0, 1))
    book.close()
    with pytest.raises(UsageError, match=r"holds 1h bars of binance, asked for are 1h of okx; try: another --out"):
        Book(path, "okx", HOUR)
    path.write_text("no parquet")
    with pytest.raises(DataError, match="is not Parquet"):
        Book(path, "binance", HOUR)


async def test_bars_that_look_unclosed_are_kept_and_named(venue: Venue, feed: Binance, rest: Rest, tmp_path: Path):
    for number in range(60):
        told = venue.bar(BTC, number)
        cut = number == 30
        close, volume = (104.0, 5.0) if cut else (100.0, 100.0)
        venue.keep(Bar(BTC, told.opened_at_ms, 100.0, max(101.0, close), 99.0, close, volume))
    venue.turn_to(100)
    doubts: list[Bar] = []
    history = History(feed, rest, spacing_s=0, clock_age_s=0, doubted=doubts.extend)
    book = Book(tmp_path / "bars.parquet", feed.name, HOUR)
    summary = await Fetch(feed, history, HOUR, book, nobody, doubts).run([BTC], hours(0, 60))
    assert [(one.symbol, one.opened_at_ms) for one in summary.unclosed] == [(BTC, START_MS + 30 * HOUR.ms)]
    assert kept(book) == list(range(60))
