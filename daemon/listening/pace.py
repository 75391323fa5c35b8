"""How often a venue may be called upon."""

import asyncio
from collections import deque


class Pace:
    """Turns for whoever opens a socket: at most `most` in any `per_s` seconds, first come, first served."""

    def __init__(self, most: int, per_s: float) -> None:
        self._per_s = per_s
        self._taken_s: deque[float] = deque(maxlen=most)
        self._next = asyncio.Lock()

    async def turn(self) -> None:
        """Wait for one's turn."""
        clock = asyncio.get_running_loop().time
        async with self._next:
            if len(self._taken_s) == self._taken_s.maxlen:
                await asyncio.sleep(max(0.0, self._taken_s[0] + self._per_s - clock()))
            self._taken_s.append(clock())
