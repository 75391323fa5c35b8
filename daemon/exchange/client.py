"""One client of the stand-in exchange: its socket, what it subscribed to, and whether it still answers."""

import asyncio
import itertools
from collections.abc import Callable

from aiohttp import WSMsgType, web

from daemon.exchange.dialects import Session
from daemon.exchange.mischief import half


class Client:
    """A websocket with a session. Sending to one that has gone is no error: its reader notices and removes it."""

    def __init__(
        self,
        number: int,
        socket: web.WebSocketResponse,
        session: Session,
        transport: asyncio.Transport | None,
        since_ms: int,
    ) -> None:
        self.number = number
        self.since_ms = since_ms
        self.session = session
        self.symbols = session.symbols
        self.stalled = False
        self._socket = socket
        self._transport = transport
        self._pings = itertools.count()
        self._owed: dict[bytes, asyncio.Future[None]] = {}

    async def send(self, frame: bytes) -> None:
        """Send a text frame; waits while the client does not read."""
        try:
            await self._socket.send_frame(frame, WSMsgType.TEXT)
        except ConnectionError:
            self.gone()

    def write(self, frames: bytes) -> None:
        """Send websocket frames as they are on the wire."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frames)

    async def hear(self, request: str, now_ms: int) -> None:
        """Take a request and answer it."""
        if self.stalled:
            return
        for answer in self.session.hear(request, now_ms):
            await self.send(answer)
        # What is told reaches the client only after the answer to its subscription.
        self.symbols = self.session.symbols

    async def answer_ping(self, payload: bytes) -> None:
        """Answer the client's own ping."""
        if self.stalled:
            return
        try:
            await self._socket.pong(payload)
        except ConnectionError:
            self.gone()

    async def taken(self, within_s: float) -> None:
        """Wait until the client has read all that was sent, which its answer to a ping shows; else cut it."""
        payload = str(next(self._pings)).encode()
        owed = self._owed[payload] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.ping(payload)
            async with asyncio.timeout(within_s):
                await owed
        except (ConnectionError, TimeoutError):
            self.cut()
        finally:
            self._owed.pop(payload, None)

    async def ping_forever(self, every_s: float, within_s: float, now_ms: Callable[[], int]) -> None:
        """Ping as the venue does, and say what it says unasked. Ends by cancellation, or stalled."""
        while True:
            await asyncio.sleep(every_s)
            if self.stalled:
                return
            said = self.session.beat(now_ms())
            if said is not None:
                await self.send(said)
            await self.taken(within_s)

    def ponged(self, payload: bytes) -> None:
        """The client has answered a ping."""
        owed = self._owed.pop(bytes(payload), None)
        if owed is not None and not owed.done():
            owed.set_result(None)

    def gone(self) -> None:
        """Nobody waits for it any more."""
        self.symbols = ()
        for payload in list(self._owed):
            self.ponged(payload)

    def cut(self) -> None:
        """Break the connection without a word."""
        self.gone()
        if self._transport is not None:
            self._transport.abort()

    def stall(self) -> None:
        """Say and answer nothing any more, and leave the connection open."""
        self.gone()
        self.stalled = True

    def break_within(self, frame: bytes) -> None:
        """Send a part of a frame and be gone."""
        self.gone()
        self.write(half(frame))
        if self._transport is not None:
            self._transport.close()

    async def leave(self, farewell: bytes | None, code: int) -> None:
        """Say good-bye and close."""
        if farewell is not None:
            await self.send(farewell)
        await self._socket.close(code=code)
