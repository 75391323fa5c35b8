"""bytewax 0.21 in its documented style: a websocket a partition, windows as state by key, the model on batches."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import bytewax.operators as op
import msgspec
import numpy as np
import redis
import websockets
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition, batch_async
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main

from benchmarks.peers.peer import CHANNEL, Peer, bar_of, message

_BATCH = 256


async def _frames(peer: Peer, requests: list[str]) -> AsyncIterator[tuple[str, Any]]:
    decoder = msgspec.json.Decoder()
    async with websockets.connect(f"{peer.websocket}/stream", compression=None) as socket:
        for request in requests:
            await socket.send(request)
        async for frame in socket:
            bar = bar_of(decoder.decode(frame))
            if bar:
                yield bar[0], (*bar, int(time.time() * 1_000))


class _Partition(StatefulSourcePartition[Any, None]):
    def __init__(self, peer: Peer, requests: list[str]) -> None:
        frames, loop = _frames(peer, requests), asyncio.new_event_loop()
        self._batches = batch_async(frames, timedelta(milliseconds=5), _BATCH, loop)

    def next_batch(self) -> list[Any]:
        return next(self._batches)

    def snapshot(self) -> None:
        return None


class _Venue(FixedPartitionedSource[Any, None]):
    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def list_parts(self) -> list[str]:
        return [str(number) for number in range(len(self._peer.sockets()))]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _Partition:  # noqa: ARG002 - its port
        return _Partition(self._peer, self._peer.sockets()[int(for_part)])


class _Channel(StatelessSinkPartition[Any]):
    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)

    def write_batch(self, items: list[bytes]) -> None:
        with self._client.pipeline(transaction=False) as pipe:
            for told in items:
                pipe.xadd("stream", {"message": told})
                pipe.publish(CHANNEL, told)
            pipe.execute()


class _Sink(DynamicSink[Any]):
    def __init__(self, url: str) -> None:
        self._url = url

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Channel:  # noqa: ARG002 - its port
        return _Channel(self._url)


def run(peer: Peer) -> None:
    length = peer.history_NL5.shape[1]
    begun = dict(zip(peer.symbols, peer.history_NL5, strict=True))

    def remember(kept: Any, bar: Any) -> tuple[Any, Any]:
        window = deque(begun[bar[0]].tolist(), maxlen=length) if kept is None else kept
        window.append(bar[2])
        return window, (bar, np.array(window))

    def predict(items: list[Any]) -> list[bytes]:
        said = peer.predict(np.array([window for _, (_, window) in items])).tolist()
        return [
            msgspec.json.encode(message(bar[0], bar[1], bar[3], one))
            for (_, (bar, _)), one in zip(items, said, strict=True)
        ]

    flow = Dataflow("peer")
    bars = op.input("venue", flow, _Venue(peer))
    op.output(
        "channel", op.flat_map_batch("predict", op.stateful_map("window", bars, remember), predict), _Sink(peer.redis)
    )
    run_main(flow)
