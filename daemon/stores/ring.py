"""The bytes of a ring: one fixed row per slot, so that a bar is written in place and thousands are read at once.

A bar's slot is its number modulo the capacity. A row is little-endian, 56 bytes; all zeros is an empty slot:

    opened_at_ms  i64
    written       i32    revision + 1; 0 where there is no bar
    published     i32    last published revision + 1; 0 where none was
    bar           5 f64  open, high, low, close, volume
"""

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from core.bars import LOW, Interval
from core.windows import EMPTY, Windows

ROW: Final = np.dtype([("opened_at_ms", "<i8"), ("written", "<i4"), ("published", "<i4"), ("bar", "<f8", (5,))])
_PACKER: Final = struct.Struct("<qii5d")


def size_bytes(capacity: int) -> int:
    """The memory of one symbol's bars."""
    return capacity * ROW.itemsize


def offset_bytes(slot: int) -> int:
    """Where in the ring a slot begins."""
    return slot * ROW.itemsize


def pack(opened_at_ms: int, revision: int, bar: tuple[float, float, float, float, float]) -> bytes:
    """One row, not published."""
    return _PACKER.pack(opened_at_ms, revision + 1, 0, *bar)


def dump(windows: Windows, position: int) -> bytes:
    """The whole ring of the symbol at this position, published marks included."""
    rows_C = np.zeros(windows.capacity, ROW)
    there_C = windows.opened_at_ms_SC[position] != EMPTY
    rows_C["opened_at_ms"] = windows.opened_at_ms_SC[position]
    rows_C["written"] = windows.revision_SC[position] + 1
    rows_C["published"] = windows.published_SC[position] + 1
    rows_C["bar"] = windows.rows_SC5[position]
    rows_C[~there_C] = np.zeros((), ROW)
    return rows_C.tobytes()


def unpack(rings: Sequence[bytes | None], interval: Interval, capacity: int) -> npt.NDArray[np.void]:
    """N rings as they are stored -> (N, capacity) of ROW; None is a symbol without one.

    A row is emptied unless its time is on the interval's grid, belongs in its slot and lies within the capacity of the
    symbol's newest bar, its numbers are finite and its prices above zero.
    """
    size = offset_bytes(capacity)
    told = bytearray().join((ring or b"")[:size].ljust(size, b"\0") for ring in rings)
    rows_NC = np.frombuffer(told, ROW).reshape(len(rings), capacity)
    number_NC, off_grid_NC = np.divmod(rows_NC["opened_at_ms"] - interval.anchor_ms, interval.ms)
    trusted_NC = (
        (rows_NC["written"] > 0)
        & (off_grid_NC == 0)
        & (number_NC % capacity == np.arange(capacity))
        & np.isfinite(rows_NC["bar"]).all(axis=-1)
        & (rows_NC["bar"][..., LOW] > 0)
    )
    newest_N1 = np.where(trusted_NC, number_NC, np.iinfo(np.int64).min).max(axis=1, keepdims=True)
    trusted_NC &= number_NC > newest_N1 - capacity
    rows_NC[~trusted_NC] = np.zeros((), ROW)
    return rows_NC


def restore(windows: Windows, first: int, rings: Sequence[bytes | None]) -> int:
    """Set the symbols from position `first` on to what their rings say; returns how many bars that are."""
    rows_NC = unpack(rings, windows.interval, windows.capacity)
    there_NC = rows_NC["written"] > 0
    some = slice(first, first + len(rings))
    windows.opened_at_ms_SC[some] = np.where(there_NC, rows_NC["opened_at_ms"], EMPTY)
    windows.rows_SC5[some] = np.where(there_NC[..., None], rows_NC["bar"], np.nan)
    windows.revision_SC[some] = np.where(there_NC, rows_NC["written"] - 1, 0)
    windows.published_SC[some] = rows_NC["published"] - 1
    windows.newest_ms_S[some] = windows.opened_at_ms_SC[some].max(axis=1)
    windows.changes_S[some] += 1
    return int(there_NC.sum())
