"""One subscription, kept open: by hot spares where they are asked for, and by a successor before the venue ends it."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import Final, NoReturn
from urllib.parse import urlsplit

from core.bars import Bar, Interval
from core.errors import FrameError
from daemon.listening.agreement import Agreement
from daemon.listening.backoff import Backoff
from daemon.listening.line import Line
from daemon.listening.pace import Pace
from daemon.listening.seam import Seam
from daemon.listening.wire import Way
from daemon.ports import Feed, Socket

log = logging.getLogger("gaze.feed")

_FRESH_S: Final = 10.0
"""A line that has been silent for longer does not vouch for another that opens."""
_OVERLAP_S: Final = 1.0
"""So long a socket is read on beside its successor."""
_LIVED: Final = (0.80, 0.95)
"""The share of its life after which a socket is replaced: any within, so that not all are at once."""


class Lane:
    """Keeps one subscription open over `spares` + 1 sockets; each bar is passed on once.

    `heard`: told of frames, and why some were refused. `changed`: told when a socket has opened or closed. `reopened`:
    when one was lost and is open again. `disagreed`: two told this bar differently. `pace`: that of the venue's sockets
    together. `healthy_s`: a socket open so long was no failure.
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
        spares: int,
        heard: Callable[[int, Sequence[FrameError]], None],
        changed: Callable[[], None],
        reopened: Callable[[], None],
        disagreed: Callable[[Bar], None],
        pace: Pace | None,
        backoff: Backoff,
        healthy_s: float,
        hello_spacing_s: float,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._feed = feed
        self._socket = socket
        self._symbols = symbols
        self._interval = interval
        self._seam = seam
        self._wire = wire
        self._spares = spares
        self._heard = heard
        self._changed = changed
        self._reopened = reopened
        self._disagreed = disagreed
        self._pace = pace
        self._backoff = backoff
        self._healthy_s = healthy_s
        self._hello_spacing_s = hello_spacing_s
        self._chance = chance
        self._agreement = Agreement(len(symbols))
        self._lines: dict[int, Line] = {}
        self._opened = 0
        self._told = {"venue": feed.name, "host": urlsplit(socket.url).netloc.rpartition("@")[2]}

    @property
    def is_open(self) -> bool:
        """Whether at least one socket carries it."""
        return any(line.is_open for line in self._lines.values())

    async def keep_forever(self) -> NoReturn:
        """Keep all its sockets open. Ends only by cancellation."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._spares + 1):
                tasks.create_task(self._keep())
        raise AssertionError("none of them ends")

    async def _keep(self) -> NoReturn:
        """Keep one socket open, and open its successor while it still is."""
        clock = asyncio.get_running_loop().time
        failures = 0
        lost = False
        before: asyncio.Task[str] | None = None
        async with asyncio.TaskGroup() as tasks:
            while True:
                number, line = self._new_line(again=lost)
                talk = tasks.create_task(self._talk(number, line))
                if before is not None:
                    await _first_of(talk, line.ready)
                    if line.ready.is_set():
                        tasks.create_task(_retire(before))
                        before = None
                await _first_of(talk, line.due)
                if not talk.done():
                    log.info("replacing a socket before its end", extra=self._told)
                    before, lost = talk, False
                    continue
                if line.opened_at_s is not None and clock() - line.opened_at_s >= self._healthy_s:
                    failures = 0
                pause_s = self._backoff.pause_s(failures)
                failures += 1
                lost = lost or line.opened_at_s is not None
                log.warning(
                    "socket lost, opening it again",
                    extra={**self._told, "reason": talk.result(), "pause_s": round(pause_s, 3)},
                )
                await asyncio.sleep(pause_s)

    def _new_line(self, *, again: bool) -> tuple[int, Line]:
        number = self._opened
        self._opened += 1
        counted = False

        def changed() -> None:
            nonlocal counted
            if again and not counted and line.is_open:
                counted = True
                self._reopened()
            self._changed()

        life_s = self._feed.life_s
        least, most = _LIVED
        line = Line(
            self._feed,
            self._socket,
            self._symbols,
            self._interval,
            self._seam,
            self._wire,
            take=lambda bars: self._take(number, bars),
            heard=self._heard,
            covered=lambda: self._covers(number),
            changed=changed,
            hello_spacing_s=self._hello_spacing_s,
            due_s=None if life_s is None else life_s * (least + (most - least) * self._chance()),
        )
        return number, line

    async def _talk(self, number: int, line: Line) -> str:
        self._lines[number] = line
        try:
            if self._pace:
                await self._pace.turn()
            return await line.talk()
        finally:
            del self._lines[number]
            self._changed()

    def _covers(self, number: int) -> bool:
        """Whether another line has told something lately."""
        since_s = asyncio.get_running_loop().time() - _FRESH_S
        return any(
            other != number and line.is_open and line.ready.is_set() and line.heard_at_s >= since_s
            for other, line in self._lines.items()
        )

    async def _take(self, number: int, bars: Sequence[Bar]) -> None:
        if len(self._lines) == 1:
            self._agreement.hear_alone(number, bars)
        else:
            bars = [bar for bar in bars if not bar.closed or self._agrees(number, bar)]
        await self._seam.receive(bars)

    def _agrees(self, number: int, bar: Bar) -> bool:
        """Whether this socket's closed bar is passed on, others being open beside it."""
        disagreements = self._agreement.disagreements
        taken = self._agreement.takes(number, bar, self._lines)
        if self._agreement.disagreements > disagreements:
            log.warning(
                "two sockets tell a bar differently, the first counts",
                extra={**self._told, "symbol": bar.symbol, "opened_at_ms": bar.opened_at_ms},
            )
            self._disagreed(bar)
        return taken


async def _retire(talk: asyncio.Task[str]) -> None:
    """End a talk once what was sent to it before its successor subscribed has been read."""
    await asyncio.wait({talk}, timeout=_OVERLAP_S)
    talk.cancel()


async def _first_of(talk: asyncio.Task[str], event: asyncio.Event) -> None:
    """Wait until the talk has ended or the event is set."""
    waits = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({talk, waits}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waits.cancel()
