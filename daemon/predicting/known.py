"""The external records that are known now: a file that is read again when it has changed.

A record counts from when it became known, so one that is written later than that, after a bar it should have counted
for was predicted, makes what was published differ from what training would compute. Such records are told: a model
whose records take a minute to be written needs `delay_s` of a minute.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, Protocol

from core import recordfile
from core.bundle import Input
from core.errors import ConfigError, DataError
from core.external import External, Records

log = logging.getLogger("gaze.external")

_State = tuple[int, int, int]


class Watcher(Protocol):
    """What is told of the records, for metrics."""

    def records_known(self, newest_ms: dict[str, int]) -> None:
        """When the newest record of each name became known."""

    def records_late(self, count: int) -> None:
        """So many came after a bar was predicted for which they should have counted."""

    def records_refused(self) -> None:
        """The file could not be read again; what was known before is kept."""


class Known:
    """The records of one file. `closed_until_ms`: until when bars have been predicted.

    Raises: ConfigError: the model reads external records and no file is named, or the file has none of some name.
    DataError: it cannot be read.
    """

    def __init__(
        self,
        path: str,
        external: Sequence[External],
        spelling: Callable[[str], str],
        watcher: Watcher,
        *,
        look_s: float,
        closed_until_ms: Callable[[], int],
    ) -> None:
        self._path = Path(path)
        self._names = sorted({one.name for one in external})
        self._spelling = spelling
        self._watcher = watcher
        self._look_s = look_s
        self._closed_until_ms = closed_until_ms
        self._state = self._look()
        self._records = read_records(path, external, spelling)
        self._tell()

    def __call__(self) -> Records:
        """Those known now."""
        return self._records

    async def look_forever(self) -> NoReturn:
        """Read the file again whenever it has changed. Ends only by cancellation."""
        while True:
            await asyncio.sleep(self._look_s)
            await self.look()

    async def look(self) -> None:
        """Read the file again if it has changed; one that cannot be read changes nothing."""
        state = self._look()
        if state == self._state:
            return
        self._state = state
        try:
            read = await asyncio.to_thread(recordfile.read, self._path, self._spelling)
        except DataError as error:
            log.warning("external records cannot be read again, the old ones count", extra={"error": str(error)})
            self._watcher.records_refused()
            return
        until_ms = self._closed_until_ms()
        late = max(0, read.known_by(until_ms) - self._records.known_by(until_ms))
        self._records = read
        if late:
            log.warning("records came after bars they should have counted for", extra={"records": late})
            self._watcher.records_late(late)
        self._tell()

    def _tell(self) -> None:
        newest = {name: self._records.newest_ms(name) for name in self._names}
        self._watcher.records_known({name: at_ms for name, at_ms in newest.items() if at_ms is not None})

    def _look(self) -> _State | None:
        try:
            told = self._path.stat()
        except OSError:
            return None
        return told.st_mtime_ns, told.st_size, told.st_ino


def external(inputs: Sequence[Input]) -> tuple[External, ...]:
    """All that a model reads of external records."""
    return tuple(dict.fromkeys(one for reads in inputs for one in reads.external))


def read_records(path: str, wanted: Sequence[External], spelling: Callable[[str], str]) -> Records:
    """The records that a model reads.

    Raises: ConfigError: no file is named, or it has none of some name. DataError: it cannot be read.
    """
    names = sorted({one.name for one in wanted})
    if not path:
        raise ConfigError(
            f"the model reads external records of {', '.join(names)}, and [external] path names no file of them; "
            "try: --set external.path=records.jsonl, see docs/how-to/external.md"
        )
    records = recordfile.read(Path(path), spelling)
    lacking = [name for name in names if name not in records.names]
    if lacking:
        raise ConfigError(f"{path} has no record of {', '.join(lacking)}; try: write one before the daemon starts")
    return records
