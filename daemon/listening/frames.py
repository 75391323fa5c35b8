"""Frames off a socket of websockets, all that have come at once.

When bars close a venue tells hundreds of them in one breath, and the library makes an object and a hand-over of each.
Here frames that are plain and whole are cut out of the bytes as they come. All else goes through the library, byte for
byte: the opening, pings, the close, messages in parts, what is compressed, and what is broken.
"""

import asyncio
from collections import deque
from typing import Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State

FRAME_BYTES: Final = 1024 * 1024
"""The library fails a connection that brings a longer message."""

# RFC 6455, 5.2: the last frame of a message of text or of bytes, with no bit of an extension.
_PLAIN: Final = (0x81, 0x82)
_SHORT: Final = 125
_TWO_BYTES: Final = 126
_MASKED: Final = 128
_DATA: Final = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
_ANSWERED: Final = b"\r\n\r\n"
_WAITING: Final = 16
"""While more frames than these wait, nothing more is read."""


class Frames(ClientConnection):
    """A connection as websockets makes it, whose frames are taken by `frames`."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._came: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._ended = False
        self._held_back = False
        self._rest = b""
        """What has come of a frame, or the last that has come of the venue's answer to our opening."""
        self._extended = False
        self._message = bytearray()
        """What has come of a message in parts."""
        self._in_parts = False

    async def frames(self, most: int) -> list[bytes]:
        """The frames that have come, at least one. Raises: WebSocketException: the connection is lost."""
        while not self._came:
            if self._ended:
                await self.recv()
            self._news.clear()
            await self._news.wait()
        came = [self._came.popleft() for _ in range(min(most, len(self._came)))]
        if self._held_back and not self._came and not self.transport.is_closing():
            self._held_back = False
            self.transport.resume_reading()
        return came

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self.state is State.CONNECTING:
            data = self._open(data)
        if self.state is not State.OPEN or self._extended:
            super().data_received(data)
        else:
            self._rest = self._cut(self._rest + data)
        if self._came:
            self._news.set()
        if len(self._came) > _WAITING and not self._held_back:
            self._held_back = True
            self.transport.pause_reading()

    def process_event(self, event: Event) -> None:
        """The library has read something."""
        if not isinstance(event, Frame) or event.opcode not in _DATA:
            super().process_event(event)
            return
        self._message += event.data
        self._in_parts = not event.fin
        if event.fin:
            self._came.append(bytes(self._message))
            self._message.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more comes."""
        super().connection_lost(exc)
        self._ended = True
        self._news.set()

    def _open(self, data: bytes) -> bytes:
        """Give the library the venue's answer to our opening; returns what came behind it."""
        seen, mark, behind = (self._rest + data).partition(_ANSWERED)
        self._rest = b"" if mark else seen[1 - len(_ANSWERED) :]
        super().data_received(data[: len(data) - len(behind)])
        self._extended = self.response is not None and "Sec-WebSocket-Extensions" in self.response.headers
        return behind

    def _cut(self, told: bytes) -> bytes:
        """Take the frames out of these bytes; returns the beginning of one that is not whole yet."""
        at, size = 0, len(told)
        while size - at > 1:
            length, begin = told[at + 1], at + 2
            if length > _SHORT:
                if length >= _MASKED:
                    return self._leave(told[at:])
                begin += 2 if length == _TWO_BYTES else 8
                if begin > size:
                    break
                length = int.from_bytes(told[at + 2 : begin])
                if length > FRAME_BYTES:
                    return self._leave(told[at:])
            end = begin + length
            if end > size:
                break
            if told[at] in _PLAIN and not self._in_parts:
                self._came.append(told[begin:end])
            else:
                super().data_received(told[at:end])
                if self.state is not State.OPEN:
                    return self._leave(told[end:])
            at = end
        return told[at:]

    def _leave(self, told: bytes) -> bytes:
        """Leave the rest to the library, which ends the connection."""
        super().data_received(told)
        return b""
