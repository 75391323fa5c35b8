"""Windows and predictions in Redis (6.2 to 8) or Valkey: one connection, and one script that does all or nothing.

A bar, its message in the stream, the latest message and the wake-up of subscribers are written by one run of
commit.lua, which first checks that this daemon still holds the lease and what had gone out before. So a call whose
answer was lost is simply repeated.
"""

import asyncio
import hashlib
import logging
import os
import re
import secrets
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from hiredis import pack_command
from redis.asyncio.connection import Connection, parse_url
from redis.exceptions import NoScriptError, RedisError, ResponseError

from core.bars import Interval
from core.errors import ConfigError, FencedError, StoreError
from core.windows import EMPTY, NEVER, Windows
from daemon.ports import Entry
from daemon.stores import ring
from daemon.stores.keys import Keys

log = logging.getLogger("gaze.store")

_ENTRIES_A_CALL: Final = 250
"""Other clients wait for a script to end: as many entries take the server about 5 ms."""
_RINGS_A_CALL: Final = 100
_SYMBOLS_A_CALL: Final = 1_000
_ANSWER_S: Final = 5.0
_READ_BYTES: Final = 1 << 17
_KEPT_MS: Final = 7 * 86_400_000
"""Least time for which rings and latest messages outlive their last bar."""
_RENEWALS_A_TURN: Final = 8

_COMMIT: Final = Path(__file__).with_name("commit.lua").read_bytes()
_COMMIT_SHA: Final = hashlib.sha1(_COMMIT, usedforsecurity=False).hexdigest()
_LEASE: Final = Path(__file__).with_name("lease.lua").read_bytes()


def _command(*words: bytes | str | int) -> bytes:
    return bytes(pack_command(words))  # type: ignore[arg-type] # its stub knows only commands of one word


_LOAD_COMMIT: Final = _command("SCRIPT", "LOAD", _COMMIT)

_ADVICE: Final = {
    "username-password": "set the right user and password in store.url",
    "authenticat": "set the right user and password in store.url",
    "permission": "give its user the rights listed in docs/reference/redis.md",
    "can't run this command": "give its user the rights listed in docs/reference/redis.md",
    "read only replica": "point store.url at the primary",
    "maxmemory": "raise maxmemory, or lower store.stream_maxlen",
    "misconf": "free space on the disk of the Redis server",
    "loading": "wait until it has read its data",
    "moved": "point store.url at the node that owns the shard",
    "crossslot": "point store.url at the node that owns the shard",
    "clusterdown": "bring the cluster back",
    "wrong kind of value": "delete the foreign key under the name gaze:, or use another database",
}
_OUT_OF_REACH: Final = "see that the server runs and that store.url is right"


def _connection(url: str) -> Connection:
    try:
        told: dict[str, Any] = dict(parse_url(url))
    except ValueError as error:
        raise ConfigError(
            "store.url is not a Redis address; try: redis://host:6379/0, rediss://host:6379/0 or unix:///path/redis.sock"
        ) from error
    kind = told.pop("connection_class", Connection)
    # redis-py would wrap every single read in a timeout of its own, which doubles the time of a burst.
    told |= {"socket_timeout": None, "socket_connect_timeout": _ANSWER_S, "socket_read_size": _READ_BYTES}
    connection: Connection = kind(protocol=2, **told)
    return connection


class RedisStore:
    """The windows and predictions of one model in one shard. Raises: ConfigError: `url` is not a Redis address."""

    def __init__(
        self,
        url: str,
        keys: Keys,
        interval: Interval,
        capacity: int,
        *,
        stream_maxlen: int = 1_000_000,
        answer_s: float = _ANSWER_S,
    ) -> None:
        self._keys = keys
        self._interval = interval
        self._capacity = capacity
        self._answer_s = answer_s
        self._connection = _connection(url)
        self._turn = asyncio.Lock()
        self._running = asyncio.Lock()
        self._token = b""
        self._since = keys.since(interval.name)
        self._newest = keys.newest(interval.name)
        self._mirror: Windows | None = None
        self._followed: dict[str, int] = {}
        self._owes = False
        self._keep_ms = max(_KEPT_MS, 2 * capacity * interval.ms)
        self._constants = (
            keys.channel,
            stream_maxlen,
            ring.size_bytes(capacity),
            self._keep_ms,
            ring.offset_bytes(max(1, capacity // _RENEWALS_A_TURN)),
        )

    @property
    def address(self) -> str:
        """Where it is, without secrets."""
        path = getattr(self._connection, "path", None)
        return f"unix:{path}" if path else f"{self._connection.host}:{self._connection.port}"

    async def open(self) -> None:
        """Connect and take the lease; once it was taken, only connect. Raises: StoreError: it cannot be reached."""
        loaded, memory = await self._ask([_LOAD_COMMIT, _command("INFO", "memory")])
        self._accepted([loaded])
        self._warn_of_eviction(memory)
        if not self._token:
            holder = f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(4)}"
            take = _command("EVAL", _LEASE, 2, self._keys.epoch, self._keys.lease, holder)
            [self._token] = self._accepted(await self._ask([take]))

    async def beat(self) -> None:
        """See that it would take a write of ours, while there is none to make.

        Raises: StoreError: it would not. FencedError: another daemon has taken over.
        """
        await self._run([()])

    async def load(self, windows: Windows) -> int:
        """Fill the mirror from what is kept; returns how many bars. Rows of another time or broken ones are left.

        Left is also a ring that ends before what was published, since a ring of another capacity went on from there:
        its symbol begins anew, behind what was published.
        """
        if (windows.interval, windows.capacity) != (self._interval, self._capacity):
            raise ValueError("the windows have another interval or capacity than the store")
        for first in range(0, len(windows.symbols), _RINGS_A_CALL):
            some = windows.symbols[first : first + _RINGS_A_CALL]
            asked = [_command("MGET", *map(self._ring, some)), _command("HMGET", self._newest, *some)]
            rings, newest = self._accepted(await self._ask(asked))
            ring.restore(windows, first, rings)
            anew = self._begin_anew(windows, first, [int(told or EMPTY) for told in newest])
            if anew:
                self._accepted(await self._ask([_command("HSET", self._since, *anew)]))
        return int((windows.opened_at_ms_SC != EMPTY).sum())

    def guard(self, windows: Windows) -> None:
        """From now on write these windows again, whenever the server has lost what it kept."""
        self._mirror = windows

    def _begin_anew(self, windows: Windows, first: int, newest_ms: Sequence[int]) -> list[str | int]:
        """Forget the rings that end before what was published; returns where their symbols begin, in pairs."""
        pairs: list[str | int] = []
        for position, published_ms in enumerate(newest_ms, first):
            if published_ms > windows.newest_ms_S[position]:
                ring.restore(windows, position, [None])
                pairs += (windows.symbols[position], published_ms + self._interval.ms)
        return pairs

    async def follow(self, symbols: Sequence[str], from_ms: int) -> dict[str, int]:
        """The opening time of each symbol's first bar to predict: `from_ms` for a symbol never followed before."""
        since_ms: dict[str, int] = {}
        for first in range(0, len(symbols), _SYMBOLS_A_CALL):
            some = symbols[first : first + _SYMBOLS_A_CALL]
            news = [_command("HSETNX", self._since, symbol, from_ms) for symbol in some]
            *_, kept = self._accepted(await self._ask([*news, _command("HMGET", self._since, *some)]))
            since_ms |= {symbol: int(told) for symbol, told in zip(some, kept, strict=True)}
        self._followed = since_ms
        return since_ms

    async def commit(self, entries: Sequence[Entry]) -> list[bool]:
        """Keep all bars and publish all messages, each bar with its message in one atomic step, each once.

        Returns for each entry whether its message went out now. Raises: StoreError: unknown whether it was written;
        repeating the same call is safe. FencedError: another daemon has taken over.
        """
        calls = [entries[first : first + _ENTRIES_A_CALL] for first in range(0, len(entries), _ENTRIES_A_CALL)]
        return [went_out == 1 for answer in await self._run(calls) for went_out in answer]

    async def close(self) -> None:
        """Let go of the connection. The lease stays as it is, so that whoever was fenced out stays out."""
        await self._connection.disconnect()

    def _ring(self, symbol: str) -> str:
        return self._keys.ring(self._interval.name, self._capacity, symbol)

    def _commit_call(self, entries: Sequence[Entry]) -> bytes:
        names: list[str] = [self._keys.lease, self._keys.stream, self._newest]
        told: list[bytes | str | int] = [self._token, *self._constants]
        for entry in entries:
            slot = self._interval.number(entry.opened_at_ms) % self._capacity
            names += (self._ring(entry.symbol), self._keys.latest(entry.symbol))
            row = ring.pack(entry.opened_at_ms, entry.revision, entry.row)
            told += (entry.symbol, ring.offset_bytes(slot), row, entry.message or b"")
        return _command("EVALSHA", _COMMIT_SHA, len(names), *names, *told)

    def _warn_of_eviction(self, memory: Any) -> None:
        # Who may not ask INFO gets no warning; everything else works.
        policy = re.search(rb"maxmemory_policy:(\S+)", memory) if isinstance(memory, bytes) else None
        if policy and policy[1] != b"noeviction":
            log.warning(
                "Redis may evict windows and predictions when memory runs short; try: maxmemory-policy noeviction",
                extra={"policy": policy[1].decode(), "store": self.address},
            )

    async def _run(self, calls: Sequence[Sequence[Entry]]) -> list[Any]:
        """The script's answers to these calls."""
        assert self._token, "open() comes first"
        # One at a time: nothing may be committed while a server that lost everything is given its bars again.
        async with self._running:
            await self._write_again()
            answers = await self._ask(map(self._commit_call, calls))
            if refused := [number for number, answer in enumerate(answers) if _forgotten(answer)]:
                await self._remind()
                again = await self._ask(self._commit_call(calls[number]) for number in refused)
                for number, answer in zip(refused, again, strict=True):
                    answers[number] = answer
            return self._accepted(answers)

    async def _remind(self) -> None:
        """Load the script, and take the lease if nobody holds it: the server was restarted, emptied or replaced."""
        take = _command("SET", self._keys.lease, self._token, "NX")
        _, taken = self._accepted(await self._ask([_LOAD_COMMIT, take]))
        if taken:
            self._owes = True
            await self._write_again()

    async def _write_again(self) -> None:
        """Give a server that lost everything the windows, and what is known of each symbol; not what was published."""
        if not self._owes:
            return
        windows = self._mirror
        if windows is not None:
            await self._write_windows(windows)
        self._owes = False
        log.warning(
            "Redis had lost our lease, so also what it kept: it was emptied or replaced; windows are written again",
            extra={"store": self.address},
        )

    async def _write_windows(self, windows: Windows) -> None:
        there = np.flatnonzero(windows.newest_ms_S != EMPTY)
        for some in np.array_split(there, range(_RINGS_A_CALL, len(there), _RINGS_A_CALL)):
            sets = ((self._ring(windows.symbols[at]), ring.dump(windows, at)) for at in some.tolist())
            self._accepted(await self._ask(_command("SET", name, told, "PX", self._keep_ms) for name, told in sets))
        published_ms_S = np.where(windows.published_SC != NEVER, windows.opened_at_ms_SC, EMPTY).max(axis=1).tolist()
        newest_ms = {name: at for name, at in zip(windows.symbols, published_ms_S, strict=True) if at != EMPTY}
        for key, told in ((self._since, self._followed), (self._newest, newest_ms)):
            words = [word for pair in told.items() for word in pair]
            for first in range(0, len(words), _SYMBOLS_A_CALL):
                self._accepted(await self._ask([_command("HSET", key, *words[first : first + _SYMBOLS_A_CALL])]))

    async def _ask(self, commands: Iterable[bytes]) -> list[Any]:
        """Send all, then read all answers; a refused command's answer is its ResponseError."""
        async with self._turn:
            try:
                async with asyncio.timeout(self._answer_s):
                    asked = 0
                    for command in commands:
                        await self._connection.send_packed_command(command, check_health=False)
                        asked += 1
                    return [await self._answer() for _ in range(asked)]
            except BaseException as error:
                # What is still under way would be read as the answer to the next call.
                await self._connection.disconnect(nowait=True)
                if isinstance(error, RedisError | OSError):
                    raise self._failed(error) from error
                raise

    async def _answer(self) -> Any:
        try:
            return await self._connection.read_response()
        except ResponseError as refusal:
            return refusal

    def _accepted(self, answers: list[Any]) -> list[Any]:
        for answer in answers:
            if isinstance(answer, ResponseError):
                raise self._failed(answer)
        return answers

    def _failed(self, error: RedisError | OSError) -> StoreError | FencedError:
        told = str(error)
        if told.startswith("FENCED"):
            return FencedError(
                f"another daemon took over the lease of {self._keys.lease} ({told.removeprefix('FENCED ')}); "
                "try: stop one of the two, or give each its own store.shard"
            )
        if isinstance(error, TimeoutError):
            told = f"no answer within {self._answer_s:g} s"
        known = f"{type(error).__name__} {told}".lower()
        advice = next((advice for word, advice in _ADVICE.items() if word in known), _OUT_OF_REACH)
        return StoreError(f"Redis at {self.address}: {told}; try: {advice}")


def _forgotten(answer: Any) -> bool:
    """Whether the server knows our script or our lease no more."""
    return isinstance(answer, NoScriptError) or (isinstance(answer, ResponseError) and str(answer).startswith("UNHELD"))
