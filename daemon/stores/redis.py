"""Windows and predictions in Redis (6.2 to 8) or Valkey: one connection, and one script that does all or nothing."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from core.bars import Interval
from core.windows import EMPTY, Windows
from daemon.ports import Entry
from daemon.stores import ring
from daemon.stores.address import address
from daemon.stores.append_only import AppendOnlyFile
from daemon.stores.commits import Commits
from daemon.stores.keys import Keys
from daemon.stores.lease import Lease
from daemon.stores.record import Commands, Memory, Record
from daemon.stores.recovery import Fence, Loss
from daemon.stores.wire import Wire, command

log = logging.getLogger("gaze.store")

_RINGS_A_CALL: Final = 100
_SYMBOLS_A_CALL: Final = 1_000
_ANSWER_S: Final = 5.0
_LEASE_S: Final = 6.0
_REPUBLISH: Final = 20_000


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
        self._commits = Commits(
            keys,
            self._wire,
            self._lease,
            interval,
            capacity,
            stream_maxlen=stream_maxlen,
            republish=republish,
            lost=lost,
        )
        self._since = keys.since(interval.name)
        self._newest = keys.newest(interval.name)

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

    def append_only_file(self, busy: Callable[[], bool]) -> AppendOnlyFile:
        """What a server of our own writes to disk, over a connection of its own. `busy`: whether bars wait."""
        return AppendOnlyFile(self._url, self._keys, busy=busy)

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
            self._commits.known = await self._lease.take()
            await self.beat()

    async def connect(self) -> None:
        """Only connect: the lease is left to others. Raises: StoreError: it cannot be reached."""
        self._warn_of_eviction(await self._commits.connect())

    async def seek(self) -> str | None:
        """Take the lease unless its holder is alive; otherwise says who that is. Raises: StoreError."""
        found = await self._lease.seek()
        if isinstance(found, str):
            return found
        self._commits.known = found
        return None

    async def beat(self) -> None:
        """See that it would take a write of ours, while there is none to make.

        Raises: StoreError: it would not. FencedError: another daemon has taken over.
        """
        await self._commits.commit(())

    async def load(self, windows: Windows) -> int:
        """Fill the mirror from what is kept; returns how many bars. Rows of another time or broken ones are left.

        Left is also a ring that ends before what was published, since a ring of another capacity went on from there:
        its symbol begins anew, behind what was published.
        """
        if (windows.interval, windows.capacity) != (self._interval, self._capacity):
            raise ValueError("the windows have another interval or capacity than the store")
        for first in range(0, len(windows.symbols), _RINGS_A_CALL):
            some = windows.symbols[first : first + _RINGS_A_CALL]
            asked = [command("MGET", *map(self._commits.ring, some)), command("HMGET", self._newest, *some)]
            rings, newest = await self._wire.demand(asked)
            ring.restore(windows, first, rings)
            anew = self._begin_anew(windows, first, [int(told or EMPTY) for told in newest])
            if anew and self._lease.token:
                await self._wire.demand([command("HSET", self._since, *anew)])
        return int((windows.opened_at_ms_SC != EMPTY).sum())

    def guard(self, windows: Windows) -> None:
        """From now on write these windows again, whenever the server has lost what it kept."""
        self._commits.mirror = windows

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
        self._commits.followed = since_ms
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
        return await self._commits.commit(entries)

    async def release(self) -> None:
        """Let a daemon that waits take over at once, where this one has the lease. Raises: StoreError."""
        if self._lease.token:
            await self._lease.release()

    async def close(self) -> None:
        """Let go of the connection. Whoever was fenced out stays out."""
        await self._wire.close()

    def _fence(self) -> Fence | None:
        return Fence(self._keys.fence, self._lease.token) if self.leads else None

    def _warn_of_eviction(self, memory: Any) -> None:
        # Who may not ask INFO gets no warning; everything else works.
        policy = re.search(rb"maxmemory_policy:(\S+)", memory) if isinstance(memory, bytes) else None
        if policy and policy[1] != b"noeviction":
            log.warning(
                "Redis may evict windows and predictions when memory runs short; try: maxmemory-policy noeviction",
                extra={"policy": policy[1].decode(), "store": self.address},
            )
