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
from daemon.watching import snapshot
from daemon.watching.snapshot import Place
from daemon.watching.watch import Watch

log = logging.getLogger("gaze.watch")

_AT_ONCE: Final = 256
"""Messages decoded together: half a millisecond, during which a burst would wait."""
_PAUSE_S: Final = 0.02
_LOOK_S: Final = 2.0
_KEEP_S: Final = 300.0
"""What is remembered is put away so often, where something was settled: a restart reads the stream on from there."""
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

    @property
    def place(self) -> tuple[str, str]:
        """The last of them that was read, and the first."""

    async def go_on(self, last: str, first: str) -> bool:
        """Begin behind the last one; not where it is no longer there. Raises: StoreError."""


class Memory(Protocol):
    """Where one puts away what the next one is to know."""

    async def load(self) -> bytes:
        """What was put away last; nothing where nothing was. Raises: StoreError."""

    async def save(self, told: bytes) -> None:
        """Put this away. Raises: StoreError."""


class Told(Protocol):
    """What is told of the watch, for metrics."""

    def watched(self, watch: Watch) -> None:
        """Closes were settled."""


class Watcher:
    """Follows the record of one bundle. `busy`: whether bars wait, whose predictions go first.

    `clock_s`: never goes back. `keep_every`: what is remembered is put away at the latest after so many messages.
    """

    def __init__(
        self,
        watch: Watch,
        digest: str,
        record: Record,
        memory: Memory,
        told: Told,
        *,
        busy: Callable[[], bool],
        clock_s: Callable[[], float],
        look_s: float = _LOOK_S,
        keep_s: float = _KEEP_S,
        keep_every: int = 100_000,
    ) -> None:
        self.watch = watch
        self.standing = watch.standing()
        self._reading = watch
        self._digest = digest
        self._record = record
        self._memory = memory
        self._told = told
        self._busy = busy
        self._clock_s = clock_s
        self._look_s = look_s
        self._begun_s = clock_s()
        self._rest_until_s = self._begun_s
        self._away = False
        self._remembers = False
        self._keep_s, self._keep_every = keep_s, keep_every
        self._keep_next_s = self._begun_s + keep_s
        self._unkept = self._kept_closes = 0

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
                if not self._remembers:
                    await self._remember()
                raw = await self._record.read(_AT_ONCE)
                if not raw:
                    await self._caught_up()
                    await self._keep()
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
        self._unkept += len(raw)
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

    async def _remember(self) -> None:
        """Go on from what the daemon before put away, of this bundle, where the stream still has its end."""
        watch = self.watch
        raw = await self._memory.load()
        about = snapshot.about(raw)
        gone_on = False
        if raw and snapshot.fits(about, watch, self._digest) and about:
            gone_on = await self._record.go_on(about.place.last, about.place.first)
            if not gone_on:
                log.warning("the stream has lost what was read of it last: what it still has is read")
        if self._reading is not watch:
            self._record.rewind()
            return
        if gone_on:
            gone_on = await asyncio.to_thread(snapshot.go_on, watch, raw)
        if gone_on:
            log.info("what was remembered of the stream is gone on from", extra={"closes": watch.closes})
            self._tell()
        elif self._reading is watch:
            self._record.rewind()
        self._remembers = True

    async def _keep(self) -> None:
        """Put away what is remembered, now and then: all is read, so that it is a fold up to one entry."""
        watch, now = self.watch, self._clock_s()
        due = now >= self._keep_next_s or self._unkept >= self._keep_every
        if not due or self._reading is not watch or watch.closes == self._kept_closes:
            return
        place = Place(*self._record.place)
        raw = await asyncio.to_thread(snapshot.put_away, watch, self._digest, place)
        await self._memory.save(raw)
        self._unkept, self._kept_closes = 0, watch.closes
        self._keep_next_s = now + max(self._keep_s, _REST * (self._clock_s() - now))

    def _begin(self) -> None:
        self._begun_s = self._clock_s()
        self._remembers, self._kept_closes = True, 0
        self._record.rewind()

    def _tell(self) -> None:
        self.standing = self.watch.standing()
        self._told.watched(self.watch)

    def _tell_away(self, error: StoreError) -> None:
        if not self._away:
            log.warning("what was published cannot be read, so nothing is watched", extra={"error": str(error)})
        self._away = True
