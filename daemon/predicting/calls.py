"""How a model is called: on the event loop where that is soon over, else in a thread beside it."""

import asyncio
import math
from collections.abc import Callable
from typing import Final, TypeVar

_SOON_S: Final = 0.003
"""About what a thread waits for the interpreter, some chunks long: what is over sooner is done sooner without one."""

_Made = TypeVar("_Made")


class Calls:
    """Calls of one graph. `at_once`: so many run beside each other in threads; `clock_s`: a clock that never goes back.

    How long a row takes is learned from the calls themselves: the shortest counts, as others wait for cores.
    """

    def __init__(self, at_once: int, clock_s: Callable[[], float]) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._clock_s = clock_s
        self._row_s = math.inf

    async def make(self, rows: int, call: Callable[[], _Made]) -> _Made:
        """Make this call, of so many rows."""

        def timed() -> _Made:
            begun = self._clock_s()
            made = call()
            self._row_s = min(self._row_s, (self._clock_s() - begun) / rows)
            return made

        if rows * self._row_s <= _SOON_S:
            return timed()
        async with self._turns:
            return await asyncio.to_thread(timed)
