"""The obvious pipeline: one bar after the other, each awaited; json, a deque a symbol, redis-py."""

import asyncio
import json
import time
from collections import deque

import numpy as np
import websockets
from redis.asyncio import Redis

from benchmarks.peers.peer import CHANNEL, Peer, bar_of, message


async def follow(peer: Peer, requests: list[str], windows: dict[str, deque[list[float]]], client: Redis) -> None:
    length = peer.history_NL5.shape[1]
    async with websockets.connect(f"{peer.websocket}/stream") as socket:
        for request in requests:
            await socket.send(request)
        async for frame in socket:
            received_at_ms = int(time.time() * 1_000)
            bar = bar_of(json.loads(frame))
            if bar is None:
                continue
            symbol, opened_at_ms, row = bar
            windows[symbol].append(row)
            await client.rpush(f"bars:{symbol}", json.dumps(row))
            await client.ltrim(f"bars:{symbol}", -length, -1)
            (said,) = peer.predict(np.array([windows[symbol]]))
            told = json.dumps(message(symbol, opened_at_ms, received_at_ms, float(said)))
            await client.xadd("stream", {"message": told})
            await client.publish(CHANNEL, told)


async def serve(peer: Peer) -> None:
    length = peer.history_NL5.shape[1]
    windows = {
        symbol: deque(bars.tolist(), maxlen=length) for symbol, bars in zip(peer.symbols, peer.history_NL5, strict=True)
    }
    async with Redis.from_url(peer.redis) as client:
        await asyncio.gather(*(follow(peer, requests, windows, client) for requests in peer.sockets()))


def run(peer: Peer) -> None:
    asyncio.run(serve(peer))
