"""Gaps the predictor met, filled from history."""

import asyncio
import logging
from collections.abc import Sequence

import msgspec

from core.bars import Interval
from core.errors import FeedError
from daemon.listening.history import History
from daemon.listening.seam import Seam

log = logging.getLogger("gaze.feed")


class Gap(msgspec.Struct, frozen=True, gc=False):
    """The bars of one symbol that open in [from_ms, to_ms)."""

    symbol: str
    from_ms: int
    to_ms: int


class Fills:
    """Asks history for gaps, one at a time for a symbol, and puts what it finds into the inbox.

    `pauses_s`: before each try; a venue's history may lag behind its sockets. Whoever asked decides how long to wait.
    """

    def __init__(
        self,
        seam: Seam,
        history: History,
        interval: Interval,
        *,
        workers: int = 4,
        pauses_s: Sequence[float] = (0.0, 2.0, 6.0, 18.0),
    ) -> None:
        self.filled = 0
        """Gaps filled."""
        self.unfilled = 0
        """Gaps given up: the venue does not have all of their bars, or could not be asked."""
        self._seam = seam
        self._history = history
        self._interval = interval
        self._workers = workers
        self._pauses_s = tuple(pauses_s)
        self._gaps: dict[str, Gap] = {}
        self._symbols: asyncio.Queue[str] = asyncio.Queue()

    def request_fill(self, symbol: str, from_ms: int, to_ms: int) -> None:
        """Ask for the bars that open in [from_ms, to_ms); joined with a gap of the symbol that is in hand."""
        gap = self._gaps.get(symbol)
        if gap is None:
            self._gaps[symbol] = Gap(symbol, from_ms, to_ms)
            self._symbols.put_nowait(symbol)
        else:
            self._gaps[symbol] = Gap(symbol, min(gap.from_ms, from_ms), max(gap.to_ms, to_ms))

    async def fill_forever(self) -> None:
        """Fill what is asked for. Ends only by cancellation."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._workers):
                tasks.create_task(self._work())

    async def _work(self) -> None:
        while True:
            symbol = await self._symbols.get()
            missing = await self._fill(symbol)
            gap = self._gaps.pop(symbol)
            if missing:
                self.unfilled += 1
                log.warning(
                    "a gap could not be filled",
                    extra={"symbol": symbol, "from_ms": gap.from_ms, "to_ms": gap.to_ms, "missing": missing},
                )
            else:
                self.filled += 1
            self._symbols.task_done()

    async def _fill(self, symbol: str) -> int:
        """Pass on what history has of the symbol's gap; returns how many bars are still missing."""
        had: set[int] = set()
        missing = 1
        asked = None
        # What is asked for meanwhile has tries of its own.
        while missing > 0 and asked != self._gaps[symbol]:
            asked = self._gaps[symbol]
            missing = await self._try(symbol, had)
        return max(missing, 0)

    async def _try(self, symbol: str, had: set[int]) -> int:
        """As often as there are pauses; `had`: the bars that were passed on before, and those that are now."""
        missing = 1
        for pause_s in self._pauses_s:
            await asyncio.sleep(pause_s)
            gap = self._gaps[symbol]
            try:
                bars = await self._history.bars(symbol, self._interval, gap.from_ms, gap.to_ms)
            except FeedError as error:
                log.warning("history cannot be had", extra={"symbol": symbol, "error": str(error)})
                continue
            await self._seam.backfill([bar for bar in bars if bar.opened_at_ms not in had])
            had.update(bar.opened_at_ms for bar in bars)
            gap = self._gaps[symbol]
            missing = self._interval.count(gap.from_ms, gap.to_ms) - len(had)
            if missing <= 0:
                break
        return missing
