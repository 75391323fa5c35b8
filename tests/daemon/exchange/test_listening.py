"""The listener at a venue that breaks off, repeats, swaps and swallows: in the end every bar of the file is there."""

import asyncio
from collections import Counter

import aiohttp
import numpy as np
from venues import AT_ONCE, Told

from core.barfile import BarFile
from core.bars import Arrival
from core.windows import STORED, Fate, Windows
from daemon.exchange.clock import VenueClock
from daemon.exchange.dialects import dialect
from daemon.exchange.faults import Faults
from daemon.exchange.market import Market
from daemon.exchange.server import Exchange
from daemon.feeds import feed
from daemon.inbox import Inbox
from daemon.listening.fills import Fills
from daemon.listening.history import History
from daemon.listening.listener import Listener
from daemon.listening.rest import Rest
from daemon.listening.seam import Seam
from daemon.predicting.held import Held

HOURS = 168
WARMUP = 24
FAULTS = Faults(seed=3, drop=0.1, repeat=0.1, reorder=0.1, silent_gap=0.1)


class Keeper:
    """Keeps bars as the predictor does, and predicts nothing."""

    def __init__(self, week: BarFile) -> None:
        self.inbox = Inbox(100)
        self.windows = Windows(week.interval, tuple(week.symbols), HOURS + 8)
        self.fates: Counter[Fate] = Counter()
        self._held = Held(wait_s=0.5)

    def since(self, symbol: str) -> int | None:
        return self.windows.wanted_from(symbol, HOURS)

    async def keep(self, bars: int, fills: Fills) -> None:
        """Until so many bars are kept."""
        clock = asyncio.get_running_loop().time
        while sum(self.fates[fate] for fate in STORED - {Fate.REVISED}) + self.fates[Fate.EARLY] < bars:
            try:
                async with asyncio.timeout(self._held.next_due_s(clock())):
                    arrivals = await self.inbox.take(100)
            except TimeoutError:
                arrivals = []
            broken = self._held.overdue(clock())
            for arrival in self._held.release(broken) + arrivals:
                self._place(arrival, fills, may_wait=arrival.bar.symbol not in broken)
            for arrival in self._held.release([one for one in self._held.symbols() if self._follows(one)]):
                self._place(arrival, fills, may_wait=True)

    def _place(self, arrival: Arrival, fills: Fills, *, may_wait: bool) -> None:
        bar = arrival.bar
        fate = self.windows.judge(bar)
        if fate is Fate.EARLY and may_wait:
            self._held.hold([arrival], asyncio.get_running_loop().time())
            fills.request_fill(bar.symbol, self.since(bar.symbol) or 0, bar.opened_at_ms)
            return
        self.fates[fate] += 1
        if fate in STORED or fate is Fate.EARLY:
            self.windows.put(bar)

    def _follows(self, symbol: str) -> bool:
        """Whether what this symbol waited for has come."""
        return (self._held.first_ms(symbol) or 0) <= (self.since(symbol) or 0)


async def test_after_a_week_of_faults_the_windows_equal_the_file(week: BarFile):
    keeper = Keeper(week)
    market = Market(week)
    start_ms = market.first_ms + WARMUP * week.interval.ms
    exchange = Exchange(market, dialect("binance", market), VenueClock(start_ms), FAULTS)
    async with asyncio.timeout(100), exchange, aiohttp.ClientSession() as session:
        venue = feed("binance", exchange.websocket_url, exchange.rest_url)
        history = History(
            venue,
            Rest(session),
            spacing_s=0,
            backoff=AT_ONCE,
            clock_age_s=0,
            elapsed_s=lambda: exchange.clock.now_ms() / 1e3,
        )
        told = Told()
        seam = Seam(
            venue.name, week.interval, keeper.inbox, history, keeper.since, told,
            now=lambda: 1_234.5, warmup_bars=WARMUP, backoff=AT_ONCE, look_s=0.05,
        )  # fmt: skip
        fills = Fills(seam, history, week.interval, pauses_s=(0.0, 0.05))
        listener = Listener(
            venue, tuple(week.symbols), week.interval, seam, fills, told,
            now=lambda: 1_234.5, backoff=AT_ONCE, hello_spacing_s=0.0,
        )  # fmt: skip
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(listener.listen_forever())
            replaying = tasks.create_task(exchange.replay())
            await keeper.keep(sum(len(bars.opened_at_ms) for bars in week.symbols.values()), fills)
            listening.cancel()
            replaying.cancel()
    for symbol, bars in week.symbols.items():
        position = keeper.windows.index[symbol]
        slots = [keeper.windows.slot(int(opened_at_ms)) for opened_at_ms in bars.opened_at_ms]
        assert np.array_equal(keeper.windows.opened_at_ms_SC[position, slots], bars.opened_at_ms)
        assert np.array_equal(keeper.windows.rows_SC5[position, slots], bars.rows)
    assert keeper.fates[Fate.REVISED] == keeper.fates[Fate.INCONSISTENT] == 0
    assert told.counts["reconnected"] == exchange.summary.dropped > 5
    assert told.counts["refused"] == 0
