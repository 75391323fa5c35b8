"""Proxies of a test's own, on loopback: HTTP and SOCKS5, which count whom they led where."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


class Proxy:
    """Where it is, and the host and port of each connection it has led on."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.led: list[str] = []


async def _pipe(reader: Reader, writer: Writer) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def _lead(target: str, reader: Reader, writer: Writer, first: bytes = b"", answer: bytes = b"") -> None:
    host, _, port = target.rpartition(":")
    beyond_reader, beyond_writer = await asyncio.open_connection(host, int(port))
    beyond_writer.write(first)
    writer.write(answer)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_pipe(reader, beyond_writer))
        tasks.create_task(_pipe(beyond_reader, writer))


async def _http(proxy: Proxy, reader: Reader, writer: Writer) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    method, target, _ = head.split(b" ", 2)
    if method == b"CONNECT":
        proxy.led.append(target.decode())
        await _lead(target.decode(), reader, writer, answer=b"HTTP/1.1 200 OK\r\n\r\n")
    else:
        proxy.led.append(urlsplit(target.decode()).netloc)
        await _lead(proxy.led[-1], reader, writer, first=head)


async def _socks5(proxy: Proxy, reader: Reader, writer: Writer) -> None:
    _, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    writer.write(b"\x05\x00")
    _, _, _, kind = await reader.readexactly(4)
    if kind == 1:
        host = ".".join(map(str, await reader.readexactly(4)))
    else:
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    (port,) = struct.unpack(">H", await reader.readexactly(2))
    proxy.led.append(f"{host}:{port}")
    await _lead(proxy.led[-1], reader, writer, answer=b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")


@asynccontextmanager
async def a_proxy(scheme: str) -> AsyncIterator[Proxy]:
    """One that speaks "http" or "socks5"."""
    lead: Callable[[Proxy, Reader, Writer], Awaitable[None]] = _http if scheme == "http" else _socks5
    proxy = Proxy("")
    led: set[asyncio.Task[None]] = set()

    async def serve(reader: Reader, writer: Writer) -> None:
        try:
            await lead(proxy, reader, writer)
        finally:
            writer.close()

    def take(reader: Reader, writer: Writer) -> None:
        led.add(asyncio.ensure_future(serve(reader, writer)))

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        proxy.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield proxy
    # Whoever is led still is let go of: a socket left open would be found in some later test.
    for task in led:
        task.cancel()
    await asyncio.gather(*led, return_exceptions=True)
