"""What a disk refuses, in words a person can act on: no room, no right, something else in the way."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from core.errors import DiskError

if TYPE_CHECKING:
    import polars as pl

_ROOM: Final = "free some space, or write elsewhere"
_RIGHT: Final = "as a user who may, or write elsewhere"
_OTHER: Final = "another name"
_HELP: Final = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: _ROOM,
    errno.EACCES: _RIGHT,
    errno.EPERM: _RIGHT,
    errno.EROFS: _RIGHT,
    errno.EEXIST: _OTHER,
    errno.ENOTDIR: _OTHER,
    errno.EISDIR: _OTHER,
    errno.ENAMETOOLONG: _OTHER,
    errno.EIO: "see what the kernel says of this disk: dmesg",
    errno.EMFILE: "ulimit -n 65536",
}


def refusal(error: OSError) -> DiskError | None:
    """What a disk refused, or None where the error is about something else."""
    helps = _HELP.get(error.errno or 0)
    if helps is None:
        return None
    return DiskError(f"{error.filename or 'a file cannot be written'}: {error.strerror}; try: {helps}")


@contextmanager
def told(path: Path) -> Iterator[None]:
    """While polars writes to `path`: it wraps what the disk says into errors of its own. Raises: DiskError."""
    import polars as pl  # noqa: PLC0415 - loaded only where files of bars are

    try:
        yield
    except pl.exceptions.ComputeError as error:
        refused = _of_polars(error, path)
        if refused is None:
            raise
        raise refused from error


def _of_polars(error: "pl.exceptions.ComputeError", path: Path) -> DiskError | None:
    found = re.search(r"([\w -]+) \(os error (\d+)\)", str(error))
    return None if found is None else refusal(OSError(int(found[2]), found[1].strip(), str(path)))
