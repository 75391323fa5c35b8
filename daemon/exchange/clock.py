"""The venue's clock: stands until it is started, then runs at a multiple of ours or leaps from event to event."""

import asyncio
import time
from collections.abc import Callable


class VenueClock:
    """Unix milliseconds of the replayed past. `speed`: venue seconds a second; None leaps as fast as asked."""

    def __init__(
        self, start_ms: int, speed: float | None = None, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.speed = speed
        self._at_ms = start_ms
        self._monotonic_s = monotonic_s
        self._began_s: float | None = None

    def now_ms(self) -> int:
        """The venue's time now."""
        if self.speed is None or self._began_s is None:
            return self._at_ms
        return self._at_ms + int((self._monotonic_s() - self._began_s) * self.speed * 1_000)

    def start(self) -> None:
        """Let it run."""
        self._began_s = self._monotonic_s()

    def stop(self) -> None:
        """Let it stand where it is."""
        self._at_ms, self._began_s = self.now_ms(), None

    async def reach(self, at_ms: int) -> None:
        """Wait until it is so late; a leaping clock is so late at once."""
        if self.speed is None:
            self._at_ms = max(self._at_ms, at_ms)
            return
        ahead_ms = at_ms - self.now_ms()
        if ahead_ms > 0:
            await asyncio.sleep(ahead_ms / 1_000 / self.speed)
