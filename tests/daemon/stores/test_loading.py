from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from builders import HOUR
from kept import KEYS, LATEST, RING, bars_of, loaded, mirror

from core.bars import Bar
from daemon.ports import Entry
from daemon.stores import ring
from daemon.stores.redis import RedisStore

if TYPE_CHECKING:
    import redis.asyncio as redis

AnEntry = Callable[..., Entry]
NewStore = Callable[..., Awaitable[RedisStore]]


async def test_load_restores_the_windows_exactly(store: RedisStore, new_store: NewStore, an_entry: AnEntry):
    symbols = [f"S{number}" for number in range(250)]
    kept = mirror(symbols)
    entries = []
    for symbol in symbols[:-1]:
        for hour in range(7):
            revision = kept.put(Bar(symbol, (480_000 + hour) * HOUR.ms, 1.0, 2.0, 0.5, 1.0 + hour / 10, 10.0))
            entries.append(an_entry(hour, symbol=symbol, revision=revision, close=1.0 + hour / 10))
            kept.publish(symbol, entries[-1].opened_at_ms, revision)
    await store.commit(entries)
    after = mirror(symbols)
    assert await (await new_store()).load(after) == 249 * 5
    np.testing.assert_array_equal(after.opened_at_ms_SC, kept.opened_at_ms_SC)
    np.testing.assert_array_equal(after.rows_SC5, kept.rows_SC5)
    np.testing.assert_array_equal(after.revision_SC, kept.revision_SC)
    np.testing.assert_array_equal(after.published_SC, kept.published_SC)
    np.testing.assert_array_equal(after.newest_ms_S, kept.newest_ms_S)


async def test_ten_thousand_symbols_are_loaded(new_store: NewStore, client: "redis.Redis"):
    symbols = [f"S{number:05d}" for number in range(10_000)]
    rows = np.zeros(73, ring.ROW)
    hours = 480_000 + np.arange(73)
    rows["opened_at_ms"], rows["written"], rows["published"], rows["bar"] = hours * HOUR.ms, 1, 1, 1.0
    told = rows[np.argsort(hours % 73)].tobytes()
    await client.mset({KEYS.ring("1h", 73, symbol): told for symbol in symbols})
    store = await new_store(capacity=73)
    windows = mirror(symbols, 73)
    assert await store.load(windows) == 730_000
    assert (windows.newest_ms_S == hours[-1] * HOUR.ms).all()


async def test_a_first_bar_to_predict_stays_as_it_was_set(store: RedisStore, new_store: NewStore):
    assert await store.follow(["A", "B"], 5 * HOUR.ms) == {"A": 5 * HOUR.ms, "B": 5 * HOUR.ms}
    after = await new_store()
    assert await after.follow(["B", "C"], 9 * HOUR.ms) == {"B": 5 * HOUR.ms, "C": 9 * HOUR.ms}


async def test_another_capacity_is_another_ring_and_the_old_one_goes_away(
    store: RedisStore, new_store: NewStore, client: "redis.Redis", an_entry: AnEntry
):
    await store.commit([an_entry(0)])
    wider = await new_store(capacity=9)
    assert bars_of(await loaded(wider, capacity=9)) == []
    await wider.commit([an_entry(0, message=None)])
    assert await client.pttl(RING) > 0
    assert bars_of(await loaded(wider, capacity=9)) == [(0, 1.5, 0, -1)]


async def test_after_another_capacity_a_symbol_begins_behind_what_was_published(
    store: RedisStore, new_store: NewStore, an_entry: AnEntry
):
    await store.follow(["BTCUSDT", "ETHUSDT"], an_entry(0).opened_at_ms)
    await store.commit([an_entry(0), an_entry(1), an_entry(2, message=None)])
    wider = await new_store(capacity=9)
    await loaded(wider, capacity=9, symbols=("BTCUSDT", "ETHUSDT"))
    begin = {"BTCUSDT": an_entry(2).opened_at_ms, "ETHUSDT": an_entry(0).opened_at_ms}
    assert await wider.follow(["BTCUSDT", "ETHUSDT"], 0) == begin


async def test_a_ring_that_another_capacity_has_overtaken_is_left(
    store: RedisStore, new_store: NewStore, an_entry: AnEntry
):
    await store.commit([an_entry(0), an_entry(1)])
    wider = await new_store(capacity=9)
    await loaded(wider, capacity=9)
    await wider.commit([an_entry(2), an_entry(3)])
    again = await new_store()
    assert bars_of(await loaded(again)) == []
    assert await again.follow(["BTCUSDT"], 0) == {"BTCUSDT": an_entry(4).opened_at_ms}


async def test_a_ring_that_went_away_is_not_published_again(
    store: RedisStore, new_store: NewStore, client: "redis.Redis", an_entry: AnEntry
):
    await store.follow(["BTCUSDT"], an_entry(0).opened_at_ms)
    await store.commit([an_entry(0), an_entry(1)])
    await client.delete(RING, LATEST)
    after = await new_store()
    assert bars_of(await loaded(after)) == []
    assert await after.follow(["BTCUSDT"], 0) == {"BTCUSDT": an_entry(2).opened_at_ms}


async def test_windows_of_another_shape_are_refused(store: RedisStore):
    with pytest.raises(ValueError, match="capacity"):
        await store.load(mirror(capacity=6))


async def test_symbols_may_be_any_text(store: RedisStore, client: "redis.Redis"):
    odd = Entry("BTC/USDT:Ü}", 480_000 * HOUR.ms, 0, (1.0, 2.0, 0.5, 1.5, 10.0), b"odd")
    assert await store.commit([odd]) == [True]
    assert bars_of(await loaded(store, symbols=[odd.symbol]), odd.symbol) == [(0, 1.5, 0, 0)]
    assert await client.get(KEYS.latest(odd.symbol)) == b"odd"
