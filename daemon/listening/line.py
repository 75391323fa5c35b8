"""One socket of a venue, from its opening to its end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NoReturn
from urllib.parse import urlsplit

from core.bars import LATEST_MS, Bar, Interval
from core.errors import FarewellError, FeedError, FrameError, leaves
from daemon.feeds.shared import EXCERPT
from daemon.listening.closing import Closer
from daemon.listening.seam import Seam
from daemon.listening.wire import LOST, Connection, Way
from daemon.ports import Feed, Socket

log = logging.getLogger("gaze.feed")

_LOOK_S: Final = 1.0
"""At the latest so often bars without a word from the venue are looked at: its clock may have been set right."""
AT_ONCE: Final = 128
"""Frames of a socket read before others get their turn: ten sockets are round in 3 ms, four fill a part of a batch."""
_REFUSED_IN_A_ROW: Final = 50
"""So many frames that are none tell of a broken connection."""


class Line:
    """Subscribes and reads. `take`: gets the bars. `heard`: told how many frames came, and why some were refused.

    `covered`: whether another line carries the same symbols, so that nothing is missed while this one opens.
    `due_s`: after so long a successor should be opened; None: when the venue says so.
    """

    def __init__(
        self,
        feed: Feed,
        socket: Socket,
        symbols: tuple[str, ...],
        interval: Interval,
        seam: Seam,
        wire: Way,
        *,
        take: Callable[[Sequence[Bar]], Awaitable[None]],
        heard: Callable[[int, Sequence[FrameError]], None],
        covered: Callable[[], bool],
        changed: Callable[[], None],
        hello_spacing_s: float,
        due_s: float | None,
    ) -> None:
        self.is_open = False
        self.ready = asyncio.Event()
        """It has subscribed, and something came since."""
        self.due = asyncio.Event()
        """The venue is about to end it, or it has lived long enough."""
        self.opened_at_s: float | None = None
        self.heard_at_s = 0.0
        self._feed = feed
        self._socket = socket
        self._symbols = symbols
        self._interval = interval
        self._seam = seam
        self._wire = wire
        self._take = take
        self._heard = heard
        self._covered = covered
        self._changed = changed
        self._hello_spacing_s = hello_spacing_s
        self._due_s = due_s
        self._subscribed = False
        self._waits_since_s: float | None = None
        self._refused_in_a_row = 0

    async def talk(self) -> str:
        """Open it and read until it fails; returns why."""
        reason = ""
        try:
            async with self._wire.open(self._socket.url, pings=self._feed.heartbeat is None) as connection:
                self.opened_at_s = asyncio.get_running_loop().time()
                self.is_open = True
                self._changed()
                host = urlsplit(self._socket.url).netloc.rpartition("@")[2]
                log.info("socket open", extra={"venue": self._feed.name, "host": host})
                await self._converse(connection)
        except* (*LOST, FeedError) as group:
            reason = "; ".join(str(error) or type(error).__name__ for error in leaves(group))
        finally:
            if self.is_open:
                self.is_open = False
                self._changed()
        return reason

    async def _converse(self, connection: Connection) -> None:
        """Subscribe and read at once, then join history to what is read, until the socket fails."""
        covered = self._covered()
        if not covered:
            self._seam.part(self._symbols)
        grace_s = self._feed.grace_s
        closer = None if grace_s is None else Closer(self._interval, int(grace_s * 1_000), self._feed.carries)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(connection, closer))
            tasks.create_task(self._watch())
            if closer:
                tasks.create_task(self._close(closer, grace_s or 0.0))
            if self._due_s is not None:
                tasks.create_task(self._age(self._due_s))
            for number, message in enumerate(self._socket.hello):
                await asyncio.sleep(self._hello_spacing_s if number else 0)
                await connection.send(message)
            self._subscribed = True
            if self._feed.heartbeat:
                tasks.create_task(self._beat(connection, *self._feed.heartbeat))
            if not covered:
                await self._seam.join(self._symbols)

    async def _age(self, due_s: float) -> None:
        await asyncio.sleep(due_s)
        self.due.set()

    async def _beat(self, connection: Connection, every_s: float, message: str) -> NoReturn:
        while True:
            await asyncio.sleep(every_s)
            await connection.send(message)

    async def _close(self, closer: Closer, grace_s: float) -> NoReturn:
        """Pass on the bars whose end is past by the grace period."""
        while True:
            await self._take(closer.due(self._seam.venue_now_ms()))
            past_ms = self._seam.venue_now_ms() - int(grace_s * 1_000)
            ahead_ms = self._interval.floor(past_ms) + self._interval.ms - past_ms
            await asyncio.sleep(min(ahead_ms / 1_000, _LOOK_S))

    async def _read(self, connection: Connection, closer: Closer | None) -> NoReturn:
        """Raises: LOST: by the venue. FeedError: it speaks another dialect."""
        clock = asyncio.get_running_loop().time
        while True:
            self._waits_since_s = clock()
            frames = await connection.frames(AT_ONCE)
            self._waits_since_s = None
            self.heard_at_s = clock()
            if self._subscribed:
                self.ready.set()
            bars = self._decode(frames)
            await self._take(closer.take(bars) if closer else bars)
            if self._refused_in_a_row >= _REFUSED_IN_A_ROW:
                raise FeedError(f"{self._feed.name}: {self._refused_in_a_row} frames in a row were refused")
            if len(frames) == AT_ONCE:
                # More may be there: what these are for need not wait for it.
                await asyncio.sleep(0)

    async def _watch(self) -> NoReturn:
        """Raises: FeedError: it went silent. A timeout for each frame would cost as much as the frame."""
        clock, silence_s = asyncio.get_running_loop().time, self._feed.silence_s
        while True:
            since_s = self._waits_since_s
            # A full inbox may hold us up: that is not the venue's silence.
            left_s = silence_s if since_s is None else since_s + silence_s - clock()
            if left_s <= 0:
                raise FeedError(f"{self._feed.name}: nothing came for {silence_s} s")
            await asyncio.sleep(left_s)

    def _decode(self, frames: Sequence[bytes]) -> list[Bar]:
        """The bars in frames, up to where too many in a row are refused."""
        decode = self._feed.decode
        bars: list[Bar] = []
        refused: list[FrameError] = []
        heard = 0
        for frame in frames:
            heard += 1
            try:
                told = decode(frame)
                for bar in told:
                    if bar.opened_at_ms > LATEST_MS:
                        raise _beyond(self._feed.name, bar)
                bars += told
            except FarewellError as error:
                self._part(str(error))
            except FrameError as error:
                refused.append(error)
                self._refused_in_a_row += 1
                if self._refused_in_a_row == _REFUSED_IN_A_ROW:
                    break
                continue
            self._refused_in_a_row = 0
        self._heard(heard, refused)
        return bars

    def _part(self, told: str) -> None:
        """The venue is about to end it."""
        log.info("the venue says farewell, opening the next socket", extra={"venue": self._feed.name, "told": told})
        self.due.set()


def _beyond(venue: str, bar: Bar) -> FrameError:
    """Of a bar that opens after all others to come: it would close them, or show them as come."""
    return FrameError(
        f"{venue}: a bar of {bar.symbol[:EXCERPT]!a} opens at {bar.opened_at_ms} ms, beyond the year 2100"
    )
