"""Runs of commit.lua, and what makes a server take them again that was restarted, emptied, replaced, or is another one.

A bar, its message in the stream, the latest message and the wake-up of subscribers are written by one run, which first
checks that this daemon still holds the lease, that the server has all that it had answered, and what had gone out
before. So a run whose answer was lost is simply repeated.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import NoScriptError, ResponseError

from core.bars import Interval
from core.errors import FencedError, StoreError
from daemon.ports import Entry
from daemon.stores import ring
from daemon.stores.keys import Keys
from daemon.stores.lease import Counts, Lease, holder
from daemon.stores.outbox import Outbox
from daemon.stores.recovery import Fence, Loss, mend_rings, mend_symbols
from daemon.stores.wire import Command, Wire, command, long_command, piece, pieces

if TYPE_CHECKING:
    from core.windows import Windows

log = logging.getLogger("gaze.store")

_ENTRIES_A_CALL: Final = 171
"""Three calls for a part of 512: fewer entries stay in a core's cache, more calls are more writes to the disk."""
_KEPT_MS: Final = 7 * 86_400_000
"""Least time for which rings and latest messages outlive their last bar."""
_RENEWALS_A_TURN: Final = 8
_CURES: Final = 4
"""So often one call may meet a server that has forgotten something."""

_SCRIPT: Final = Path(__file__).with_name("commit.lua").read_bytes()
_SHA: Final = hashlib.sha1(_SCRIPT, usedforsecurity=False).hexdigest()
_LOAD: Final = command("SCRIPT", "LOAD", _SCRIPT)


class Commits:
    """What one daemon commits. `republish`: so many messages are kept in memory for a server that loses them.

    `lost` is told what a server had lost.
    """

    def __init__(
        self,
        keys: Keys,
        wire: Wire,
        lease: Lease,
        interval: Interval,
        capacity: int,
        *,
        stream_maxlen: int,
        republish: int,
        lost: Callable[[Loss], None],
    ) -> None:
        self.known = Counts(0, 0)
        """What the server is known to have taken."""
        self.mirror: Windows | None = None
        """The windows that are written again where the server has lost what it kept."""
        self.followed: Mapping[str, int] = {}
        """Where each symbol's predictions begin."""
        self._keys = keys
        self._wire = wire
        self._lease = lease
        self._interval = interval
        self._capacity = capacity
        self._outbox = Outbox(republish)
        self._lost = lost
        self._running = asyncio.Lock()
        self._since = keys.since(interval.name)
        self._newest = keys.newest(interval.name)
        self._names_of: dict[str, tuple[bytes, bytes]] = {}
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

    async def commit(self, entries: Sequence[Entry]) -> list[bool]:
        """For each entry, whether its message went out now. Without entries: see that a write would be taken.

        Raises: StoreError: unknown whether it was written. FencedError: another daemon has taken over.
        """
        calls = [entries[first : first + _ENTRIES_A_CALL] for first in range(0, len(entries), _ENTRIES_A_CALL)] or [()]
        went_out = [flag == 1 for flags in await self._run(calls) for flag in flags]
        self._outbox.keep(entry for entry, now in zip(entries, went_out, strict=True) if now)
        return went_out

    async def connect(self) -> Any:
        """Tell the server the script; returns what it says of its memory. Raises: StoreError."""
        loaded, memory = await self._wire.ask([_LOAD, command("INFO", "memory")])
        if isinstance(loaded, ResponseError):
            raise self._wire.failure(loaded)
        return memory

    def ring(self, symbol: str) -> str:
        """The key of its ring."""
        return self._keys.ring(self._interval.name, self._capacity, symbol)

    def _names(self, symbol: str) -> tuple[bytes, bytes]:
        """The keys of its ring and its latest message, and its own name, as pieces of a command."""
        names = self._names_of.get(symbol)
        if names is None:
            keys = piece(self.ring(symbol), self._keys.latest(symbol))
            names = self._names_of[symbol] = keys, piece(symbol)
        return names

    def _commit_call(self, entries: Sequence[Entry], known_writes: int) -> Command:
        names = (self._keys.lease, self._keys.fence, self._keys.stream, self._newest)
        constants = (self._lease.token, self._lease.lasts_ms, known_writes, *self._constants)
        begin = ("EVALSHA", _SHA, len(names) + 2 * len(entries), *names)
        keys = [piece(*begin)]
        told = [piece(*constants)]
        for entry, row in zip(entries, ring.pack(entries, self._interval, self._capacity), strict=True):
            its_keys, symbol = self._names(entry.symbol)
            keys.append(its_keys)
            told += (symbol, *pieces(row, entry.message or b""))
        return long_command(len(begin) + len(constants) + 5 * len(entries), [*keys, *told])

    async def _run(self, calls: Sequence[Sequence[Entry]]) -> list[list[int]]:
        """For each entry of each of these calls, whether its message went out now."""
        assert self._lease.token, "open() or seek() comes first"
        # One at a time: nothing may be committed while a server that lost something is given it again.
        async with self._running:
            await self._recover()
            answers: list[Any] = [None] * len(calls)
            todo = list(range(len(calls)))
            for _ in range(_CURES):
                told = await self._wire.ask(self._commit_call(calls[at], self.known.writes) for at in todo)
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
            self.known = Counts(writes, messages)
            flags.append(went_out)
        return flags

    async def _cure(self, refusal: ResponseError) -> None:
        """Make a server take our calls again that was restarted, emptied, replaced, or is another one."""
        if isinstance(refusal, NoScriptError):
            await self._wire.demand([_LOAD])
            return
        self._owes = True
        await self._recover()

    async def _recover(self) -> None:
        """Give a server that lost something what we still have of it, and tell what that was."""
        if not self._owes:
            return
        # Of a try before this one, which may have ended anywhere, nothing is taken for done.
        await self._wire.demand([_LOAD])
        await self._lease.restore()
        fence = Fence(self._keys.fence, self._lease.token)
        known, there = self.known, await self._counts()
        self._loss = Loss(self._loss.republished + max(known.messages - there.messages, 0), self._loss.republished)
        for some in self._outbox.parts(_ENTRIES_A_CALL):
            [went_out] = self._counted(await self._wire.ask([self._commit_call(some, 0)]))
            self._loss = Loss(self._loss.lost, self._loss.republished + sum(went_out))
            self.known = known
        if self.mirror is not None:
            await mend_rings(self._wire, fence, self.mirror, self.ring, self._keep_ms)
            await mend_symbols(self._wire, fence, self.mirror, self._since, self._newest, self.followed)
        there = await self._counts()
        counted = ("writes", max(known.writes, there.writes), "messages", max(known.messages, there.messages))
        await self._wire.demand([fence.guard("HSET", self._keys.fence, *counted)])
        self._tell(self._loss)
        self._owes, self._loss = False, Loss(0, 0)

    async def _counts(self) -> Counts:
        [told] = await self._wire.demand([command("HMGET", self._keys.fence, "writes", "messages")])
        return Counts(*(int(count or 0) for count in told))

    def _tell(self, loss: Loss) -> None:
        told = {"store": self._wire.name, "lost": loss.lost, "republished": loss.republished, "gone": loss.gone}
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
