import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
from kept import KEYS, LATEST, RING, bars_of, loaded, recorded

from core.bars import Bar
from core.errors import StoreError
from daemon.ports import Entry
from daemon.stores.recovery import Loss
from daemon.stores.redis import RedisStore

if TYPE_CHECKING:
    import redis.asyncio as redis

AnEntry = Callable[..., Entry]
NewStore = Callable[..., Awaitable[RedisStore]]


async def test_a_server_that_forgot_the_script_is_told_again(
    store: RedisStore, client: "redis.Redis", an_entry: AnEntry
):
    await store.commit([an_entry(0)])
    await client.script_flush()
    entries = [an_entry(1, symbol=f"S{number}") for number in range(600)]
    assert await store.commit(entries) == [True] * 600
    assert len(await recorded(client)) == 601


async def test_an_emptied_server_is_given_its_windows_again_and_it_is_said(
    store: RedisStore, new_store: NewStore, client: "redis.Redis", an_entry: AnEntry, caplog: pytest.LogCaptureFixture
):
    names = [f"S{number}" for number in range(230)]
    windows = await loaded(store, symbols=names)
    store.guard(windows)
    since = await store.follow(names, an_entry(1).opened_at_ms)
    for entry in [an_entry(hour, symbol=name) for hour in range(3) for name in names[:-1]]:
        revision = windows.put(Bar(entry.symbol, entry.opened_at_ms, *entry.row))
        windows.publish(entry.symbol, entry.opened_at_ms, revision)
        await store.commit([entry])
    await client.flushall()
    assert await store.commit([an_entry(3, symbol="S0")]) == [True]
    assert "Redis had lost what it had taken" in caplog.text
    assert await recorded(client) == [f"{name} {hour} 0" for hour in range(3) for name in names[:-1]] + ["S0 3 0"]
    after = await new_store()
    again = await loaded(after, symbols=names)
    assert bars_of(again, "S0") == [*((hour, 1.5, 0, 0) for hour in range(4))]
    assert all(bars_of(again, name) == [*((hour, 1.5, 0, 0) for hour in range(3))] for name in names[1:-1])
    assert await after.follow(names, 0) == since
    assert await client.pttl(KEYS.ring("1h", 5, "S1")) > 0


async def test_a_server_that_fails_while_it_is_given_its_windows_gets_them_later(
    store: RedisStore, new_store: NewStore, client: "redis.Redis", an_entry: AnEntry
):
    windows = await loaded(store)
    store.guard(windows)
    for hour in range(3):
        windows.put(Bar("BTCUSDT", an_entry(hour).opened_at_ms, *an_entry(hour).row))
        windows.publish("BTCUSDT", an_entry(hour).opened_at_ms, 0)
    await store.commit([an_entry(hour) for hour in range(3)])
    await client.flushall()
    await client.set(KEYS.newest("1h"), "foreign key")
    with pytest.raises(StoreError, match="try: delete the foreign key"):
        await store.commit([an_entry(3)])
    await client.delete(KEYS.newest("1h"))
    assert await store.commit([an_entry(3)]) == [True]
    assert [hour for hour, *_ in bars_of(await loaded(await new_store()))] == [0, 1, 2, 3]


class Failover:
    """A server that loses its newest writes, as a replica does that becomes the primary before it has them."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client
        self._kept: dict[bytes, bytes] = {}

    async def replicated(self):
        """What is there now is what the replica has."""
        self._kept = {key: await self._client.dump(key) for key in await self._client.keys("*")}

    async def happens(self):
        await self._client.flushall()
        for key, told in self._kept.items():
            await self._client.restore(key, 0, told)


@pytest.fixture
def failover(client: "redis.Redis"):
    return Failover(client)


async def test_what_a_new_primary_lacks_is_published_again_by_the_next_beat(
    new_store: NewStore, client: "redis.Redis", an_entry: AnEntry, failover: Failover
):
    losses: list[Loss] = []
    store = await new_store(lost=losses.append)
    windows = await loaded(store)
    store.guard(windows)
    entries = [an_entry(0), an_entry(1), an_entry(1, revision=1, close=1.7), an_entry(2), an_entry(3, message=None)]
    for entry in entries:
        windows.put(Bar(entry.symbol, entry.opened_at_ms, *entry.row))
        await store.commit([entry])
        if entry is entries[0]:
            await failover.replicated()
        if entry.message:
            windows.publish(entry.symbol, entry.opened_at_ms, entry.revision)
    before = await client.get(RING), await recorded(client)
    await failover.happens()
    await store.beat()
    assert (await client.get(RING), await recorded(client)) == before
    assert await client.get(LATEST) == b"BTCUSDT 2 0"
    assert losses == [Loss(lost=3, republished=3)]
    await store.beat()
    assert await store.commit(entries) == [False] * 5
    assert losses == [Loss(lost=3, republished=3)]


async def test_what_memory_no_longer_has_is_counted_and_shouted(
    new_store: NewStore,
    client: "redis.Redis",
    an_entry: AnEntry,
    failover: Failover,
    caplog: pytest.LogCaptureFixture,
):
    losses: list[Loss] = []
    store = await new_store(lost=losses.append, republish=2)
    await store.commit([an_entry(0)])
    await failover.replicated()
    await store.commit([an_entry(hour) for hour in range(1, 5)])
    await failover.happens()
    assert await store.commit([an_entry(5)]) == [True]
    assert await recorded(client) == [f"BTCUSDT {hour} 0" for hour in (0, 3, 4, 5)]
    assert (losses, losses[0].gone) == ([Loss(lost=4, republished=2)], 2)
    [shout] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert shout.gone == 2
    assert "try: a larger store.republish" in shout.message


async def test_a_failure_midway_counts_each_loss_once(
    new_store: NewStore, client: "redis.Redis", an_entry: AnEntry, failover: Failover
):
    losses: list[Loss] = []
    store = await new_store(lost=losses.append)
    windows = await loaded(store)
    store.guard(windows)
    await store.follow(["BTCUSDT"], 0)
    await failover.replicated()
    for hour in range(3):
        windows.put(Bar("BTCUSDT", an_entry(hour).opened_at_ms, *an_entry(hour).row))
        windows.publish("BTCUSDT", an_entry(hour).opened_at_ms, 0)
        await store.commit([an_entry(hour)])
    await failover.happens()
    await client.set(KEYS.since("1h"), "foreign key")
    with pytest.raises(StoreError, match="try: delete the foreign key"):
        await store.beat()
    await client.delete(KEYS.since("1h"))
    await store.beat()
    assert losses == [Loss(lost=3, republished=3)]
    assert await recorded(client) == [f"BTCUSDT {hour} 0" for hour in range(3)]


async def test_a_daemon_that_starts_after_a_failover_has_lost_nothing_of_its_own(
    store: RedisStore, new_store: NewStore, an_entry: AnEntry, failover: Failover
):
    await store.commit([an_entry(0)])
    await failover.replicated()
    await store.commit([an_entry(1)])
    await failover.happens()
    losses: list[Loss] = []
    after = await new_store(lost=losses.append)
    assert await after.commit([an_entry(0), an_entry(1)]) == [False, True]
    assert losses == []
