"""Windows and predictions in Redis (6.2 to 8) or Valkey: one connection, and one script that does all or nothing.

A bar, its message in the stream, the latest message and the wake-up of subscribers are written by one run of
commit.lua, which first checks that this daemon still holds the lease, that the server has all that it had answered,
and what had gone out before. So a call whose answer was lost is simply repeated.
"""

import asyncio
import hashlib
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from redis.exceptions import NoScriptError, ResponseError

from core.bars import Interval
from core.errors import FencedError, StoreError
from core.windows import EMPTY, Windows
from daemon.ports import Entry
from daemon.stores import ring
from daemon.stores.address import address
from daemon.stores.keys import Keys
from daemon.stores.lease import Counts, Lease, holder
from daemon.stores.outbox import Outbox
from daemon.stores.record import Commands, Memory, Record
from daemon.stores.recovery import Fence, Loss, mend_rings, mend_symbols
from daemon.stores.wire import Wire, command

log = logging.getLogger("gaze.store")

_ENTRIES_A_CALL: Final = 250
"""Other clients wait for a script to end: as many entries take the server about 5 ms."""
_RINGS_A_CALL: Final = 100
_SYMBOLS_A_CALL: Final = 1_000
_ANSWER_S: Final = 5.0
_LEASE_S: Final = 6.0
_REPUBLISH: Final = 20_000
_KEPT_MS: Final = 7 * 86_400_000
"""Least time for which rings and latest messages outlive their last bar."""
_RENEWALS_A_TURN: Final = 8
_CURES: Final = 4
"""So often one call may meet a server that has forgotten something."""

_COMMIT: Final = Path(__file__).with_name("commit.lua").read_bytes()
_COMMIT_SHA: Final = hashlib.sha1(_COMMIT, usedforsecurity=False).hexdigest()
_LOAD_COMMIT: Final = command("SCRIPT", "LOAD", _COMMIT)


class RedisStore:
    """The windows and predictions of one model in one shard. Raises: ConfigError: `url` is not a Redis address.

    `lease_s`: so long after the last sign of life another daemon may take over. `republish`: so many messages are
    kept in memory for a server that loses them; `lost` is told what that one had lost.
    """

    def __init__(
        self,
        url: str,
        keys: Keys,
        interval: Interval,
        capacity: int,
        *,
        stream_maxlen: int = 1_000_000,
        answer_s: float = _ANSWER_S,
        lease_s: float = _LEASE_S,
        republish: int = _REPUBLISH,
        lost: Callable[[Loss], None] = lambda _: None,
    ) -> None:
        self._url = url
        self._keys = keys
        self._interval = interval
        self._capacity = capacity
        self._wire = Wire(address(url, keys.lease), answer_s)
        self._lease = Lease(keys, self._wire, lease_s)
        self._outbox = Outbox(republish)
        self._lost = lost
        self._known = Counts(0, 0)
        self._running = asyncio.Lock()
        self._since = keys.since(interval.name)
        self._newest = keys.newest(interval.name)
        self._mirror: Windows | None = None
        self._followed: dict[str, int] = {}
        self._names_of: dict[str, tuple[str, str]] = {}
        self._owes = False
        self._loss = Loss(0, 0)
        self._keep_ms = max(_KEPT_MS, 2 * capacity * interval.ms)
        self._constants = (
            keys.channel,
            stream_maxlen,
            ring.size_bytes(capacity),
            self._keep_ms,
            ring.offset_bytes(max(1, capacity // _RENEWALS_A_TURN)),
        )

    def record(self) -> Record:
        """What was published, over a connection of its own."""
        return Record(self._url, self._keys, self._keys.stream)

    def memory(self, digest: str | None = None) -> Memory:
        """What is remembered of what was published, or of what this challenger said, over a connection of its own."""
        stream = self._keys.stream if digest is None else self._keys.shadow(digest)
        return Memory(self._url, self._keys, self._keys.memory(stream), self._fence)

    def commands(self) -> Commands:
        """What is asked of the daemon, over a connection of its own."""
        return Commands(self._url, self._keys)

    def shadow(self, digest: str) -> Record:
        """What a challenger would have said, over a connection of its own."""
        return Record(self._url, self._keys, self._keys.shadow(digest))

    @property
    def address(self) -> str:
        """Where it is, without secrets."""
        return self._wire.name

    @property
    def leads(self) -> bool:
        """Whether the lease was taken; another daemon may have taken it since."""
        return bool(self._lease.token)

    async def open(self) -> None:
        """Connect and take the lease; once it was taken, only connect.

        Raises: StoreError: it cannot be reached, or would not take what is to be written.
        """
        await self.connect()
        if not self.leads:
            self._known = await self._lease.take()
            await self.beat()

    async def connect(self) -> None:
        """Only connect: the lease is left to others. Raises: StoreError: it cannot be reached."""
        loaded, memory = await self._wire.ask([_LOAD_COMMIT, command("INFO", "memory")])
        if isinstance(loaded, ResponseError):
            raise self._wire.failure(loaded)
        self._warn_of_eviction(memory)

    async def seek(self) -> str | None:
        """Take the lease unless its holder is alive; otherwise says who that is. Raises: StoreError."""
        found = await self._lease.seek()
        if isinstance(found, str):
            return found
        self._known = found
        return None

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
            asked = [command("MGET", *map(self._ring, some)), command("HMGET", self._newest, *some)]
            rings, newest = await self._wire.demand(asked)
            ring.restore(windows, first, rings)
            anew = self._begin_anew(windows, first, [int(told or EMPTY) for told in newest])
            if anew and self._lease.token:
                await self._wire.demand([command("HSET", self._since, *anew)])
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
                pairs += (windows.symbols[position], self._interval.after(published_ms))
        return pairs

    async def follow(self, symbols: Sequence[str], from_ms: int) -> dict[str, int]:
        """The opening time of each symbol's first bar to predict: `from_ms` for a symbol never followed before.

        Who does not have the lease learns the same, and writes nothing.
        """
        since_ms: dict[str, int] = {}
        for first in range(0, len(symbols), _SYMBOLS_A_CALL):
            some = symbols[first : first + _SYMBOLS_A_CALL]
            news = [command("HSETNX", self._since, symbol, from_ms) for symbol in some] if self._lease.token else []
            *_, kept = await self._wire.demand([*news, command("HMGET", self._since, *some)])
            since_ms |= {symbol: int(told or from_ms) for symbol, told in zip(some, kept, strict=True)}
        self._followed = since_ms
        return since_ms

    async def succeed(self, newest_ms: Mapping[str, int], since_ms: Mapping[str, int]) -> int:
        """Go on behind what other shards published of symbols last, or where they were to begin if that was nothing.

        Returns of how many they had more than this. Raises: StoreError.
        """
        behind: dict[str, int] = {}
        if newest_ms:
            [own] = await self._wire.demand([command("HMGET", self._newest, *newest_ms)])
            behind = {
                symbol: at_ms
                for (symbol, at_ms), told in zip(newest_ms.items(), own, strict=True)
                if int(told or EMPTY) < at_ms
            }
        tells = [command("HSETNX", self._since, *one) for one in since_ms.items()]
        for symbol, at_ms in behind.items():
            tells.append(command("HSET", self._newest, symbol, at_ms))
            tells.append(command("HSET", self._since, symbol, self._interval.after(at_ms)))
        await self._wire.demand(tells)
        return len(behind)

    async def commit(self, entries: Sequence[Entry]) -> list[bool]:
        """Keep all bars and publish all messages, each bar with its message in one atomic step, each once.

        Returns for each entry whether its message went out now. Raises: StoreError: unknown whether it was written;
        repeating the same call is safe. FencedError: another daemon has taken over.
        """
        calls = [entries[first : first + _ENTRIES_A_CALL] for first in range(0, len(entries), _ENTRIES_A_CALL)]
        went_out = [flag == 1 for flags in await self._run(calls) for flag in flags]
        self._outbox.keep(entry for entry, now in zip(entries, went_out, strict=True) if now)
        return went_out

    async def release(self) -> None:
        """Let a daemon that waits take over at once, where this one has the lease. Raises: StoreError."""
        if self._lease.token:
            await self._lease.release()

    async def close(self) -> None:
        """Let go of the connection. Whoever was fenced out stays out."""
        await self._wire.close()

    def _fence(self) -> Fence | None:
        return Fence(self._keys.fence, self._lease.token) if self.leads else None

    def _ring(self, symbol: str) -> str:
        return self._keys.ring(self._interval.name, self._capacity, symbol)

    def _names(self, symbol: str) -> tuple[str, str]:
        """Its ring and its latest message."""
        names = self._names_of.get(symbol)
        if names is None:
            names = self._names_of[symbol] = self._ring(symbol), self._keys.latest(symbol)
        return names

    def _commit_call(self, entries: Sequence[Entry], known_writes: int) -> bytes:
        names: list[str] = [self._keys.lease, self._keys.fence, self._keys.stream, self._newest]
        told: list[bytes | str | int] = [self._lease.token, self._lease.lasts_ms, known_writes, *self._constants]
        for entry in entries:
            slot = self._interval.number(entry.opened_at_ms) % self._capacity
            names += self._names(entry.symbol)
            told += (
                entry.symbol,
                ring.pack(slot, entry.opened_at_ms, entry.revision, entry.row),
                entry.message or b"",
            )
        return command("EVALSHA", _COMMIT_SHA, len(names), *names, *told)

    def _warn_of_eviction(self, memory: Any) -> None:
        # Who may not ask INFO gets no warning; everything else works.
        policy = re.search(rb"maxmemory_policy:(\S+)", memory) if isinstance(memory, bytes) else None
        if policy and policy[1] != b"noeviction":
            log.warning(
                "Redis may evict windows and predictions when memory runs short; try: maxmemory-policy noeviction",
                extra={"policy": policy[1].decode(), "store": self.address},
            )

    async def _run(self, calls: Sequence[Sequence[Entry]]) -> list[list[int]]:
        """For each entry of each of these calls, whether its message went out now."""
        assert self._lease.token, "open() or seek() comes first"
        # One at a time: nothing may be committed while a server that lost something is given it again.
        async with self._running:
            await self._recover()
            answers: list[Any] = [None] * len(calls)
            todo = list(range(len(calls)))
            for _ in range(_CURES):
                told = await self._wire.ask(self._commit_call(calls[at], self._known.writes) for at in todo)
                for at, answer in zip(todo, told, strict=True):
                    answers[at] = answer
                todo = [at for at in todo if _forgotten(answers[at])]
                if not todo:
                    break
                await self._cure(answers[todo[0]])
            return self._counted(answers)

    def _counted(self, answers: Iterable[Any]) -> list[list[int]]:
        flags: list[list[int]] = []
        for answer in answers:
            if isinstance(answer, ResponseError):
                raise self._failure(answer)
            writes, messages, *went_out = answer
            self._known = Counts(writes, messages)
            flags.append(went_out)
        return flags

    async def _cure(self, refusal: ResponseError) -> None:
        """Make a server take our calls again that was restarted, emptied, replaced, or is another one."""
        if isinstance(refusal, NoScriptError):
            await self._wire.demand([_LOAD_COMMIT])
            return
        self._owes = True
        await self._recover()

    async def _recover(self) -> None:
        """Give a server that lost something what we still have of it, and tell what that was."""
        if not self._owes:
            return
        # Of a try before this one, which may have ended anywhere, nothing is taken for done.
        await self._wire.demand([_LOAD_COMMIT])
        await self._lease.restore()
        fence = Fence(self._keys.fence, self._lease.token)
        known, there = self._known, await self._counts()
        self._loss = Loss(self._loss.republished + max(known.messages - there.messages, 0), self._loss.republished)
        for some in self._outbox.parts(_ENTRIES_A_CALL):
            [went_out] = self._counted(await self._wire.ask([self._commit_call(some, 0)]))
            self._loss = Loss(self._loss.lost, self._loss.republished + sum(went_out))
            self._known = known
        if self._mirror is not None:
            await mend_rings(self._wire, fence, self._mirror, self._ring, self._keep_ms)
            await mend_symbols(self._wire, fence, self._mirror, self._since, self._newest, self._followed)
        there = await self._counts()
        counted = ("writes", max(known.writes, there.writes), "messages", max(known.messages, there.messages))
        await self._wire.demand([fence.guard("HSET", self._keys.fence, *counted)])
        self._tell(self._loss)
        self._owes, self._loss = False, Loss(0, 0)

    async def _counts(self) -> Counts:
        [told] = await self._wire.demand([command("HMGET", self._keys.fence, "writes", "messages")])
        return Counts(*(int(count or 0) for count in told))

    def _tell(self, loss: Loss) -> None:
        told = {"store": self.address, "lost": loss.lost, "republished": loss.republished, "gone": loss.gone}
        log.warning("Redis had lost what it had taken; what is still in memory is written again", extra=told)
        if loss.gone:
            log.error(
                "predictions are gone: Redis had lost more than memory holds; try: a larger store.republish, "
                "and min-replicas-to-write 1 on a Redis with replicas",
                extra=told,
            )
        self._lost(loss)

    def _failure(self, refusal: ResponseError) -> StoreError | FencedError:
        told = str(refusal)
        if told.startswith("FENCED "):
            return FencedError(
                f"another daemon took over the lease of {self._keys.lease} ({holder(told.removeprefix('FENCED '))}); "
                "try: stop one of the two, give each its own store.shard, or let one wait with store.standby"
            )
        return self._wire.failure(refusal)


def _forgotten(answer: Any) -> bool:
    """Whether the server no longer knows our script, our lease, or what it had answered."""
    return isinstance(answer, NoScriptError) or (
        isinstance(answer, ResponseError) and str(answer).startswith(("UNHELD", "LOST"))
    )
