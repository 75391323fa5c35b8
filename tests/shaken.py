"""A loop that serves sockets and timers in an order nobody planned for: `pytest --shake N`.

What one machine serves first, a slower or busier one serves last. Under this loop each ready socket may wait a few
turns, each timer a few milliseconds, and the loop itself may stand still for a moment, as if another process had the
core. A test that holds here waits for facts; one that does not, waits for luck.
"""

import asyncio
import random
import selectors
import time
from collections.abc import Callable
from contextvars import Context

POSTPONED = 0.5  # of the ready sockets, each turn
HELD = 0.02  # of the turns: the loop stands still
LONGEST_HOLD_SECONDS = 0.03
LATEST_TIMER_SECONDS = 0.02


class ShakenSelector(selectors.DefaultSelector):
    """Tells of some ready sockets later than they were ready; they stay ready, so none is lost."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self._dice = dice

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._dice.random() < HELD:
            time.sleep(self._dice.random() * LONGEST_HOLD_SECONDS)
        ready = super().select(timeout)
        told = [one for one in ready if self._dice.random() >= POSTPONED]
        self._dice.shuffle(told)
        return told


class ShakenLoop(asyncio.SelectorEventLoop):
    """The standard loop over a shaken selector, with timers that come late."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        super().__init__(ShakenSelector(self._dice))

    def call_at(
        self, when: float, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.TimerHandle:
        late = self._dice.random() * LATEST_TIMER_SECONDS
        return super().call_at(when + late, callback, *args, context=context)
