"""The other shards of a model: what they had before this one is waited for, and gone on from."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Final, NoReturn

from core.bars import Interval
from core.errors import StoreError
from daemon.sharding import owner
from daemon.stores.address import address
from daemon.stores.keys import COUNTS, Keys
from daemon.stores.redis import RedisStore
from daemon.stores.wire import Wire, command

log = logging.getLogger("gaze.shards")

_ANSWER_S: Final = 10.0
_LOOKS: Final = 6
_SYMBOLS_A_CALL: Final = 1_000


class Neighbours:
    """The shards beside `keys.shard`, by the store that all of them share; each says how many it takes there to be.

    `lease_s`: a shard that has given no sign for so long does not live. It looks every sixth of it whether one that
    still has symbols of ours has let go of them, and every third whether the server still knows of it.
    """

    def __init__(self, url: str, keys: Keys, shards: int, interval: Interval, lease_s: float) -> None:
        self._url = url
        self._keys = keys
        self._shards = shards
        self._interval = interval
        self._lease_s = lease_s
        self._look_s = lease_s / _LOOKS

    async def settle(self, store: RedisStore, symbols: Sequence[str]) -> None:
        """Wait until no other living daemon serves these symbols, then have `store` go on behind what those published.

        `store` has the lease. Raises: StoreError: the server is away. FencedError: another daemon took over meanwhile.
        """
        async with AsyncExitStack() as stack:
            counts = self._wire(COUNTS, stack)
            said = [command("HSET", self._keys.counts, self._keys.shard, self._shards)]
            others = await self._others(counts, said)
            if self._shards == 1 and all(count == 1 for count in others.values()):
                return  # nothing is shared out: what each serves, its settings name
            if await self._await_words(counts, store):
                others = await self._others(counts, [])
            wires = {shard: self._wire(shard, stack) for shard in others}
            told: list[str] = []
            while holding := await self._holding(others, wires, symbols):
                if holding != told:
                    log.warning(
                        "waiting for shards that serve symbols of this one; restart them with the same store.shards",
                        extra={"shards": ", ".join(holding), "store.shards": self._shards},
                    )
                    told = holding
                await store.beat()
                await asyncio.sleep(self._look_s)
                others = await self._others(counts, [])
                wires |= {shard: self._wire(shard, stack) for shard in others.keys() - wires.keys()}
            await self._go_on(store, symbols, list(wires.items()))

    async def stay_known_forever(self, store: RedisStore) -> NoReturn:
        """Say how many shards there are again wherever the server has lost it. Ends only by cancellation."""
        async with AsyncExitStack() as stack:
            counts = self._wire(COUNTS, stack)
            while True:
                await asyncio.sleep(self._lease_s / 3)
                if store.leads:
                    with suppress(StoreError):  # of a server that is away the keeper tells
                        # Not over what a daemon has said that leads since: this one may have been fenced out.
                        await counts.demand([command("HSETNX", self._keys.counts, self._keys.shard, self._shards)])

    async def _await_words(self, counts: Wire, store: RedisStore) -> bool:
        """Give all that live the time to be known to a server that is new or was emptied; whether it was needed."""
        [known] = await counts.demand([command("GET", self._keys.gathered)])
        if known:
            return False
        for _ in range(_LOOKS):
            await store.beat()
            await asyncio.sleep(self._look_s)
        await counts.demand([command("SET", self._keys.gathered, 1)])
        return True

    def _wire(self, shard: str, stack: AsyncExitStack) -> Wire:
        wire = Wire(address(self._url, Keys(self._keys.model, shard).lease), _ANSWER_S)
        stack.push_async_callback(wire.close)
        return wire

    async def _others(self, counts: Wire, said: list[bytes]) -> dict[str, int]:
        """How many shards each other one takes there to be."""
        *_, told = await counts.demand([*said, command("HGETALL", self._keys.counts)])
        words = [word.decode() for word in _flat(told)]
        known = dict(zip(words[::2], map(int, words[1::2]), strict=True))
        return {shard: count for shard, count in known.items() if shard != self._keys.shard}

    async def _holding(self, others: dict[str, int], wires: dict[str, Wire], symbols: Sequence[str]) -> list[str]:
        """The living shards that share out otherwise, and by that have symbols of ours."""
        holding: list[str] = []
        for shard, count in sorted(others.items()):
            if count == self._shards or not any(str(owner(symbol, count)) == shard for symbol in symbols):
                continue
            [lease] = await wires[shard].demand([command("GET", Keys(self._keys.model, shard).lease)])
            if lease:
                holding.append(shard)
        return holding

    async def _go_on(self, store: RedisStore, symbols: Sequence[str], wires: Sequence[tuple[str, Wire]]) -> None:
        moved = 0
        for first in range(0, len(symbols), _SYMBOLS_A_CALL):
            some = symbols[first : first + _SYMBOLS_A_CALL]
            newest_ms: dict[str, int] = {}
            since_ms: dict[str, int] = {}
            for shard, wire in wires:
                keys, name = Keys(self._keys.model, shard), self._interval.name
                newest, since = await wire.demand(
                    [command("HMGET", one, *some) for one in (keys.newest(name), keys.since(name))]
                )
                newest_ms |= {one: max(at_ms, newest_ms.get(one, at_ms)) for one, at_ms in _told(some, newest)}
                since_ms |= {one: min(at_ms, since_ms.get(one, at_ms)) for one, at_ms in _told(some, since)}
            moved += await store.succeed(newest_ms, {one: since_ms[one] for one in since_ms.keys() - newest_ms.keys()})
        if moved:
            log.info("going on with symbols that other shards served", extra={"symbols": moved})


def _told(symbols: Sequence[str], answers: Sequence[bytes | None]) -> Iterator[tuple[str, int]]:
    return ((symbol, int(answer)) for symbol, answer in zip(symbols, answers, strict=True) if answer)


def _flat(told: Any) -> list[bytes]:
    """The fields and values of a hash, however the protocol version tells it."""
    return [word for pair in told.items() for word in pair] if isinstance(told, dict) else list(told)
