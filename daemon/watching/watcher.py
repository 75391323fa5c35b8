"""Reads what the daemon published, behind it and at leisure, and tells how the model stands."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, NoReturn, Protocol

from core.errors import StoreError
from daemon.ports import Standing
from daemon.stores.record import said
from daemon.watching.watch import Watch

log = logging.getLogger("gaze.watch")

_AT_ONCE: Final = 256
"""Messages decoded together: half a millisecond, during which a burst would wait."""
_PAUSE_S: Final = 0.02
_LOOK_S: Final = 2.0


class Record(Protocol):
    """The messages, in the order in which they were published."""

    async def read(self, count: int) -> list[bytes]:
        """The next of them; none when all is read. Raises: StoreError."""

    def rewind(self) -> None:
        """Begin with the first of them again."""


class Told(Protocol):
    """What is told of the watch, for metrics."""

    def watched(self, watch: Watch) -> None:
        """Closes were settled."""


class Watcher:
    """Follows the record of one bundle. `busy`: whether bars wait, whose predictions go first."""

    def __init__(
        self,
        watch: Watch,
        digest: str,
        record: Record,
        told: Told,
        *,
        busy: Callable[[], bool],
        look_s: float = _LOOK_S,
    ) -> None:
        self.watch = watch
        self.standing = Standing()
        self._digest = digest
        self._record = record
        self._told = told
        self._busy = busy
        self._look_s = look_s
        self._away = False

    def switch(self, watch: Watch, digest: str) -> None:
        """Watch another bundle from here on: what it had published before is taken in first."""
        self.watch, self._digest, self.standing = watch, digest, Standing()
        self._record.rewind()

    async def watch_forever(self) -> NoReturn:
        """Take in what is published. Ends only by cancellation."""
        while True:
            if self._busy():
                await asyncio.sleep(_PAUSE_S)
                continue
            try:
                raw = await self._record.read(_AT_ONCE)
                self._away = False
            except StoreError as error:
                self._tell_away(error)
                raw = []
            if raw:
                await self._take(raw)
            await asyncio.sleep(_PAUSE_S if raw else self._look_s)

    async def _take(self, raw: list[bytes]) -> None:
        watch, digest = self.watch, self._digest
        settled = await asyncio.to_thread(lambda: watch.take(said(raw, digest)))
        if settled and watch is self.watch:
            self.standing = watch.standing()
            self._told.watched(watch)

    def _tell_away(self, error: StoreError) -> None:
        if not self._away:
            log.warning("what was published cannot be read, so nothing is watched", extra={"error": str(error)})
        self._away = True
