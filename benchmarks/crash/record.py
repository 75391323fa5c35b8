"""The record that daemons leave on the stream, read on over every death of its server."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.exceptions import ConnectionError as GoneError
from redis.exceptions import TimeoutError as LateError

from benchmarks.running.commands import PATIENCE_S

_BLOCK_MS: Final = 1_000
_RETRY_S: Final = 0.02
_AWAY_S: Final = 3.0
"""A node of a cluster that says nothing for so long is taken for gone."""


class Told(msgspec.Struct, frozen=True):
    """Which bar a prediction is about."""

    id: str
    symbol: str
    opened_at_ms: int
    revision: int


class _Message(msgspec.Struct, frozen=True):
    prediction: Told


class Record:
    """The stream of predictions, read on over every death of its server. `until_ms`: bars from here on do not count."""

    def __init__(self, url: str, stream: str, until_ms: int) -> None:
        self.messages: list[bytes] = []
        """All that was read, as it was read."""
        self.bars: set[tuple[str, int]] = set()
        """Those before `until_ms`, by symbol and opening time."""
        self._until_ms = until_ms
        self._stream = stream
        self._last = b"0"
        self._client = _client(url)

    async def grow_to(self, bars: int, within_s: float = PATIENCE_S) -> bool:
        """Read on until so many bars are there; False when nothing has come for `within_s`."""
        while len(self.bars) < bars:
            try:
                async with asyncio.timeout(within_s):
                    entries = await self._next(bars - len(self.bars))
            except TimeoutError:
                return False
            self._take(entries)
        return True

    async def whole(self) -> list[bytes]:
        """Every message there is, from the beginning."""
        return [fields[b"message"] for _, fields in await self._client.xrange(self._stream)]

    async def server(self) -> tuple[int, str]:
        """The process of the server that holds it, and which that is."""
        told = await self._client.info("server")
        # Of a cluster every node says it.
        told = told if "process_id" in told else next(iter(told.values()))
        name, version = ("Valkey", "valkey_version") if "valkey_version" in told else ("Redis", "redis_version")
        return int(told["process_id"]), f"{name} {told[version]}"

    async def close(self) -> None:
        """Let go of the server."""
        await self._client.aclose()

    def _take(self, entries: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> None:
        for self._last, fields in entries:
            self.messages.append(fields[b"message"])
            told = msgspec.json.decode(fields[b"message"], type=_Message).prediction
            if told.opened_at_ms < self._until_ms:
                self.bars.add((told.symbol, told.opened_at_ms))

    async def _next(self, count: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        while True:
            try:
                answer = await self._client.xread({self._stream: self._last}, count=count, block=_BLOCK_MS)
            except RedisError:
                # A cluster is whole again once it has found out who is gone.
                await asyncio.sleep(_RETRY_S)
                continue
            if answer:
                return list(answer[0][1])


def _client(url: str) -> Any:
    """Where a server that is away is waited for, and in a cluster the one that has taken its place is asked."""
    if "+cluster://" in url:
        places = [one.rpartition(":") for one in url.partition("://")[2].split(",")]
        nodes = [ClusterNode(host, int(port)) for host, _, port in places]
        return RedisCluster(startup_nodes=nodes, socket_timeout=_AWAY_S, protocol=2)
    retry = Retry(ConstantBackoff(_RETRY_S), 2_000, supported_errors=(GoneError, LateError, BusyLoadingError))
    return Redis.from_url(url, retry=retry, socket_timeout=None, protocol=2)
