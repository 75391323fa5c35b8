"""How often the final span of a run, its test part, was looked at: what is chosen after a look flatters the next.

`peeks.json` in the run folder has one entry each time; `gaze train` writes the first.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from core.errors import UNREADABLE, DataError

FILE: Final = "peeks.json"


class Peek(msgspec.Struct, frozen=True):
    """One look: when (UTC, "2026-01-31T12:00:00Z"), by which command, on bars of which fingerprint.

    `beside`: the digests of the other recipes that were judged at the same look.
    """

    at: str
    by: str
    bars_fingerprint: str
    beside: tuple[str, ...] = ()


def encoded(peeks: tuple[Peek, ...]) -> bytes:
    """The content of the file."""
    return msgspec.json.format(msgspec.json.encode(peeks), indent=2)


def read(folder: Path) -> tuple[Peek, ...]:
    """All of them, oldest first.

    Raises: DataError: the file is not there, or damaged.
    """
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=tuple[Peek, ...])
    except (*UNREADABLE, FileNotFoundError) as error:
        raise DataError(f"{folder / FILE} cannot be read ({error}); try: gaze train again") from error


def add(folder: Path, by: str, bars_fingerprint: str, beside: tuple[str, ...] = ()) -> int:
    """Count one more: how many there are now."""
    told = Peek(datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), by, bars_fingerprint, beside)
    peeks = (*read(folder), told)
    writing = folder / f".{FILE}.writing"
    writing.write_bytes(encoded(peeks))
    writing.replace(folder / FILE)
    return len(peeks)


def tried(peeks: tuple[Peek, ...]) -> int:
    """How many recipes the final span has been shown, this one among them; a second look at one is no other try.

    What a Sharpe ratio is deflated by is how many configurations were tried (Bailey and Lopez de Prado 2014).
    """
    return 1 + len({digest for peek in peeks for digest in peek.beside})


def sentence(count: int) -> str:
    """What a person should think of scores after so many looks."""
    if count == 0:
        return "The final span has not been looked at."
    if count == 1:
        return "The final span was looked at once."
    return (
        f"The final span was looked at {count} times: had any choice been made between the looks, "
        "its scores would flatter. Bars that came later would not."
    )
