"""A competent pipeline: one array of windows, batches of 256 off a queue, the model in a thread, pipelines to Redis."""

import asyncio
import time

import msgspec
import numpy as np
import uvloop
import websockets
from redis.asyncio import Redis

from benchmarks.peers.peer import CHANNEL, Peer, bar_of, message

_BATCH = 256
Arrived = tuple[str, int, list[float], int]


async def read(peer: Peer, requests: list[str], queue: asyncio.Queue[Arrived]) -> None:
    decoder = msgspec.json.Decoder()
    async with websockets.connect(f"{peer.websocket}/stream", compression=None) as socket:
        for request in requests:
            await socket.send(request)
        async for frame in socket:
            bar = bar_of(decoder.decode(frame))
            if bar:
                queue.put_nowait((*bar, int(time.time() * 1_000)))


async def serve(peer: Peer) -> None:
    places = {symbol: place for place, symbol in enumerate(peer.symbols)}
    windows_NL5 = peer.history_NL5
    queue: asyncio.Queue[Arrived] = asyncio.Queue()
    async with Redis.from_url(peer.redis) as client, asyncio.TaskGroup() as tasks:
        for requests in peer.sockets():
            tasks.create_task(read(peer, requests, queue))
        while True:
            batch = [await queue.get()]
            while len(batch) < _BATCH and not queue.empty():
                batch.append(queue.get_nowait())
            rows = np.array([places[symbol] for symbol, *_ in batch])
            windows_NL5[rows, :-1] = windows_NL5[rows, 1:]
            windows_NL5[rows, -1] = [row for _, _, row, _ in batch]
            said = (await asyncio.to_thread(peer.predict, windows_NL5[rows])).tolist()
            async with client.pipeline(transaction=False) as pipe:
                for (symbol, opened_at_ms, row, received_at_ms), one in zip(batch, said, strict=True):
                    told = msgspec.json.encode(message(symbol, opened_at_ms, received_at_ms, one))
                    pipe.rpush(f"bars:{symbol}", msgspec.json.encode(row))
                    pipe.ltrim(f"bars:{symbol}", -windows_NL5.shape[1], -1)
                    pipe.xadd("stream", {"message": told})
                    pipe.publish(CHANNEL, told)
                await pipe.execute()


def run(peer: Peer) -> None:
    uvloop.run(serve(peer))
