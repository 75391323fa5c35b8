"""What a watch remembers, put away as bytes, so that a daemon goes on where another ended. Pure.

The stream is the record, and what is remembered is a fold over it; but the stream is trimmed at its beginning, and then
a fold over what is left is another one.
"""

import logging
from typing import Any, Final

import msgspec
import numpy as np

from core.errors import UNREADABLE
from daemon.watching.watch import Remembered, Watch

log = logging.getLogger("gaze.watch")

SCHEMA: Final = 1
"""The version of what is put away, and of how it is come by: another is not read, and the stream is folded instead."""


class Place(msgspec.Struct, frozen=True):
    """How far a stream was read: the ids of the last entry, and of the first."""

    last: str
    first: str


class About(msgspec.Struct, frozen=True):
    """Whose memory it is: of this bundle under these settings, having read so far."""

    schema: int
    digest: str
    settings: str
    place: Place


class _Put(msgspec.Struct, frozen=True):
    about: About
    state: msgspec.Raw


def put_away(watch: Watch, digest: str, place: Place) -> bytes:
    """What it remembers after it has read so far."""
    state = msgspec.Raw(msgspec.msgpack.encode(watch.state(), enc_hook=_array_told))
    return msgspec.msgpack.encode(_Put(About(SCHEMA, digest, watch.settings, place), state))


def about(raw: bytes) -> About | None:
    """Whose it is; None where this is no memory of this version."""
    try:
        told = msgspec.msgpack.decode(raw, type=_Put).about
    except UNREADABLE:
        return None
    return told if told.schema == SCHEMA else None


def fits(told: About | None, watch: Watch, digest: str) -> bool:
    """Whether a watch of this bundle may go on from it; said where it may not."""
    asked = f"schema {SCHEMA}, bundle {digest}, {watch.settings}"
    found = f"schema {told.schema}, bundle {told.digest}, {told.settings}" if told else "another schema"
    if found != asked:
        log.info("what another watch remembered is not gone on from", extra={"expected": asked, "found": found})
    return found == asked


def go_on(watch: Watch, raw: bytes) -> bool:
    """Give it what was put away; whether that was whole."""
    try:
        state = msgspec.msgpack.decode(raw, type=_Put).state
        remembered = msgspec.msgpack.decode(state, type=Remembered, dec_hook=_array)
    except UNREADABLE as error:
        log.warning("what was remembered is broken", extra={"error": str(error)})
        return False
    watch.restore(remembered)
    return True


def _array_told(array: Any) -> Any:
    if isinstance(array, np.ndarray):
        return array.dtype.str, array.shape, array.tobytes()
    if isinstance(array, np.floating):
        return float(array)
    raise TypeError(f"{type(array)} cannot be put away")


def _array(_: type, told: tuple[str, list[int], bytes]) -> Any:
    kind, shape, content = told
    return np.frombuffer(content, kind).reshape(shape).copy()
