"""The one loop that owns the windows: takes the bars that came, predicts, and hands everything to the store at once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import chain, repeat
from typing import Protocol

from core.bars import Arrival
from core.errors import FeedError
from core.windows import Fate, Windows
from daemon.inbox import Inbox
from daemon.ports import Engine, Standing
from daemon.predicting import publisher
from daemon.predicting.ahead import Ahead
from daemon.predicting.batch import Admission, Batch
from daemon.predicting.behind import Stored
from daemon.predicting.held import Held
from daemon.predicting.pipeline import Pipeline
from daemon.predicting.publisher import Committer, Publisher, once

log = logging.getLogger("gaze.predictor")

_VENUE_TIME_S = 5.0
"""The other symbols wait no longer than this for the venue's clock."""
_MOST_BARS = 4_096
"""Bars taken at once."""
_FIRST_SLICES = (64, 128, 256)
"""Bars of a burst prepared first: the store has them soon, and works from then on."""
_SLICE = 512
"""Bars prepared at once, while those before are with the engine and the store."""
_SYMBOLS_AT_ONCE = 256
"""Symbols looked through at once for what was begun."""


class Watcher(publisher.Watcher, Protocol):
    """What the loop tells of its work, for metrics, probes and the status page."""

    def admitted(self, fates: Mapping[Fate, int], batch: Batch, waiting: int, held: int) -> None:
        """Bars of these fates were taken in; so many wait in the inbox, so many for a missing one."""

    def filled(self, ready: int) -> None:
        """So many of the symbols have a full window."""


class Predictor:
    """Owns the windows and what is held. `committed` is told of every batch that the store has.

    `venues`: of each symbol. `wall_ms` and `clock_s`: the wall clock, and one that never goes back. `ahead`: what was
    run before bars came.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        windows: Windows,
        engine: Engine,
        store: Committer,
        inbox: Inbox,
        held: Held,
        *,
        venues: Mapping[str, str],
        since_ms: Mapping[str, int],
        request_fill: Callable[[str, int, int], None],
        venue_time_ms: Callable[[], Awaitable[int]],
        watcher: Watcher,
        committed: Callable[[Batch], None],
        wall_ms: Callable[[], int],
        clock_s: Callable[[], float],
        ahead: Ahead | None = None,
        standing: Callable[[], Standing] = Standing,
    ) -> None:
        self._windows = windows
        self._inbox = inbox
        self._held = held
        self._venues = venues
        self._since_ms = since_ms
        self._request_fill = request_fill
        self._venue_time_ms = venue_time_ms
        self._watcher = watcher
        self._wall_ms = wall_ms
        self._clock_s = clock_s
        self._ahead = ahead
        self._publisher = Publisher(
            pipeline,
            windows,
            engine,
            store,
            watcher=watcher,
            waited=held.postpone,
            committed=committed,
            wall_ms=wall_ms,
            clock_s=clock_s,
            ahead=ahead,
            standing=standing,
        )
        self._full: set[str] = set()
        self._turn = asyncio.Lock()

    @property
    def at_work(self) -> bool:
        """Whether bars wait, or are on their way to the store."""
        return self._inbox.depth > 0 or self._turn.locked()

    async def switch(self, pipeline: Pipeline, engine: Engine, went_back: Callable[[str], None]) -> None:
        """Predict by another model from the next bar on: of the same inputs, outputs and attentions.

        As Publisher.switch().
        """
        async with self._turn:
            self._publisher.switch(pipeline, engine, went_back)

    async def predict_until_closed(self, heard: Sequence[Arrival] = ()) -> None:
        """Work until the inbox is closed and empty. `heard`: bars that came before those in the inbox.

        What still waits for a missing bar then is left: stored behind a hole it could not be predicted, and may be out
        of reach once the hole is filled. The next start fetches both.
        """
        self._full = self._windows.full(self._windows.symbols, self._publisher.pipeline.fewest_bars)
        self._watcher.filled(len(self._full))
        async with self._turn:
            await self._finish_begun()
            for first in range(0, len(heard), _MOST_BARS):
                await self._work(list(heard[first : first + _MOST_BARS]), frozenset())
        while True:
            arrivals = await self._take()
            if arrivals is None:
                break
            async with self._turn:
                with self._ahead.held() if self._ahead else nullcontext():
                    await self._work(arrivals, self._held.overdue(self._clock_s()))
        if self._held.symbols():
            log.warning(
                "bars that wait for a missing one are fetched again at the next start", extra={"bars": len(self._held)}
            )

    async def _finish_begun(self) -> None:
        """Publish what a daemon before this one stored and could have predicted, had it lived."""
        symbols = self._windows.symbols
        for first in range(0, len(symbols), _SYMBOLS_AT_ONCE):
            begun = self._clock_s()
            some = symbols[first : first + _SYMBOLS_AT_ONCE]
            batch = self._publisher.pipeline.unfinished(
                self._windows, some, self._since_ms, self._venues, self._wall_ms()
            )
            if batch.predicted:
                log.info("finishing what was begun before", extra={"bars": len(batch.predicted)})
                self._publisher.stage("prepare", begun)
                await self._publisher.publish(once([batch]))

    async def _take(self) -> list[Arrival] | None:
        """What came, or nothing when a wait for a missing bar is over; None when the inbox is closed and empty."""
        try:
            async with asyncio.timeout(self._held.next_due_s(self._clock_s())):
                return await self._inbox.take(_MOST_BARS) or None
        except TimeoutError:
            return []

    async def _work(self, arrivals: list[Arrival], broken: frozenset[str]) -> None:
        self._hold(await self._predict(arrivals))
        while followers := self._followers():
            self._hold(await self._predict(followers))
        if broken:
            await self._go_on_without(broken)

    async def _go_on_without(self, broken: frozenset[str]) -> None:
        """Take what these symbols hold, though a bar before it is missing; the venue says what is from the future."""
        arrivals = self._held.release(broken)
        if not arrivals:
            return
        log.warning("a missing bar did not come, going on without it", extra={"symbols": sorted(broken)[:10]})
        try:
            async with asyncio.timeout(_VENUE_TIME_S):
                now_ms = await self._venue_time_ms()
        except (FeedError, TimeoutError):
            now_ms = self._wall_ms()
        self._full -= broken
        await self._predict(arrivals, broken, now_ms)

    def _hold(self, early: Sequence[Arrival]) -> None:
        self._held.hold(early, self._clock_s())
        for arrival in early:
            wanted = self._wanted_ms(arrival.bar.symbol)
            if wanted < arrival.bar.opened_at_ms:
                self._request_fill(arrival.bar.symbol, wanted, arrival.bar.opened_at_ms)

    def _followers(self) -> list[Arrival]:
        """Held bars whose predecessor has come meanwhile."""
        ready = [
            symbol for symbol in self._held.symbols() if (self._held.first_ms(symbol) or 0) <= self._wanted_ms(symbol)
        ]
        return self._held.release(ready)

    def _wanted_ms(self, symbol: str) -> int:
        """When the bar opens that comes next."""
        return self._windows.interval.after(int(self._windows.newest_ms_S[self._windows.index[symbol]]))

    async def _predict(
        self, arrivals: list[Arrival], broken: frozenset[str] = frozenset(), now_ms: int | None = None
    ) -> list[Arrival]:
        """Returns those whose predecessor is missing."""
        admissions: list[Admission] = []
        pipeline, first, seen = self._publisher.pipeline, [arrivals], set[str]()
        sizes = chain(_FIRST_SLICES, repeat(_SLICE))

        def meanwhile() -> list[Arrival]:
            """What came goes on behind them, unless it reads bars that are still on their way."""
            return [] if pipeline.markets else self._inbox.take_now(_MOST_BARS, but=seen)

        def ready() -> Iterator[Batch]:
            some = first.pop() if first else meanwhile()
            while some:
                for together in pipeline.slices(some, sizes):
                    begun = self._clock_s()
                    admission = pipeline.prepare(self._windows, together, self._since_ms, broken, now_ms, self._ahead)
                    admissions.append(admission)
                    self._publisher.stage("prepare", begun)
                    yield admission.batch
                seen.update(one.bar.symbol for one in some)
                some = meanwhile()

        await self._publisher.publish(ready)
        # What is told of them is told when they are out: nobody waits for it as they do for the predictions.
        early = [one for admission in admissions for one in admission.early]
        for admission in admissions:
            self._watcher.admitted(admission.fates, admission.batch, self._inbox.depth, len(self._held) + len(early))
            self._fill(admission.batch.stored)
        return early

    def _fill(self, stored: Iterable[Stored]) -> None:
        filling = {one.arrival.bar.symbol for one in stored} - self._full
        if filling:
            self._full |= self._windows.full(filling, self._publisher.pipeline.fewest_bars)
            self._watcher.filled(len(self._full))
