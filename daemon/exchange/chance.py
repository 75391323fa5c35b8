"""Chance that can be repeated: a number for each occasion, whatever else is drawn before it."""

from hashlib import blake2b
from typing import Final

_RANGE: Final = 2.0**64


def chance(seed: int, occasion: str, who: str | int, at_ms: int) -> float:
    """A number in [0, 1), evenly spread over occasions and always the same for the same one."""
    digest = blake2b(f"{seed}|{occasion}|{who}|{at_ms}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / _RANGE
