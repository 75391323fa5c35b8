"""Every feed at a venue that breaks off, repeats, swaps and swallows: the last word on each bar is the file's."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from core.barfile import BarFile
from core.bars import Origin
from daemon.exchange.clock import VenueClock
from daemon.exchange.dialects import dialect
from daemon.exchange.faults import Faults
from daemon.exchange.market import Market
from daemon.exchange.server import Exchange
from daemon.feeds import FEEDS, feed
from daemon.inbox import Inbox
from daemon.listening.backoff import Backoff
from daemon.listening.fills import Fills
from daemon.listening.history import History
from daemon.listening.listener import Listener
from daemon.listening.seam import Seam
from daemon.listening.wire import wire

FAULTS = Faults(
    seed=3, drop=0.03, stall=0.01, half_frame=0.02, oversized=0.01, storm=0.2, wrong_certificate=0.1, repeat=0.1,
    reorder=0.1, silent_gap=0.1, revise=0.05, garbage=0.05, unclosed=0.5, limit=0.003, ban=0.001, skew=2.0,
)  # fmt: skip
CERTIFICATES = Path(__file__).resolve().parents[2] / "certificates"
AT_ONCE = Backoff(first_s=0.001, last_s=0.002)
Row = tuple[float, ...]


class Told:
    """What the listener tells of itself."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def feed_up(self, _venue: str, *, up: bool) -> None:
        self.counts["up" if up else "down"] += 1

    def frames(self, _venue: str, _received_at_ms: int, count: int = 1) -> None:
        self.counts["frames"] += count

    def refused(self, _venue: str) -> None:
        self.counts["refused"] += 1

    def reconnected(self, _venue: str) -> None:
        self.counts["reconnected"] += 1

    def disagreed(self, _venue: str) -> None:
        self.counts["disagreed"] += 1

    def backfilled(self, count: int) -> None:
        self.counts["backfilled"] += count


class Book:
    """The last word on each bar, and who asks for those that are missing."""

    def __init__(self, bars: BarFile) -> None:
        self.inbox = Inbox(100)
        self.rows: dict[tuple[str, int], Row] = {}
        self.origins: Counter[Origin] = Counter()
        self._interval = bars.interval
        self._newest_ms: dict[str, int] = {}

    def since(self, symbol: str) -> int | None:
        newest_ms = self._newest_ms.get(symbol)
        return None if newest_ms is None else newest_ms + self._interval.ms

    async def keep_until(self, expected: dict[tuple[str, int], Row], fills: Fills) -> None:
        """Until the last word on each of these bars is the expected one."""
        missing = set(expected)
        while missing:
            for arrival in await self.inbox.take(100):
                bar = arrival.bar
                place = (bar.symbol, bar.opened_at_ms)
                self.rows[place] = bar.row
                self.origins[arrival.origin] += 1
                (missing.discard if expected.get(place, bar.row) == bar.row else missing.add)(place)
                next_ms = self.since(bar.symbol)
                if next_ms is not None and bar.opened_at_ms > next_ms:
                    fills.request_fill(bar.symbol, next_ms, bar.opened_at_ms)
                self._newest_ms[bar.symbol] = max(bar.opened_at_ms, self._newest_ms.get(bar.symbol, 0))


class Desk:
    """A listener with all its parts at a stand-in that has skipped so many bars."""

    def __init__(self, name: str, bars: BarFile, skipped: int, faults: Faults) -> None:
        self.market = Market(bars, unclosed=faults.unclosed)
        start_ms = self.market.first_ms + skipped * bars.interval.ms
        self.exchange = Exchange(self.market, dialect(name, self.market), VenueClock(start_ms), faults, tls=tls())
        self.book, self.told = Book(bars), Told()
        self._name = name
        self._bars = bars

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Fills]:
        """Listen for as long as the block lasts; the market is told meanwhile, as fast as it is taken."""
        interval, clock = self._bars.interval, self.exchange.clock
        way = wire(ca_file=str(CERTIFICATES / "authority.pem"))
        async with asyncio.timeout(100), self.exchange, way.session() as session:
            venue = feed(self._name, self.exchange.websocket_url, self.exchange.rest_url)
            venue.silence_s = 1.0
            history = History(
                venue, session, spacing_s=0, backoff=AT_ONCE, clock_age_s=0, elapsed_s=lambda: clock.now_ms() / 1e3
            )
            # The leaping clock outruns history by days: all of it is asked for.
            seam = Seam(
                venue.name, interval, self.book.inbox, history, self.book.since, self.told,
                now=lambda: 1_234.5, warmup_bars=200, backoff=AT_ONCE, look_s=0.02,
            )  # fmt: skip
            fills = Fills(seam, history, interval, pauses_s=(0.0, 0.05))
            listener = Listener(
                venue, tuple(self._bars.symbols), interval, seam, fills, self.told,
                now=lambda: 1_234.5, backoff=AT_ONCE, hello_spacing_s=0.0, wire=way,
            )  # fmt: skip
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(listener.listen_forever())
                self.replaying = tasks.create_task(self.exchange.replay())
                yield fills
                listening.cancel()
                # It may be waiting for somebody to listen.
                self.replaying.cancel()


def tls() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATES / "localhost.pem")
    return context


def rows(bars: BarFile, places: slice) -> dict[tuple[str, int], Row]:
    return {
        (symbol, int(opened_at_ms)): tuple(row)
        for symbol, part in bars.symbols.items()
        for opened_at_ms, row in zip(part.opened_at_ms[places], part.rows[places].tolist(), strict=True)
    }


@pytest.mark.parametrize("name", FEEDS)
async def test_after_a_week_of_faults_the_last_word_on_each_bar_is_the_files(name: str, span: Callable[[str], BarFile]):
    bars = span(name)
    # Sockets live for 24 bars.
    faults = msgspec.structs.replace(FAULTS, life=24 * bars.interval.ms / 3_600_000)
    desk = Desk(name, bars, skipped=24, faults=faults)
    # The clock stops before the last bar has settled into history.
    expected = rows(bars, slice(None, -1))
    async with desk.listening() as fills:
        await desk.book.keep_until(expected, fills)
    assert desk.told.counts["refused"] > 2
    assert desk.told.counts["reconnected"] > 5
    assert desk.exchange.summary.dropped > 10
    built = set(desk.book.rows) - set(expected) - {(symbol, desk.market.last_ms) for symbol in bars.symbols}
    assert all(len(set(desk.book.rows[place][:4])) == 1 and desk.book.rows[place][4] == 0 for place in built)
    assert (desk.book.origins[Origin.FILLED] > 0) == (name == "kraken")


@pytest.mark.parametrize("name", ["kraken", "hyperliquid", "coinbase"])
async def test_the_last_bar_closes_by_the_venues_clock_though_no_other_opens(name: str, span: Callable[[str], BarFile]):
    bars = span(name)
    desk = Desk(name, bars, skipped=160, faults=Faults())
    async with desk.listening() as fills:
        await desk.replaying
        assert not [place for place in rows(bars, slice(-1, None)) if place in desk.book.rows]
        # Five seconds after its end; history is asked after ten.
        await desk.exchange.clock.reach(desk.market.last_ms + bars.interval.ms + 5_999)
        await desk.book.keep_until(rows(bars, slice(-1, None)), fills)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        "drop:0.1", "stall:0.05", "half-frame:0.1", "oversized:0.1", "storm:0.5", "wrong-certificate:0.5", "repeat:0.3",
        "reorder:0.3", "silent-gap:0.3", "revise:0.3", "garbage:0.5", "unclosed:1", "limit:0.02", "ban:0.01", "life:6",
        "skew:4", "skew:-60",
    ],
)  # fmt: skip
async def test_each_fault_alone_costs_no_bar(fault: str, span: Callable[[str], BarFile]):
    bars = span("binance")
    desk = Desk("binance", bars, skipped=132, faults=Faults.parse([fault], seed=5))
    expected = rows(bars, slice(-36, -1))
    async with desk.listening() as fills:
        await desk.book.keep_until(expected, fills)
    assert {place: desk.book.rows[place] for place in expected} == expected
