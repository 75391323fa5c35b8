"""FastStream 0.7 on Redis in its documented style: a handler for each bar on a stream, whose answer is published."""

import asyncio
import time
from collections import deque
from typing import Any

import msgspec
import numpy as np
import websockets
from faststream import FastStream
from faststream.redis import RedisBroker

from benchmarks.peers.peer import CHANNEL, Peer, bar_of, message


def run(peer: Peer) -> None:
    length = peer.history_NL5.shape[1]
    windows = {
        symbol: deque(bars.tolist(), maxlen=length) for symbol, bars in zip(peer.symbols, peer.history_NL5, strict=True)
    }
    broker = RedisBroker(peer.redis, logger=None)
    app = FastStream(broker, logger=None)
    reading: set[asyncio.Task[None]] = set()

    @broker.subscriber("bars")
    @broker.publisher(CHANNEL)
    async def predict(bar: dict[str, Any]) -> dict[str, Any]:
        windows[bar["symbol"]].append(bar["row"])
        (said,) = await asyncio.to_thread(peer.predict, np.array([windows[bar["symbol"]]]))
        return message(bar["symbol"], bar["opened_at_ms"], bar["received_at_ms"], float(said))

    async def read(requests: list[str]) -> None:
        decoder = msgspec.json.Decoder()
        async with websockets.connect(f"{peer.websocket}/stream", compression=None) as socket:
            for request in requests:
                await socket.send(request)
            async for frame in socket:
                bar = bar_of(decoder.decode(frame))
                if bar:
                    told = {"symbol": bar[0], "opened_at_ms": bar[1], "row": bar[2]}
                    await broker.publish(told | {"received_at_ms": int(time.time() * 1_000)}, "bars")

    @app.after_startup
    async def begin() -> None:
        reading.update(asyncio.create_task(read(requests)) for requests in peer.sockets())

    asyncio.run(app.run())
