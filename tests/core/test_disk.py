"""What a disk refuses ends in words, not in a traceback; what is no disk's fault stays what it is."""

import errno
from pathlib import Path

import polars as pl
import pytest

from core import disk
from core.errors import DiskError


def test_a_full_disk_is_said_with_the_file_and_what_helps():
    refused = disk.refusal(OSError(errno.ENOSPC, "No space left on device", "run/model.pt"))
    assert str(refused) == "run/model.pt: No space left on device; try: free some space, or write elsewhere"


def test_an_error_that_no_disk_made_is_left_alone():
    assert disk.refusal(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")) is None


def test_what_polars_wraps_is_unwrapped():
    """A file that may not grow, as polars tells of it."""
    message = "parquet: File out of specification: underlying IO error: File too large (os error 27)"
    with (
        pytest.raises(DiskError, match=r"^bars\.parquet: File too large; try: free some space"),
        disk.told(Path("bars.parquet")),
    ):
        raise pl.exceptions.ComputeError(message)


def test_other_troubles_of_polars_are_left_alone():
    with pytest.raises(pl.exceptions.ComputeError), disk.told(Path("bars.parquet")):
        raise pl.exceptions.ComputeError("a bug of ours")
