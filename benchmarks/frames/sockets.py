"""What one frame of a venue costs the processor on its way in, by each library of sockets, in one run.

    gaze bench sockets [--frames 100000] [--repeats 3] [--json]

A process of its own sends klines as fast as they are taken; `read` is the socket alone, `decoded` the same with the
bars in the frames. aiohttp stands beside: it is here for REST, and no socket of ours. The best of the repeats.
"""

import argparse
import asyncio
import base64
import contextlib
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import aiohttp
import uvloop

from benchmarks.frames.decode import frames_of
from daemon.feeds import feed
from daemon.listening.wire import Library, wire

Read = Callable[[], Awaitable[Sequence[bytes]]]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_AT_ONCE = 100
_CLOSE_BYTES = 64


async def send(count: int) -> None:
    """Say the port, then send so many frames to whoever comes, and close when asked to."""
    frames = frames_of("binance", _AT_ONCE)
    chunk = b"".join(b"\x81\x7e" + len(frame).to_bytes(2) + frame for frame in frames)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        (key,) = [line.partition(b": ")[2] for line in lines if line.lower().startswith(b"sec-websocket-key")]
        accepted = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(head + b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n")
        for _ in range(count // _AT_ONCE):
            writer.write(chunk)
            await writer.drain()
        await reader.read(_CLOSE_BYTES)
        writer.write(b"\x88\x00")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@asynccontextmanager
async def ours(library: Library, url: str) -> AsyncIterator[Read]:
    """As the daemon opens them."""
    async with wire(library=library).open(url, pings=False) as connection:
        yield lambda: connection.frames(_AT_ONCE)


@asynccontextmanager
async def by_aiohttp(url: str) -> AsyncIterator[Read]:
    """Its own websocket."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url, decode_text=False) as socket:

        async def read() -> list[bytes]:
            return [bytes((await socket.receive()).data)]

        yield read


async def cost_us(library: str, url: str, count: int, decode: Callable[[bytes], object] | None) -> float:
    """Microseconds of processor time a frame."""
    opened = by_aiohttp(url) if library == "aiohttp" else ours("picows" if library == "picows" else "websockets", url)
    async with opened as read:
        left = count - len(await read())
        timed = left
        begun = time.process_time()
        while left:
            frames = await read()
            left -= len(frames)
            if decode:
                for frame in frames:
                    decode(frame)
        return (time.process_time() - begun) / timed * 1e6


def main() -> None:
    """Measure every library and tell it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--send", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    count = max(1, asked.frames // _AT_ONCE) * _AT_ONCE
    if asked.send:
        asyncio.run(send(count))
        return
    command = [sys.executable, "-m", "benchmarks.frames.sockets", "--send", "--frames", str(count)]
    told = []
    sender = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with sender, contextlib.ExitStack() as stack:
        stack.callback(sender.terminate)
        assert sender.stdout
        url = f"ws://127.0.0.1:{int(sender.stdout.readline())}/"
        for library in ("websockets", "aiohttp", "picows"):
            best = [
                min(uvloop.run(cost_us(library, url, count, decode)) for _ in range(asked.repeats))
                for decode in (None, feed("binance").decode)
            ]
            told.append({"library": library, "read_us": best[0], "decoded_us": best[1]})
    if asked.json:
        print(json.dumps({"cpu": platform.processor(), "cores": os.cpu_count(), "libraries": told}))
        return
    print(f"{'library':12}{'read us':>9}{'decoded us':>12}")
    for one in told:
        print(f"{one['library']:12}{one['read_us']:>9.2f}{one['decoded_us']:>12.2f}")


if __name__ == "__main__":
    main()
