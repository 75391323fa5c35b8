"""Reads what the daemon published, behind it and at leisure, and tells how the model stands.

What comes to a close after it was settled has the record read again from its beginning, by a watch that knows of it;
until that has come as far, the one before stands.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, NoReturn, Protocol

from core.errors import StoreError
from daemon.stores.record import said
from daemon.watching.watch import Watch

log = logging.getLogger("gaze.watch")

_AT_ONCE: Final = 256
"""Messages decoded together: half a millisecond, during which a burst would wait."""
_PAUSE_S: Final = 0.02
_LOOK_S: Final = 2.0
_REST: Final = 9
"""Reading the record again may take a tenth of the time: so many times as long it is not read again."""


class Record(Protocol):
    """The messages, in the order in which they were published."""

    async def read(self, count: int) -> list[bytes]:
        """The next of them; none when all is read. Raises: StoreError."""

    async def whole(self) -> bool:
        """Whether all that was read could be read again. Raises: StoreError."""

    def rewind(self) -> None:
        """Begin with the first of them again."""


class Told(Protocol):
    """What is told of the watch, for metrics."""

    def watched(self, watch: Watch) -> None:
        """Closes were settled."""


class Watcher:
    """Follows the record of one bundle. `busy`: whether bars wait, whose predictions go first.

    `clock_s`: never goes back.
    """

    def __init__(
        self,
        watch: Watch,
        digest: str,
        record: Record,
        told: Told,
        *,
        busy: Callable[[], bool],
        clock_s: Callable[[], float],
        look_s: float = _LOOK_S,
    ) -> None:
        self.watch = watch
        self.standing = watch.standing()
        self._reading = watch
        self._digest = digest
        self._record = record
        self._told = told
        self._busy = busy
        self._clock_s = clock_s
        self._look_s = look_s
        self._begun_s = clock_s()
        self._rest_until_s = self._begun_s
        self._away = False

    def switch(self, watch: Watch, digest: str) -> None:
        """Watch another bundle from here on: what it had published before is taken in first."""
        self.watch = self._reading = watch
        self._digest, self.standing = digest, watch.standing()
        self._begin()

    def begin_again(self) -> None:
        """Read the record from its beginning: it is another one now."""
        self._reading = self.watch.again(same=False)
        self._begin()

    async def watch_forever(self) -> NoReturn:
        """Take in what is published. Ends only by cancellation."""
        while True:
            if self._busy():
                await asyncio.sleep(_PAUSE_S)
                continue
            try:
                raw = await self._record.read(_AT_ONCE)
                if not raw:
                    await self._caught_up()
                self._away = False
            except StoreError as error:
                self._tell_away(error)
                raw = []
            if raw:
                await self._take(raw)
            await asyncio.sleep(_PAUSE_S if raw or self._reading is not self.watch else self._look_s)

    async def _take(self, raw: list[bytes]) -> None:
        watch, digest = self._reading, self._digest
        settled = await asyncio.to_thread(lambda: watch.take(said(raw, digest)))
        if settled and watch is self.watch:
            self._tell()

    async def _caught_up(self) -> None:
        """All is read. Let what was read again stand; read again where something came late."""
        self._reading.read_to_the_end()
        if self._reading is not self.watch:
            now = self._clock_s()
            self._rest_until_s = now + _REST * (now - self._begun_s)
            self.watch = self._reading
            self._tell()
        if self.watch.late and self._clock_s() >= self._rest_until_s and await self._record.whole():
            log.info("reading the record again, for what came late", extra={"predictions": self.watch.late})
            self._reading = self.watch.again(same=True)
            self._begin()

    def _begin(self) -> None:
        self._begun_s = self._clock_s()
        self._record.rewind()

    def _tell(self) -> None:
        self.standing = self.watch.standing()
        self._told.watched(self.watch)

    def _tell_away(self, error: StoreError) -> None:
        if not self._away:
            log.warning("what was published cannot be read, so nothing is watched", extra={"error": str(error)})
        self._away = True
