"""Sockets by picows, an extra: of websockets' manners, but compiled (gaze bench sockets)."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from picows.websockets.asyncio.client import ClientConnection, connect
from picows.websockets.exceptions import WebSocketException

from core.errors import leaves

_WAITING: Final = 256
"""While so many frames wait, no more are received: the library then lets the venue wait."""


class Frames:
    """A connection of picows, whose frames are taken by `frames`: it tells by itself only of one at a time."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._came: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._lost: WebSocketException | None = None

    async def send(self, message: str) -> None:
        """Raises: WebSocketException: the connection is lost."""
        await self._connection.send(message)

    async def frames(self, most: int) -> list[bytes]:
        """The frames that have come, at least one. Raises: WebSocketException: the connection is lost."""
        while not self._came:
            if self._lost is not None:
                raise self._lost
            self._news.clear()
            await self._news.wait()
        came = [self._came.popleft() for _ in range(min(most, len(self._came)))]
        self._room.set()
        return came

    async def receive_until_lost(self) -> None:
        """Receive what comes."""
        try:
            while True:
                frame = await self._connection.recv(decode=False)
                assert isinstance(frame, bytes)
                self._came.append(frame)
                self._news.set()
                while len(self._came) >= _WAITING:
                    self._room.clear()
                    await self._room.wait()
        except WebSocketException as lost:
            self._lost = lost
            self._news.set()


@asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[Frames]:
    """A context in which a websocket is open; `settings`: of websockets' connect. Raises: OSError: it is lost."""
    try:
        async with connect(url, **settings) as connection, asyncio.TaskGroup() as tasks:
            frames = Frames(connection)
            receiving = tasks.create_task(frames.receive_until_lost())
            yield frames
            receiving.cancel()
    except* WebSocketException as lost:
        raise ConnectionError(str(next(leaves(lost)))) from lost
