"""Where a venue's history and its live frames meet, symbol by symbol, with no bar missing between them.

What came before a subscription took effect can only come from history; what closes after it comes live. Nobody says
when that instant was, so three rules together leave no hole, however frames and answers interleave:

1. From the moment a socket opens, live closed bars of its symbols are held. They are passed on behind the history of
   their symbol, or at once when a frame shows the very bar that is wanted next: then nothing was missed.
2. History is taken up to the last bar that has closed and settled by the venue's own clock, and asked again until that
   bar is in. A bar younger than that may be in neither: its close was sent before the subscription took effect.
3. So whatever has not come some seconds after its end, for this or any other reason, is asked of history. So is what
   the listener closed without the venue's word: until history confirms it, it counts as not come.

A bar that closed before may have been revised meanwhile: history is asked from the last one that is known.

Repeats are harmless: the windows know them. What is still missing shows when a later bar comes, and is asked for by
whoever misses it (daemon/listening/fills.py).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Protocol

from core.bars import Arrival, Bar, Interval, Origin
from core.errors import FeedError
from daemon.inbox import Inbox
from daemon.listening.backoff import Backoff
from daemon.listening.guesses import Guesses
from daemon.listening.history import History, RefusedError
from daemon.listening.untraded import Untraded

log = logging.getLogger("gaze.feed")

_HELD_BARS: Final = 64
"""Live bars held for one symbol: older ones have long settled into history."""


class Watcher(Protocol):
    """What is told of bars from history."""

    def backfilled(self, count: int) -> None:
        """So many bars came from history."""


class Seam:
    """Joins history and live bars of one venue, and puts them into the inbox.

    `since`: the opening time of the first bar the predictor misses, None for a symbol it knows nothing of, which then
    gets `warmup_bars`. `now`: the wall clock in Unix seconds. `overdue_s`: a bar that has not come so long after its
    end is asked of history; `look_s`: at the latest so often it is looked for such bars. `live`: what sockets bring.
    """

    def __init__(
        self,
        venue: str,
        interval: Interval,
        inbox: Inbox,
        history: History,
        since: Callable[[str], int | None],
        watcher: Watcher,
        *,
        now: Callable[[], float],
        warmup_bars: int,
        workers: int = 8,
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
        overdue_s: float = 10.0,
        look_s: float = 30.0,
        repeat: Backoff = Backoff(first_s=10.0, last_s=600.0),  # noqa: B008 - frozen
        live: Origin = Origin.LIVE,
    ) -> None:
        self._venue = venue
        self._interval = interval
        self._inbox = inbox
        self._history = history
        self._since = since
        self._watcher = watcher
        self._now = now
        self._warmup_bars = warmup_bars
        self._workers = workers
        self._backoff = backoff
        # History shows a bar once it has settled: asking before is in vain.
        self._overdue_ms = max(int(overdue_s * 1_000), history.settle_ms)
        self._look_s = look_s
        self._repeat = repeat
        self._live = live
        self._symbols: set[str] = set()
        self._held: dict[str, deque[Arrival]] = {}
        self._next_ms: dict[str, int] = {}
        self._before_ms: dict[str, int] = {}
        """The last bar before the newest socket: what the venue said of it since may have been missed."""
        self._newest: dict[str, Bar] = {}
        """The last bar of each symbol as it was passed on."""
        self._asked: dict[str, tuple[int, int]] = {}
        self._guesses = Guesses(_HELD_BARS)

    @property
    def joined(self) -> bool:
        """Whether every symbol is past its history, so that its bars go straight through."""
        return not self._held

    def part(self, symbols: Iterable[str]) -> None:
        """A socket with these symbols has just opened: something may have been missed."""
        for symbol in symbols:
            self._symbols.add(symbol)
            self._held.setdefault(symbol, deque(maxlen=_HELD_BARS))
            since_ms = self._wanted_ms(symbol)
            if since_ms is not None:
                self._next_ms.setdefault(symbol, since_ms)
                self._before_ms[symbol] = self._interval.after(since_ms, -1)

    async def receive(self, bars: Sequence[Bar]) -> None:
        """Take bars off a socket."""
        closed = [bar for bar in bars if bar.closed]
        self._inbox.drop_open(len(bars) - len(closed))
        if self._held:
            await self._pass_on(self._unheld(bars))
        elif closed:
            venue, at_ms, live = self._venue, self._now_ms(), self._live
            await self._pass_on([Arrival(bar, venue, at_ms, live) for bar in closed])

    def _unheld(self, bars: Sequence[Bar]) -> list[Arrival]:
        """What is to be passed on now that these bars came; closed ones that wait for their history are held."""
        unheld: list[Arrival] = []
        for bar in bars:
            if bar.opened_at_ms == self._next_ms.get(bar.symbol):
                unheld += self._held.pop(bar.symbol, ())
            if bar.closed:
                arrival = Arrival(bar, self._venue, self._now_ms(), self._live)
                self._held.get(bar.symbol, unheld).append(arrival)
        return unheld

    async def join(self, symbols: Sequence[str]) -> None:
        """Pass on the history of these symbols, then what is held of them."""
        await self._share(symbols, self._join)

    async def backfill(self, bars: Sequence[Bar]) -> None:
        """Pass on bars from history that someone else asked for, except those that confirm what is known."""
        # Guesses before them are still to be confirmed.
        await self._backfill(bars, count=not self._history.confirms)

    async def chase_forever(self) -> None:
        """Ask history for what the sockets should have brought by now. Ends only by cancellation."""
        while True:
            await asyncio.sleep(self._until_look_s())
            try:
                await self._history.closed_until_ms(self._interval)
            except FeedError as error:
                self._warn("the venue does not tell its time", error=str(error))
                continue
            await self._share(self._overdue(), self._chase)

    async def _share(self, symbols: Sequence[str], work: Callable[[str], Awaitable[None]]) -> None:
        """Work through symbols, some at a time; one whose history cannot be had goes behind the others."""
        waiting = deque(symbols)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(self._workers, len(waiting))):
                tasks.create_task(self._work(waiting, work))

    async def _work(self, waiting: deque[str], work: Callable[[str], Awaitable[None]]) -> None:
        failures = 0
        while waiting:
            symbol = waiting.popleft()
            try:
                await work(symbol)
                failures = 0
            except FeedError as error:
                self._warn("history cannot be had, trying again", symbol=symbol, error=str(error))
                waiting.append(symbol)
                await asyncio.sleep(self._backoff.pause_s(failures))
                failures += 1

    async def _join(self, symbol: str) -> None:
        try:
            if symbol not in self._held or not await self._take_history(symbol):
                await self._look_back(symbol)
        except RefusedError as error:
            self._warn("history refused, going on without", symbol=symbol, error=str(error))
        await self._release(symbol)

    async def _take_history(self, symbol: str) -> bool:
        """Pass on what is missing; returns whether history was asked for it before a frame showed that nothing is."""
        asked = False
        closed_until_ms = await self._history.closed_until_ms(self._interval)
        since_ms = self._wanted_ms(symbol)
        at_ms = self._warmup_ms(closed_until_ms) if since_ms is None else self._interval.after(since_ms, -1)
        while symbol in self._held and at_ms < closed_until_ms:
            bars = await self._history.bars(symbol, self._interval, at_ms, closed_until_ms)
            asked = True
            if not bars:
                break
            await self._backfill(self._news(symbol, bars))
            at_ms = self._interval.after(bars[-1].opened_at_ms)
            closed_until_ms = await self._history.closed_until_ms(self._interval)
        # Where even history has nothing, the chase begins here.
        self._next_ms.setdefault(symbol, self._interval.after(self._interval.after(closed_until_ms, -1)))
        return asked

    async def _look_back(self, symbol: str) -> None:
        """Live bars go through already: only a revision of the one before them can have been missed."""
        before_ms = self._before_ms.get(symbol)
        closed_until_ms = await self._history.closed_until_ms(self._interval)
        if before_ms is not None and before_ms < closed_until_ms:
            until_ms = before_ms + self._interval.ms
            bars = await self._history.bars(symbol, self._interval, before_ms, until_ms)
            await self._backfill(self._news(symbol, bars))

    async def _release(self, symbol: str) -> None:
        # Whatever comes from now on lines up behind these at the inbox.
        await self._pass_on(self._held.pop(symbol, ()))

    async def _chase(self, symbol: str) -> None:
        if not self._is_overdue(symbol):
            return
        tries, _ = self._asked.get(symbol, (0, 0))
        again_ms = self.venue_now_ms() + int(self._repeat.pause_s(tries) * 1_000)
        self._asked[symbol] = (tries + 1, again_ms)
        try:
            closed_until_ms = await self._history.closed_until_ms(self._interval)
            from_ms = max(self._next_ms[symbol], self._warmup_ms(closed_until_ms))
            bars = await self._history.bars(symbol, self._interval, from_ms, closed_until_ms)
        except FeedError as error:
            self._warn("history cannot be had", symbol=symbol, error=str(error))
            return
        if not self._guesses.knows(symbol, from_ms):
            self._warn("a bar did not come live, asked history", symbol=symbol, from_ms=from_ms, found=len(bars))
        await self._backfill(bars)

    def _overdue(self) -> list[str]:
        return [symbol for symbol in self._next_ms if self._is_overdue(symbol)]

    def _is_overdue(self, symbol: str) -> bool:
        now_ms = self.venue_now_ms()
        _, again_ms = self._asked.get(symbol, (0, 0))
        due_ms = self._next_ms[symbol] + self._interval.ms + self._overdue_ms
        return symbol not in self._held and max(due_ms, again_ms) <= now_ms

    def _until_look_s(self) -> float:
        """Until the next bar's end is overdue, by the venue's clock, or until what was asked in vain may be again."""
        past_ms = self.venue_now_ms() - self._overdue_ms
        ahead_ms = self._interval.floor(past_ms) + self._interval.ms - past_ms
        return min(ahead_ms / 1_000, self._look_s)

    def _warmup_ms(self, closed_until_ms: int) -> int:
        """When the first bar opens that a new symbol is given."""
        return self._interval.after(closed_until_ms, -self._warmup_bars)

    def venue_now_ms(self) -> int:
        """The venue's time as last told and counted on; 0 before it was asked."""
        now_ms = self._history.venue_now_ms()
        return 0 if now_ms is None else now_ms

    def _now_ms(self) -> int:
        return int(self._now() * 1_000)

    def _warn(self, message: str, **values: str | int) -> None:
        log.warning(message, extra={"venue": self._venue, **values})

    async def _pass_on(self, arrivals: Sequence[Arrival]) -> None:
        """Hand over live bars."""
        guesses = self._history.confirms
        if guesses:
            arrivals = [arrival for arrival in arrivals if self._guesses.adds(arrival.bar)]
        if not arrivals:
            return
        await self._inbox.put_closed(arrivals)
        bars = [arrival.bar for arrival in arrivals]
        self._note(bars)
        if guesses:
            self._guesses.note(bars)
        else:
            self._count_as_come(bars)

    async def _backfill(self, bars: Sequence[Bar], *, count: bool = True) -> None:
        news = [bar for bar in bars if not self._guesses.confirmed_by(bar)]
        if news:
            await self._inbox.put_closed([self._from_history(bar) for bar in news])
            self._watcher.backfilled(len(news))
            self._note(news)
        if count:
            self._count_as_come(bars)

    def _from_history(self, bar: Bar) -> Arrival:
        origin = Origin.FILLED if isinstance(bar, Untraded) else Origin.BACKFILLED
        return Arrival(bar, self._venue, self._now_ms(), origin)

    def _news(self, symbol: str, bars: Sequence[Bar]) -> list[Bar]:
        """The bars without the one that was passed on last, where it is still the same."""
        known = self._newest.get(symbol)
        return [bar for bar in bars if known is None or bar != known]

    def _note(self, bars: Sequence[Bar]) -> None:
        newest = self._newest
        for bar in bars:
            if newest.setdefault(bar.symbol, bar).opened_at_ms <= bar.opened_at_ms:
                newest[bar.symbol] = bar

    def _wanted_ms(self, symbol: str) -> int | None:
        """The first bar to ask for: guesses are asked for again, also the one before we were stopped."""
        since_ms = self._since(symbol)
        if since_ms is None or not self._history.confirms:
            return since_ms
        return min(self._interval.after(since_ms, -1), self._next_ms.get(symbol, since_ms))

    def _count_as_come(self, bars: Sequence[Bar]) -> None:
        symbols, wanted, after = self._symbols, self._next_ms, self._interval.after
        for bar in bars:
            symbol, next_ms = bar.symbol, after(bar.opened_at_ms)
            if next_ms > wanted.get(symbol, 0) and symbol in symbols:
                wanted[symbol] = next_ms
                self._asked.pop(symbol, None)
