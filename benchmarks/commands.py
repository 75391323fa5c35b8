"""Commands as users run them, and the record they leave: what a crash test holds on to while everything else dies."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

import msgspec
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.exceptions import ConnectionError as GoneError
from redis.exceptions import TimeoutError as LateError

GAZE: Final = Path(sys.executable).with_name("gaze")
PATIENCE_S: Final = 300.0
"""A step that takes longer has failed: a start on a busy machine, with features still to be compiled, takes minutes."""
_MOST_LINE: Final = 1 << 20
_BLOCK_MS: Final = 1_000
_RETRY_S: Final = 0.02
_AWAY_S: Final = 3.0
"""A node of a cluster that says nothing for so long is taken for gone."""


class Command:
    """A `gaze` command that serves: where it listens, and what it has logged so far."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.process = process
        self.listens: dict[str, str] = {}
        self.log: list[dict[str, Any]] = []
        self._more = asyncio.Condition()
        self._ended = False

    @classmethod
    @asynccontextmanager
    async def serving(cls, folder: Path, *arguments: str) -> AsyncIterator[Self]:
        """Start it in this folder, where its log is kept; it is killed when the context ends and it still runs."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            GAZE, *arguments, cwd=folder, stdout=pipe, stderr=pipe, limit=_MOST_LINE
        )
        assert process.stdout
        command = cls(arguments[0], process)
        listening = asyncio.create_task(command._listen(folder / f"{arguments[0]}.log"))
        try:
            async with asyncio.timeout(PATIENCE_S):
                line = await process.stdout.readline()
            if not line:
                await listening
            assert line, f"{command.name} did not start; it said {command.log[-5:]}"
            command.listens = json.loads(line)
            yield command
        finally:
            command.kill()
            await listening
            await process.wait()

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal, if it still runs."""
        if self.process.returncode is None:
            self.process.send_signal(number)

    async def ended(self) -> int:
        """Its exit status, once it and all of its log are there."""
        async with asyncio.timeout(PATIENCE_S), self._more:
            await self._more.wait_for(lambda: self._ended)
            return await self.process.wait()

    async def said(self, message: str, count: int = 1) -> None:
        """Wait until it has logged this message so often."""
        async with asyncio.timeout(PATIENCE_S), self._more:
            await self._more.wait_for(lambda: self._ended or self.count(message) >= count)
        assert self.count(message) >= count, f"{self.name} ended without saying {message!r}; it said {self.log[-5:]}"

    def count(self, message: str) -> int:
        """How often it has logged this message."""
        return sum(line["message"] == message for line in self.log)

    async def _listen(self, kept: Path) -> None:
        assert self.process.stderr
        with kept.open("ab") as file:
            async for line in self.process.stderr:
                file.write(line)
                file.flush()
                async with self._more:
                    told = json.loads(line) if line.startswith(b"{") else {"message": line.decode().rstrip()}
                    self.log.append(told)
                    self._more.notify_all()
        async with self._more:
            self._ended = True
            self._more.notify_all()


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
