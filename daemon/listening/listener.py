"""Keeps a venue's sockets open; what they bring goes through the seam into the inbox."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, NoReturn, Protocol

from core.bars import Bar, Interval
from core.errors import FrameError
from daemon.listening.backoff import Backoff
from daemon.listening.fills import Fills
from daemon.listening.lane import Lane
from daemon.listening.pace import Pace
from daemon.listening.seam import Seam
from daemon.listening.wire import Way, Wire
from daemon.ports import Feed

log = logging.getLogger("gaze.feed")

_SAMPLES: Final = 5
"""Refused frames that are logged; all are counted."""


class Watcher(Protocol):
    """What is told of the sockets, for metrics."""

    def feed_up(self, venue: str, *, up: bool) -> None:
        """Every subscription of the venue is carried by a socket, or some is not."""

    def frames(self, venue: str, received_at_ms: int, count: int = 1) -> None:
        """Frames came."""

    def refused(self, venue: str) -> None:
        """A frame was dropped."""

    def reconnected(self, venue: str) -> None:
        """A socket was opened again."""

    def disagreed(self, venue: str) -> None:
        """Two sockets told one bar differently."""


class Listener:
    """One venue's sockets. `now`: the wall clock in Unix seconds. `healthy_s`: a socket open so long was no failure.

    `spares`: so many more sockets carry each subscription. `hello_spacing_s`: time between two messages to the venue.
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
        wire: Way = Wire(),  # noqa: B008 - frozen
        spares: int = 0,
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
        healthy_s: float = 60.0,
        hello_spacing_s: float = 0.25,
    ) -> None:
        self._feed = feed
        self._interval = interval
        self._seam = seam
        self._fills = fills
        self._watcher = watcher
        self._now = now
        self._refused = 0
        self._up = False
        pace = Pace(*feed.openings) if feed.openings else None
        self._lanes = [
            Lane(
                feed,
                socket,
                socket.symbols or tuple(symbols),
                interval,
                seam,
                wire,
                spares=spares,
                heard=self._heard,
                changed=self._changed,
                reopened=lambda: watcher.reconnected(feed.name),
                disagreed=self._asked_again,
                pace=pace,
                backoff=backoff,
                healthy_s=healthy_s,
                hello_spacing_s=hello_spacing_s,
            )
            for socket in feed.sockets(tuple(symbols), interval)
        ]

    @property
    def live(self) -> bool:
        """Whether every subscription is carried by a socket, and every symbol past its history."""
        return all(lane.is_open for lane in self._lanes) and self._seam.joined

    async def listen_forever(self) -> NoReturn:
        """Keep all sockets open, and no bar missing. Ends only by cancellation."""
        async with asyncio.TaskGroup() as tasks:
            for number, lane in enumerate(self._lanes):
                tasks.create_task(lane.keep_forever(), name=f"socket:{self._feed.name}:{number}")
            tasks.create_task(self._seam.chase_forever(), name=f"chase:{self._feed.name}")
            tasks.create_task(self._fills.fill_forever(), name=f"fill:{self._feed.name}")
        raise AssertionError("none of them ends")

    def _changed(self) -> None:
        up = all(lane.is_open for lane in self._lanes)
        if up != self._up:
            self._up = up
            self._watcher.feed_up(self._feed.name, up=up)

    def _asked_again(self, bar: Bar) -> None:
        """Two sockets tell a bar differently: the first counts until history has spoken."""
        self._watcher.disagreed(self._feed.name)
        self._fills.request_fill(bar.symbol, bar.opened_at_ms, bar.opened_at_ms + self._interval.ms)

    def _heard(self, count: int, refused: Sequence[FrameError]) -> None:
        self._watcher.frames(self._feed.name, int(self._now() * 1_000), count)
        for error in refused:
            self._watcher.refused(self._feed.name)
            self._refused += 1
            if self._refused <= _SAMPLES:
                log.warning("frame refused", extra={"venue": self._feed.name, "error": str(error)})
