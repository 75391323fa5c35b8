"""What a venue that has gone wrong sends."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from daemon.exchange.chance import chance

_OVERSIZED: Final = 2 * 1024 * 1024
_WRONG: Final = Path(__file__).with_name("wrong.pem")
"""A certificate and its key for wrong.example, signed by nobody: there is nothing to keep secret."""


def garbage(frame: bytes, seed: int, at_ms: int) -> bytes:
    """A frame that is none: a torn one, other JSON, or no JSON at all."""
    kinds = (frame[: len(frame) // 2], b"[" * 5_000, b"null", b"\x00\xff\xfe", b'{"e":"kline","k":{}}', b"")
    return kinds[int(chance(seed, "garbage", "kind", at_ms) * len(kinds))]


def oversized() -> bytes:
    """A frame beyond all measure."""
    return b" " * _OVERSIZED


def half(frame: bytes) -> bytes:
    """The head of a websocket's text frame that promises all of it, and half of what it promises."""
    length = len(frame)
    head = bytes([length]) if length < 126 else b"\x7e" + length.to_bytes(2)  # noqa: PLR2004 - the protocol's own
    return b"\x81" + head + frame[: length // 2]


def changing(right: ssl.SSLContext, wrong: Callable[[], bool]) -> ssl.SSLContext:
    """The same, but that a connection for which `wrong` says so is shown a certificate for another name."""
    other = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    other.load_cert_chain(_WRONG)

    def choose(socket: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        if wrong():
            socket.context = other

    right.sni_callback = choose
    return right
