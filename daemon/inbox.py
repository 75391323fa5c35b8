"""The bounded hand-over from the listeners to the one predictor loop."""

import asyncio
from collections import deque
from collections.abc import Collection, Sequence

from core.bars import Arrival


class Inbox:
    """Closed bars wait in the order they were put and are never dropped: full, it lets its putters wait.

    Bars that still form are dropped as they come, and counted: nothing is predicted of them.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.held_back = 0
        """Closed bars that had to wait for room before they were let in: their socket waited with them."""
        self.closed_bars = 0
        """Closed bars ever put."""
        self.open_dropped = 0
        """Bars that still formed when they came."""
        self._closed: deque[Arrival] = deque()
        self._putting = 0
        self._ended = False
        # One putter at a time, in the order they came: nobody overtakes a bar that waits for room.
        self._turn = asyncio.Lock()
        self._room = asyncio.Event()
        self._arrived = asyncio.Event()

    @property
    def depth(self) -> int:
        """Closed bars that wait."""
        return len(self._closed)

    async def put_closed(self, arrivals: Sequence[Arrival]) -> None:
        """Hand over closed bars, in their order, each once there is room."""
        if self._putting or len(self._closed) + len(arrivals) > self.capacity:
            await self._wait_to_put(arrivals)
        else:
            self._closed += arrivals
            self.closed_bars += len(arrivals)
            self._arrived.set()

    async def _wait_to_put(self, arrivals: Sequence[Arrival]) -> None:
        self._putting += 1
        try:
            async with self._turn:
                for arrival in arrivals:
                    await self._wait_for_room()
                    self._closed.append(arrival)
                    self.closed_bars += 1
        finally:
            self._putting -= 1
            self._arrived.set()

    async def _wait_for_room(self) -> None:
        self.held_back += len(self._closed) >= self.capacity and not self._ended
        while len(self._closed) >= self.capacity and not self._ended:
            self._arrived.set()
            self._room.clear()
            await self._room.wait()

    def drop_open(self, count: int) -> None:
        """Count so many bars that are still forming."""
        self.open_dropped += count

    async def take(self, limit: int) -> list[Arrival]:
        """Wait for a closed bar, then take all that are there, oldest first, up to `limit`; cancelling loses none.

        Empty only when the inbox is closed and nothing is left.
        """
        while not self._closed and (self._putting or not self._ended):
            self._arrived.clear()
            await self._arrived.wait()
        return self.take_now(limit)

    def take_now(self, limit: int, but: Collection[str] = ()) -> list[Arrival]:
        """The oldest closed bars that are there, up to `limit`, or to the first of one of these symbols."""
        taken: list[Arrival] = []
        while self._closed and len(taken) < limit and self._closed[0].bar.symbol not in but:
            taken.append(self._closed.popleft())
        self._room.set()
        return taken

    def close(self) -> None:
        """Let in whoever waits for room; take() then gives out what is left, and ends."""
        self._ended = True
        self._room.set()
        self._arrived.set()
