"""What time this machine has, and what its kernel knows of how right that is."""

import ctypes
import ctypes.util
import time
from typing import Final

import msgspec

_UNSYNCHRONISED: Final = 0x40
_ERROR: Final = 5
_BYTES_AFTER: Final = 512


class _Timex(ctypes.Structure):
    """The head of Linux' struct timex; what follows is not read, and has room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("_rest", ctypes.c_byte * _BYTES_AFTER),
    )


class Clock(msgspec.Struct, frozen=True):
    """Whether something keeps it right, such as chrony or systemd-timesyncd, and by how much it may be off at most."""

    synchronised: bool
    error_s: float


def wall_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


def read() -> Clock | None:
    """Ask the kernel, changing nothing; None where it cannot be asked: another system, a strict sandbox."""
    library = ctypes.util.find_library("c")
    adjtimex = getattr(ctypes.CDLL(library), "adjtimex", None) if library else None
    if adjtimex is None:
        return None
    told = _Timex()
    state = adjtimex(ctypes.byref(told))
    if state < 0:
        return None
    return Clock(state != _ERROR and not told.status & _UNSYNCHRONISED, told.maxerror / 1e6)
