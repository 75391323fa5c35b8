"""What a model makes of a window before its newest bar closes: states, made in the idle hour, taken up at the close.

Shapes: S symbols, N windows, T window steps, F features. The states of a symbol hold for one window, the one that ends
with the bar after the newest that was there. Whatever else changed among its bars, a revision, a gap or a restart, its
whole window is run instead, until its states are made anew. Where windows expand, states are carried on to the window
that is one bar longer; past its longest a window rolls, and they are made anew with every bar, as those of others.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, NoReturn

import numpy as np
import numpy.typing as npt

from core.bars import BarArray, TimeArray
from core.inputs import Bools, Inputs
from core.windows import Windows
from daemon.ports import Float32s, StreamingEngine

log = logging.getLogger("gaze.ahead")

Positions = npt.NDArray[np.int64]

_ROWS: Final = 64
"""Windows run ahead in one call."""
_STEPS: Final = 128
"""Steps made in one call: their states stay in the cache between being gathered and being read."""
_NONE: Final = -1
"""The opening time of the next bar where no states are kept for it."""
_LEAST_PRIORITY: Final = 19
_QUIET_S: Final = 0.25
"""A burst comes in several batches: between them nothing is begun that would share their cores."""


class Ahead:
    """States of each symbol's next window. `quiet_s`: how long no bar must have come before any are made.

    `fill`: whether windows that lack a bar are predicted as if it were flat; only whole ones are run ahead then.
    """

    def __init__(
        self,
        windows: Windows,
        inputs: Inputs,
        stream: StreamingEngine,
        *,
        clock_s: Callable[[], float],
        told: Callable[[int], None] = lambda _: None,
        quiet_s: float = _QUIET_S,
        fill: bool = False,
    ) -> None:
        self._fewest = (inputs.bars_needed if fill else inputs.fewest_bars) - 1
        self.carried = 0
        """Windows whose states were carried on, so far."""
        self._windows = windows
        self._inputs = inputs
        self._stream = stream
        self._clock_s = clock_s
        self._told = told
        self._quiet_s = quiet_s
        self._states: dict[str, Float32s] = {}
        self._next_ms_S: TimeArray = np.full(len(windows.symbols), _NONE, np.int64)
        self._looked_S: npt.NDArray[np.int64] = np.full(len(windows.symbols), _NONE, np.int64)
        self._may = asyncio.Event()
        self._may.set()
        self._quiet_since_s = clock_s()

    @property
    def ready(self) -> int:
        """Symbols whose next window only lacks its newest row."""
        return int(np.count_nonzero((self._next_ms_S != _NONE) & (self._looked_S == self._windows.changes_S)))

    def switch(self, stream: StreamingEngine) -> None:
        """Another model of the same inputs runs from now on; what the one before made is let go."""
        self._stream, self._states = stream, {}
        self._next_ms_S[:] = _NONE
        self._looked_S[:] = _NONE
        self._may.set()

    def fits(self, positions_N: Positions, opened_at_ms_N: TimeArray) -> Bools:
        """(N,): whether the states kept are those of the window that ends with this bar, the only one that came."""
        came_N = self._windows.changes_S[positions_N] - self._looked_S[positions_N]
        fits_N: Bools = (self._next_ms_S[positions_N] == opened_at_ms_N) & (came_N == 1)
        return fits_N

    def step(self, positions_N: Positions, newest: dict[str, Float32s]) -> dict[str, Float32s]:
        """The newest row of every input (N, 1, F) -> every output (N, ...), for symbols whose states fit."""
        parts: list[dict[str, Float32s]] = []
        # As they are now: another model may take over meanwhile.
        stream, every = self._stream, self._states
        # Places of their own in memory, used again for every call: new ones would cost more than what is put there.
        rows = min(_STEPS, len(positions_N))
        taken = {name: np.empty((rows, *kept.shape[1:]), np.float32) for name, kept in every.items()}
        for first in range(0, len(positions_N), _STEPS):
            some = slice(first, first + _STEPS)
            here_N = positions_N[some]
            states = {
                name: kept.take(here_N, axis=0, out=taken[name][: len(here_N)], mode="clip")
                for name, kept in every.items()
            }
            parts.append(stream.step(states, {name: every_N[some] for name, every_N in newest.items()}))
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Begin to make no states meanwhile: those of bars under way are being read."""
        self._may.clear()
        try:
            yield
        finally:
            self._quiet_since_s = self._clock_s()
            self._told(self.ready)
            self._may.set()

    async def make_forever(self) -> NoReturn:
        """Make the states of every window that changed, some at a time, while nothing else is to do.

        In a thread that every other goes before. Ends only by cancellation.
        """
        with ThreadPoolExecutor(1, "ahead", initializer=_give_way) as thread:
            while True:
                await self._may.wait()
                pause_s = self._quiet_since_s + self._quiet_s - self._clock_s()
                if pause_s > 0:
                    await asyncio.sleep(pause_s)
                    continue
                changed = np.flatnonzero(self._looked_S != self._windows.changes_S)
                if len(changed):
                    await self._make(changed[:_ROWS], thread)
                    self._told(self.ready)
                else:
                    self._may.clear()

    async def _make(self, positions_N: Positions, thread: ThreadPoolExecutor) -> None:
        windows, known = self._windows, self._inputs.bars_needed - 1
        opened_at_ms_N = windows.newest_ms_S[positions_N]
        bars_NL5, unbroken_N = windows.gather(positions_N, opened_at_ms_N, known)
        looked_N = windows.changes_S[positions_N]
        # Of a full window the first row moves on, which nothing carried from the one before it knows.
        grown_N = self.fits(positions_N, opened_at_ms_N) & (unbroken_N < known) & (self._stream.recent > 0)
        self._next_ms_S[positions_N] = _NONE
        self._looked_S[positions_N] = looked_N
        loop = asyncio.get_running_loop()
        states = self._states
        enough_N = unbroken_N >= self._fewest
        for some_N, make in ((enough_N & grown_N, self._carry), (enough_N & ~grown_N, self._begin)):
            if some_N.any():
                given = states, positions_N[some_N], bars_NL5[some_N], opened_at_ms_N[some_N]
                await loop.run_in_executor(thread, make, *given)
        if states is not self._states:
            return
        same_N = enough_N & (windows.changes_S[positions_N] == looked_N)
        self._next_ms_S[positions_N[same_N]] = windows.interval.afters(opened_at_ms_N[same_N])

    def _begin(
        self, states: dict[str, Float32s], positions_N: Positions, bars_NL5: BarArray, opened_at_ms_N: TimeArray
    ) -> None:
        self._keep(states, positions_N, self._stream.prefix(self._inputs.known(bars_NL5, opened_at_ms_N)))

    def _carry(
        self, states: dict[str, Float32s], positions_N: Positions, bars_NL5: BarArray, opened_at_ms_N: TimeArray
    ) -> None:
        recent = self._inputs.recent(bars_NL5, opened_at_ms_N, self._stream.recent)
        before = {name: kept[positions_N] for name, kept in states.items()}
        self._keep(states, positions_N, self._stream.carry(before, recent))
        self.carried += len(positions_N)

    def _keep(self, states: dict[str, Float32s], positions_N: Positions, made: dict[str, Float32s]) -> None:
        if not states:
            symbols = len(self._windows.symbols)
            states |= {name: np.empty((symbols, *rows.shape[1:]), np.float32) for name, rows in made.items()}
            taken = sum(kept.nbytes for kept in states.values()) / 2**20
            log.info("states are kept for every symbol's next window", extra={"MiB": round(taken)})
        for name, rows in made.items():
            states[name][positions_N] = rows


def _give_way() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LEAST_PRIORITY)
