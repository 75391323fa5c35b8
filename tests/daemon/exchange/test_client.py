"""One client of the stand-in exchange that has gone before its reader noticed."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest
import uvloop
from aiohttp import web

from core.barfile import BarFile
from daemon.exchange.client import Client
from daemon.exchange.dialects import dialect
from daemon.exchange.market import Market


class Line(asyncio.Protocol):
    """The venue's end of a connection."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        self.gone.set()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_what_is_told_to_one_that_has_gone_is_no_error(run: Callable[..., None], week: BarFile):
    session = dialect("binance", Market(week)).session("/stream", {})
    assert session is not None

    async def tell() -> None:
        line = Line()
        server = await asyncio.get_running_loop().create_server(lambda: line, "127.0.0.1", 0)
        async with server, asyncio.timeout(100):
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.close()
            await line.gone.wait()
            client = Client(0, web.WebSocketResponse(), session, line.transport, 0)
            client.write(b"a frame")
            client.break_within(b"another")
            client.cut()

    run(tell())
