"""A daemon in waiting: it hears what the leading one hears, and takes its place when that gives no sign of life.

Its sockets are open, its windows full and its engine warm. What the leading daemon kept decides at the takeover: the
windows are read from the store again, and only bars that were heard and that the store lacks go to the predictor.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext, suppress
from typing import Final, Protocol

import numpy as np

from core.bars import Arrival, Bar, Origin
from core.errors import StoreError
from core.windows import EMPTY, STORED, Fate, Windows
from daemon.inbox import Inbox
from daemon.ports import Store
from daemon.predicting.ahead import Ahead

log = logging.getLogger("gaze.standby")

_MOST_BARS: Final = 4_096
_REMEMBERED: Final = 4
"""Of so many bars of each symbol it is known how they came; older ones count as come from history."""


class Watcher(Protocol):
    """What is told of the wait, for metrics and probes."""

    def waits_behind(self, leader: str) -> None:
        """This daemon leads; empty: we do."""

    def filled(self, ready: int) -> None:
        """So many of the symbols have a full window."""

    def store_failed(self, error: StoreError) -> None:
        """The store cannot be asked."""

    def store_back(self) -> None:
        """It can."""


class Standby:
    """Waits until the lease is ours. `lead`: reads again what the store keeps, and writes what only a leader may.

    `fewest_bars` make a window full. `look_s`: between two looks whether the leading daemon is alive.
    """

    def __init__(
        self,
        store: Store,
        inbox: Inbox,
        windows: Windows,
        watcher: Watcher,
        lead: Callable[[], Awaitable[None]],
        *,
        venues: Mapping[str, str],
        fewest_bars: int,
        look_s: float,
        wall_ms: Callable[[], int],
        ahead: Ahead | None = None,
    ) -> None:
        self._store = store
        self._inbox = inbox
        self._windows = windows
        self._watcher = watcher
        self._lead = lead
        self._venues = venues
        self._fewest_bars = fewest_bars
        self._look_s = look_s
        self._wall_ms = wall_ms
        self._ahead = ahead
        self._heard: dict[str, deque[Arrival]] = {}

    async def until_leading(self) -> list[Arrival] | None:
        """Wait for the lease; returns the bars that were heard and that the store lacks, oldest first of each symbol.

        None where the inbox was closed before. A store that is away is waited for.
        """
        hearing = asyncio.create_task(self._hear_until_closed(), name="hear")
        seeking = asyncio.create_task(self._seek_until_ours(), name="seek")
        try:
            await asyncio.wait([hearing, seeking], return_when=asyncio.FIRST_COMPLETED)
            if not seeking.done():
                return None
            seeking.result()
        finally:
            for task in (hearing, seeking):
                task.cancel()
            await asyncio.wait([hearing, seeking])
        return await self._take_over()

    async def _hear_until_closed(self) -> None:
        """Keep the windows as the bars come. Nothing is predicted: the leading daemon does."""
        while arrivals := await self._inbox.take(_MOST_BARS):
            with self._ahead.held() if self._ahead else nullcontext():
                for arrival in arrivals:
                    self._hear(arrival)

    def _hear(self, arrival: Arrival) -> None:
        fate = self._windows.judge(arrival.bar)
        if fate in STORED or fate is Fate.EARLY:
            self._windows.put(arrival.bar)
            self._heard.setdefault(arrival.bar.symbol, deque(maxlen=_REMEMBERED)).append(arrival)

    async def _seek_until_ours(self) -> None:
        known = ""
        while (leader := await self._leader()) is not None:
            if leader and leader != known:
                log.info("waiting behind the daemon that leads", extra={"leader": leader})
                known = leader
            self._watcher.filled(len(self._windows.full(self._windows.symbols, self._fewest_bars)))
            await asyncio.sleep(self._look_s)
        log.warning("taking over: the daemon that led is silent, or gone", extra={"leader": known})

    async def _leader(self) -> str | None:
        """Who leads, empty where the store does not say; None: we do now."""
        try:
            leader = await self._store.seek()
        except StoreError as error:
            self._watcher.store_failed(error)
            return ""
        self._watcher.store_back()
        self._watcher.waits_behind(leader or "")
        return leader

    async def _take_over(self) -> list[Arrival]:
        windows = self._windows
        opened_SC, revision_SC = windows.opened_at_ms_SC.copy(), windows.revision_SC.copy()
        rows_SC5 = windows.rows_SC5.copy()
        await self._led()
        newer_SC = opened_SC > windows.opened_at_ms_SC
        newer_SC |= (opened_SC != EMPTY) & (opened_SC == windows.opened_at_ms_SC) & (revision_SC > windows.revision_SC)
        lacking: list[Bar] = []
        for position in np.flatnonzero(newer_SC.any(axis=1)).tolist():
            slots = np.flatnonzero(newer_SC[position])
            lacking += [
                Bar(windows.symbols[position], int(opened_SC[position, slot]), *rows_SC5[position, slot].tolist())
                for slot in slots[np.argsort(opened_SC[position, slots])]
            ]
        log.info("leading", extra={"bars_the_store_lacked": len(lacking)})
        return [self._arrival(bar) for bar in lacking]

    async def _led(self) -> None:
        while True:
            with suppress(StoreError):
                await self._lead()
                return
            await asyncio.sleep(self._look_s)

    def _arrival(self, bar: Bar) -> Arrival:
        heard = [arrival for arrival in self._heard.get(bar.symbol, ()) if arrival.bar == bar]
        return heard[-1] if heard else Arrival(bar, self._venues[bar.symbol], self._wall_ms(), Origin.BACKFILLED)
