"""Fetches bars symbol by symbol, page by page, within the venue's limits, and keeps what it has when it is stopped."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from core.bars import Bar, Interval, inconsistency
from core.errors import DataError
from daemon.fetching.book import Book
from daemon.fetching.spans import Span, missing
from daemon.listening.history import History, RefusedError
from daemon.listening.untraded import Untraded, with_untraded
from daemon.ports import Feed

_WORKERS: Final = 4
_PAGES_A_PART: Final = 25
_LATE_MS: Final = 600_000
"""A bar that ended so lately may still come: some venues answer from a cache of minutes."""


class Suspect(msgspec.Struct, frozen=True):
    """A bar of history that looks unclosed. `opened_at_ms`: when it opened."""

    symbol: str
    opened_at_ms: int
    reason: str = "little volume, and the next bar opens away from its close: was it closed?"


class Summary(msgspec.Struct, frozen=True):
    """What was fetched: `bars` are new ones, of them `filled` were built where nothing was traded."""

    bars: int
    requests: int
    filled: int
    absurd: int
    """Bars left out because their numbers cannot be true."""
    refused: dict[str, str]
    """Symbols that the venue will not tell, and why."""
    unclosed: tuple[Suspect, ...] = ()
    """Bars that look unclosed, though they were asked for twice; they are kept."""


class Fetch:
    """One venue's history into a book. `advance`: told of each stretch of bars that is done with.

    `doubts`: bars that the history has told and that look unclosed; they may become more meanwhile.
    """

    def __init__(
        self,
        feed: Feed,
        history: History,
        interval: Interval,
        book: Book,
        advance: Callable[[int], None],
        doubts: Sequence[Bar] = (),
    ) -> None:
        self._feed = feed
        self._history = history
        self._interval = interval
        self._book = book
        self._advance = advance
        self._bars = self._pages = self._filled = self._absurd = 0
        self._refused: dict[str, str] = {}
        self._doubts = doubts

    async def span(self, since_ms: int | None, last_ms: int, until_ms: int | None) -> Span:
        """What can be asked for, by the venue's clock: from `since_ms`, or the time `last_ms` before now.

        Raises: DataError: the venue's history does not reach back so far, or nothing is there to ask for.
        """
        closed_ms = await self._history.closed_until_ms(self._interval)
        from_ms = self._interval.floor(closed_ms - last_ms if since_ms is None else since_ms)
        to_ms = min(closed_ms, closed_ms if until_ms is None else self._interval.floor(until_ms))
        if from_ms >= to_ms:
            raise DataError(f"no bar of {self._interval.name} opened and closed in that time; try: an earlier --since")
        reach = self._feed.history_reach
        if reach is not None and from_ms < closed_ms - reach * self._interval.ms:
            days = reach * self._interval.ms / 86_400_000
            raise DataError(
                f"{self._feed.name} tells only the last {reach} bars of {self._interval.name}, {days:.4g} days; "
                "try: a later --since, or a longer --interval"
            )
        return from_ms, to_ms

    def left(self, symbols: Sequence[str], span: Span) -> int:
        """How many bars of time are still to be asked for."""
        gaps = [gap for symbol in symbols for gap in missing(span, self._book.covered(symbol))]
        return sum(to_ms - from_ms for from_ms, to_ms in gaps) // self._interval.ms

    async def run(self, symbols: Sequence[str], span: Span) -> Summary:
        """Fetch what the book lacks of these symbols. Raises: FeedError: the venue cannot be had."""
        waiting = deque(symbols)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(_WORKERS, len(waiting))):
                tasks.create_task(self._work(waiting, span))
        return Summary(
            self._bars,
            self._pages,
            self._filled,
            self._absurd,
            self._refused,
            tuple(Suspect(bar.symbol, bar.opened_at_ms) for bar in self._doubts),
        )

    async def _work(self, waiting: deque[str], span: Span) -> None:
        while waiting:
            symbol = waiting.popleft()
            try:
                for gap in missing(span, self._book.covered(symbol)):
                    await self._fetch(symbol, gap)
            except RefusedError as error:
                self._refused[symbol] = str(error)

    async def _fetch(self, symbol: str, gap: Span) -> None:
        """One span of a symbol; what is had of it is kept also where it ends early."""
        page_ms = self._feed.history_limit * self._interval.ms
        kept_ms, at_ms = gap[0], gap[0]
        bars: list[Bar] = []
        before: list[Bar] = []
        try:
            for at in range(gap[0], gap[1], page_ms):
                to_ms = min(at + page_ms, gap[1])
                page = await self._history.bars(symbol, self._interval, at, to_ms)
                self._pages += 1
                if self._feed.empty_after_s is not None and page:
                    # A page that begins without a trade is flat at the close of the one before.
                    page = with_untraded([*before, *page], self._interval, page[-1].opened_at_ms)[len(before) :]
                    before = page[-1:]
                bars += self._believed(page)
                at_ms = to_ms
                self._advance((to_ms - at) // self._interval.ms)
                if (at_ms - kept_ms) // page_ms >= _PAGES_A_PART:
                    self._keep(symbol, bars, (kept_ms, at_ms))
                    kept_ms, bars = at_ms, []
        finally:
            self._keep(symbol, bars, (kept_ms, self._certain_ms(bars, kept_ms, at_ms)))

    def _believed(self, page: Sequence[Bar]) -> list[Bar]:
        believed = [bar for bar in page if inconsistency(bar) is None]
        self._absurd += len(page) - len(believed)
        self._filled += sum(isinstance(bar, Untraded) for bar in believed)
        return believed

    def _certain_ms(self, bars: Sequence[Bar], from_ms: int, until_ms: int) -> int:
        """Up to when no bar can be missing that would still come: what lacks at the end is asked for the next time."""
        late_ms = self._interval.floor((self._history.venue_now_ms() or 0) - _LATE_MS)
        told_ms = self._interval.after(bars[-1].opened_at_ms) if bars else from_ms
        return max(told_ms, min(late_ms, until_ms))

    def _keep(self, symbol: str, bars: Sequence[Bar], span: Span) -> None:
        if span[0] < span[1]:
            self._book.add(symbol, bars, span)
            self._bars += len(bars)
