import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
from builders import HOUR
from kept import KEYS, Place, bars_of, loaded, recorded

from core.errors import FencedError
from daemon.ports import Entry
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore

if TYPE_CHECKING:
    import redis.asyncio as redis

AnEntry = Callable[..., Entry]
NewStore = Callable[..., Awaitable[RedisStore]]


async def test_who_lost_the_lease_writes_nothing(
    store: RedisStore, new_store: NewStore, client: "redis.Redis", an_entry: AnEntry
):
    await store.commit([an_entry(0)])
    newer = await new_store()
    with pytest.raises(FencedError, match=r"another daemon took over.*try:"):
        await store.commit([an_entry(1), an_entry(0, revision=1)])
    assert await recorded(client) == ["BTCUSDT 0 0"]
    assert bars_of(await loaded(newer)) == [(0, 1.5, 0, 0)]
    assert await newer.commit([an_entry(1)]) == [True]


async def test_who_lost_the_lease_does_not_get_it_back_by_opening_again(
    store: RedisStore, new_store: NewStore, an_entry: AnEntry
):
    await new_store()
    await store.open()
    with pytest.raises(FencedError):
        await store.commit([an_entry(0)])


async def test_closing_does_not_let_a_former_daemon_write_again(
    store: RedisStore, new_store: NewStore, an_entry: AnEntry
):
    newer = await new_store()
    await newer.close()
    with pytest.raises(FencedError):
        await store.commit([an_entry(0)])


async def test_models_and_shards_have_leases_of_their_own(place: Place, store: RedisStore, an_entry: AnEntry):
    for keys in (Keys("other"), Keys("btc", "1")):
        beside = RedisStore(place.url, keys, HOUR, 5, answer_s=60)
        await beside.open()
        assert await beside.commit([an_entry(0)]) == [True]
        await beside.close()
    assert await store.commit([an_entry(0)]) == [True]


async def test_a_beat_notices_that_another_daemon_took_over(store: RedisStore, new_store: NewStore):
    await new_store()
    with pytest.raises(FencedError):
        await store.beat()


async def test_a_beat_leaves_everything_as_it_is(store: RedisStore, client: "redis.Redis", an_entry: AnEntry):
    await store.commit([an_entry(0)])
    before = {key: await client.dump(key) for key in await client.keys("*")}
    await store.beat()
    assert {key: await client.dump(key) for key in await client.keys("*")} == before


async def test_a_beat_and_a_commit_do_not_disturb_each_other(store: RedisStore, an_entry: AnEntry):
    entries = [an_entry(0, symbol=f"S{number}") for number in range(500)]
    async with asyncio.TaskGroup() as both:
        committed = both.create_task(store.commit(entries))
        both.create_task(store.beat())
    assert committed.result() == [True] * 500


async def test_who_waits_learns_who_leads_and_writes_nothing(store: RedisStore, new_store: NewStore, an_entry: AnEntry):
    await store.commit([an_entry(0)])
    waiting = await new_store(waits=True)
    assert await waiting.seek() == f"{socket.gethostname()} {os.getpid()}"
    assert bars_of(await loaded(waiting)) == [(0, 1.5, 0, 0)]
    assert await store.commit([an_entry(1)]) == [True]


async def test_a_lease_that_is_renewed_stays_and_one_that_is_not_goes_to_who_waits(
    new_store: NewStore, client: "redis.Redis", an_entry: AnEntry
):
    store = await new_store(lease_s=30)
    waiting = await new_store(waits=True, lease_s=30)
    await client.pexpire(KEYS.lease, 5_000)
    await store.beat()
    assert await client.pttl(KEYS.lease) > 5_000
    await client.pexpire(KEYS.lease, 5_000)
    await store.commit([an_entry(0)])
    assert await client.pttl(KEYS.lease) > 5_000
    assert await waiting.seek()
    await client.pexpire(KEYS.lease, 1)
    while await waiting.seek():
        pass
    assert 5_000 < await client.pttl(KEYS.lease) <= 30_000
    assert await waiting.commit([an_entry(0), an_entry(1)]) == [False, True]
    with pytest.raises(FencedError, match=r"let one wait with store\.standby"):
        await store.commit([an_entry(2)])
    assert await recorded(client) == ["BTCUSDT 0 0", "BTCUSDT 1 0"]


async def test_a_daemon_that_slept_longer_than_its_lease_goes_on_if_nobody_took_it(
    store: RedisStore, client: "redis.Redis", an_entry: AnEntry
):
    await client.delete(KEYS.lease)
    assert await store.commit([an_entry(0)]) == [True]
    assert await client.exists(KEYS.lease)


async def test_a_daemon_that_stops_lets_go_of_its_lease_and_of_no_others(
    store: RedisStore, new_store: NewStore, client: "redis.Redis"
):
    newer = await new_store()
    await store.release()
    assert await client.exists(KEYS.lease)
    await newer.release()
    waiting = await new_store(waits=True)
    assert await waiting.seek() is None
    with pytest.raises(FencedError):
        await newer.beat()


async def test_of_two_who_wait_one_takes_over(new_store: NewStore):
    waiting = [await new_store(waits=True) for _ in range(2)]
    taken = await asyncio.gather(*(one.seek() for one in waiting))
    assert sorted(who is None for who in taken) == [False, True]


async def test_whoever_took_the_lease_of_an_emptied_server_comes_after_who_had_it_before(
    store: RedisStore, new_store: NewStore, client: "redis.Redis", an_entry: AnEntry
):
    await new_store()
    await client.flushall()
    newer = await new_store()
    with pytest.raises(FencedError):
        await store.commit([an_entry(0)])
    assert await newer.commit([an_entry(0)]) == [True]


async def test_a_failover_that_lost_the_takeover_gives_the_lease_back_to_who_took_over(
    store: RedisStore, new_store: NewStore, client: "redis.Redis", an_entry: AnEntry
):
    before = await client.dump(KEYS.fence)
    newer = await new_store()
    await client.restore(KEYS.fence, 0, before, replace=True)
    assert await newer.commit([an_entry(0)]) == [True]
    with pytest.raises(FencedError):
        await store.commit([an_entry(1)])
    assert await recorded(client) == ["BTCUSDT 0 0"]
