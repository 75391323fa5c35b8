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

from core.bars import LATEST_MS, LOW, Interval
from core.windows import EMPTY, Windows
from daemon.ports import Entry

ROW: Final = np.dtype([("opened_at_ms", "<i8"), ("written", "<i4"), ("published", "<i4"), ("bar", "<f8", (5,))])
_PLACED: Final = struct.Struct("<iqii5d")


def size_bytes(capacity: int) -> int:
    """The memory of one symbol's bars."""
    return capacity * ROW.itemsize


def offset_bytes(slot: int) -> int:
    """Where in the ring a slot begins."""
    return slot * ROW.itemsize


def pack(entries: Sequence[Entry], interval: Interval, capacity: int) -> list[bytes]:
    """Of each entry where its slot begins (i32), then its row as it is once its message, if it has one, is out."""
    begins = {
        opened_at_ms: offset_bytes(interval.number(opened_at_ms) % capacity)
        for opened_at_ms in {entry.opened_at_ms for entry in entries}
    }
    return [
        _PLACED.pack(
            begins[entry.opened_at_ms],
            entry.opened_at_ms,
            entry.revision + 1,
            entry.revision + 1 if entry.message else 0,
            *entry.row,
        )
        for entry in entries
    ]


def rows(windows: Windows, some: slice) -> npt.NDArray[np.void]:
    """(N, capacity) of ROW: the rings of the symbols at these positions, published marks included."""
    opened_at_ms_NC = windows.opened_at_ms_SC[some]
    rows_NC = np.zeros(opened_at_ms_NC.shape, ROW)
    rows_NC["opened_at_ms"] = opened_at_ms_NC
    rows_NC["written"] = windows.revision_SC[some] + 1
    rows_NC["published"] = windows.published_SC[some] + 1
    rows_NC["bar"] = windows.rows_SC5[some]
    rows_NC[opened_at_ms_NC == EMPTY] = np.zeros((), ROW)
    return rows_NC


def merge(windows: Windows, first: int, rings: Sequence[bytes | None]) -> list[bytes | None]:
    """What these rings, of the symbols from position `first` on, become with newer bars from the windows.

    None for a ring that has them all. Of a bar that both have, what the ring says was published stays.
    """
    theirs_NC = unpack(rings, windows.interval, windows.capacity)
    mine_NC = rows(windows, slice(first, first + len(rings)))
    same_NC = mine_NC["opened_at_ms"] == theirs_NC["opened_at_ms"]
    newer_NC = (mine_NC["opened_at_ms"] > theirs_NC["opened_at_ms"]) | (
        same_NC & (mine_NC["written"] > theirs_NC["written"])
    )
    mine_NC["published"] = np.where(same_NC, theirs_NC["published"], mine_NC["published"])
    theirs_NC[newer_NC] = mine_NC[newer_NC]
    return [row_C.tobytes() if newer_C.any() else None for row_C, newer_C in zip(theirs_NC, newer_NC, strict=True)]


def unpack(rings: Sequence[bytes | None], interval: Interval, capacity: int) -> npt.NDArray[np.void]:
    """N rings as they are stored -> (N, capacity) of ROW; None is a symbol without one.

    A row is emptied unless its time is one, is on the interval's grid, belongs in its slot and lies within the capacity
    of the symbol's newest bar, its numbers are finite and its prices above zero.
    """
    size = offset_bytes(capacity)
    told = bytearray().join((ring or b"")[:size].ljust(size, b"\0") for ring in rings)
    rows_NC = np.frombuffer(told, ROW).reshape(len(rings), capacity)
    number_NC, off_grid_NC = np.divmod(rows_NC["opened_at_ms"] - interval.anchor_ms, interval.ms)
    trusted_NC = (
        (rows_NC["written"] > 0)
        & (off_grid_NC == 0)
        & (number_NC % capacity == np.arange(capacity))
        & (rows_NC["opened_at_ms"] >= 0)
        & (rows_NC["opened_at_ms"] <= LATEST_MS)
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
    # More than one bar may have changed.
    windows.changes_S[some] += 2
    return int(there_NC.sum())
