"""Keeps a venue's sockets open and reads them; what it reads goes through the seam into the inbox."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, NoReturn, Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from core.bars import Interval
from core.errors import FeedError, FrameError
from daemon.listening.backoff import Backoff
from daemon.listening.closing import Closer
from daemon.listening.fills import Fills
from daemon.listening.seam import Seam
from daemon.ports import Feed, Socket

log = logging.getLogger("gaze.feed")

_FRAME_BYTES: Final = 1024 * 1024
_CLOSE_S: Final = 1.0
"""How long a venue may take to answer a close; a dead one never does."""
_LOOK_S: Final = 1.0
"""At the latest so often bars without a word from the venue are looked at: its clock may have been set right."""
_REFUSED_IN_A_ROW: Final = 50
"""So many frames that are none tell of a broken connection."""
_SAMPLES: Final = 5
"""Refused frames that are logged; all are counted."""


class Watcher(Protocol):
    """What is told of the sockets, for metrics."""

    def feed_up(self, venue: str, *, up: bool) -> None:
        """Every socket of the venue is open, or some is not."""

    def frames(self, venue: str, received_at_ms: int, count: int = 1) -> None:
        """Frames came."""

    def refused(self, venue: str) -> None:
        """A frame was dropped."""

    def reconnected(self, venue: str) -> None:
        """A socket was opened again."""


class Listener:
    """One venue's sockets. `now`: the wall clock in Unix seconds. `healthy_s`: a socket open so long was no failure.

    `hello_spacing_s`: time between two messages to the venue. `ping_interval_s`: websocket pings of our own, for a
    venue without a heartbeat of its own.
    """

    def __init__(
        self,
        feed: Feed,
        symbols: Sequence[str],
        interval: Interval,
        seam: Seam,
        fills: Fills,
        watcher: Watcher,
        *,
        now: Callable[[], float],
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
        healthy_s: float = 60.0,
        hello_spacing_s: float = 0.25,
        ping_interval_s: float = 20.0,
        open_timeout_s: float = 10.0,
    ) -> None:
        self._feed = feed
        self._symbols = tuple(symbols)
        self._interval = interval
        self._sockets = feed.sockets(self._symbols, interval)
        self._seam = seam
        self._fills = fills
        self._watcher = watcher
        self._now = now
        self._backoff = backoff
        self._healthy_s = healthy_s
        self._hello_spacing_s = hello_spacing_s
        self._ping_interval_s = None if feed.heartbeat else ping_interval_s
        self._open_timeout_s = open_timeout_s
        self._open = 0
        self._refused = 0
        self._ending = False

    @property
    def live(self) -> bool:
        """Whether every socket is open and every symbol past its history."""
        return self._open == len(self._sockets) and self._seam.joined

    async def listen_forever(self) -> NoReturn:
        """Keep all sockets open, and no bar missing. Ends only by cancellation."""
        self._ending = False
        async with asyncio.TaskGroup() as tasks:
            for number, socket in enumerate(self._sockets):
                tasks.create_task(self._keep_open(socket), name=f"socket:{self._feed.name}:{number}")
            tasks.create_task(self._seam.chase_forever(), name=f"chase:{self._feed.name}")
            tasks.create_task(self._fills.fill_forever(), name=f"fill:{self._feed.name}")
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self._ending = True
        raise AssertionError("the future above has no result")

    async def _keep_open(self, socket: Socket) -> None:
        clock = asyncio.get_running_loop().time
        told = {"venue": self._feed.name, "host": urlsplit(socket.url).netloc.rpartition("@")[2]}
        failures = 0
        again = False
        while True:
            opened_at_s = None
            try:
                async with self._connection(socket) as connection:
                    opened_at_s = clock()
                    self._opened(again=again)
                    again = True
                    log.info("socket open", extra=told)
                    await self._converse(connection, socket)
            except* (OSError, WebSocketException, FeedError) as group:
                reason = "; ".join(str(error) or type(error).__name__ for error in group.exceptions)
            finally:
                if opened_at_s is not None:
                    self._lost()
            # Before Python 3.13 a TaskGroup that fails in the instant it is cancelled swallows the cancellation.
            if self._ending:
                return
            if opened_at_s is not None and clock() - opened_at_s >= self._healthy_s:
                failures = 0
            pause_s = self._backoff.pause_s(failures)
            failures += 1
            log.warning("socket lost, opening it again", extra={**told, "reason": reason, "pause_s": round(pause_s, 3)})
            await asyncio.sleep(pause_s)

    def _connection(self, socket: Socket) -> connect:
        return connect(
            socket.url,
            user_agent_header="gaze",
            max_size=_FRAME_BYTES,
            ping_interval=self._ping_interval_s,
            open_timeout=self._open_timeout_s,
            close_timeout=_CLOSE_S,
        )

    def _opened(self, *, again: bool) -> None:
        self._open += 1
        if again:
            self._watcher.reconnected(self._feed.name)
        self._watcher.feed_up(self._feed.name, up=self._open == len(self._sockets))

    def _lost(self) -> None:
        self._open -= 1
        self._watcher.feed_up(self._feed.name, up=False)

    async def _converse(self, connection: ClientConnection, socket: Socket) -> None:
        """Subscribe and read at once, then join history to what is read, until the socket fails."""
        symbols = socket.symbols or self._symbols
        self._seam.part(symbols)
        grace_s = self._feed.grace_s
        closer = None if grace_s is None else Closer(self._interval, int(grace_s * 1_000), self._feed.carries)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(connection, closer))
            if closer:
                tasks.create_task(self._close(closer, grace_s or 0.0))
            for number, message in enumerate(socket.hello):
                await asyncio.sleep(self._hello_spacing_s if number else 0)
                await connection.send(message)
            if self._feed.heartbeat:
                tasks.create_task(self._beat(connection, *self._feed.heartbeat))
            await self._seam.join(symbols)

    async def _beat(self, connection: ClientConnection, every_s: float, message: str) -> NoReturn:
        while True:
            await asyncio.sleep(every_s)
            await connection.send(message)

    async def _close(self, closer: Closer, grace_s: float) -> NoReturn:
        """Pass on the bars whose end is past by the grace period."""
        while True:
            for bar in closer.due(self._seam.venue_now_ms()):
                await self._seam.receive(bar)
            past_ms = self._seam.venue_now_ms() - int(grace_s * 1_000)
            ahead_ms = self._interval.floor(past_ms) + self._interval.ms - past_ms
            await asyncio.sleep(min(ahead_ms / 1_000, _LOOK_S))

    async def _read(self, connection: ClientConnection, closer: Closer | None) -> NoReturn:
        """Raises: ConnectionClosed: by the venue. FeedError: it went silent, or speaks another dialect."""
        clock = asyncio.get_running_loop().time
        refused_in_a_row = 0
        try:
            async with asyncio.timeout(None) as silence:
                while True:
                    silence.reschedule(clock() + self._feed.silence_s)
                    frame = await connection.recv(decode=False)
                    # A full inbox may hold us up: that is not the venue's silence.
                    silence.reschedule(None)
                    refused_in_a_row = 0 if await self._take(frame, closer) else refused_in_a_row + 1
                    if refused_in_a_row == _REFUSED_IN_A_ROW:
                        raise FeedError(f"{self._feed.name}: {refused_in_a_row} frames in a row were refused")
        except TimeoutError:
            raise FeedError(f"{self._feed.name}: nothing came for {self._feed.silence_s} s") from None

    async def _take(self, frame: bytes, closer: Closer | None) -> bool:
        """Decode a frame and pass its bars to the seam; returns whether it was one."""
        self._watcher.frames(self._feed.name, int(self._now() * 1_000))
        try:
            bars = self._feed.decode(frame)
        except FrameError as error:
            self._watcher.refused(self._feed.name)
            self._refused += 1
            if self._refused <= _SAMPLES:
                log.warning("frame refused", extra={"venue": self._feed.name, "error": str(error)})
            return False
        for bar in closer.take(bars) if closer else bars:
            await self._seam.receive(bar)
        return True
