from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from kept import KEYS, LATEST, RING, bars_of, loaded, recorded

from daemon.ports import Entry
from daemon.stores import ring
from daemon.stores.redis import RedisStore

if TYPE_CHECKING:
    import redis.asyncio as redis

AnEntry = Callable[..., Entry]
NewStore = Callable[..., Awaitable[RedisStore]]


async def test_a_bar_is_kept_and_its_message_is_in_the_stream_and_the_latest(
    store: RedisStore, client: "redis.Redis", an_entry: AnEntry
):
    assert await store.commit([an_entry(0)]) == [True]
    assert await recorded(client) == ["BTCUSDT 0 0"]
    assert await client.get(LATEST) == b"BTCUSDT 0 0"
    assert bars_of(await loaded(store)) == [(0, 1.5, 0, 0)]


async def test_a_message_goes_out_once_on_the_channel(store: RedisStore, client: "redis.Redis", an_entry: AnEntry):
    async with client.pubsub() as heard:
        await heard.subscribe(KEYS.channel)
        assert (await heard.get_message(timeout=100))["type"] == "subscribe"
        await store.commit([an_entry(0)])
        await store.commit([an_entry(0), an_entry(1)])
        told = [(await heard.get_message(timeout=100))["data"] for _ in range(2)]
        assert told == [b"BTCUSDT 0 0", b"BTCUSDT 1 0"]
        assert await heard.get_message(timeout=0) is None


async def test_a_repeat_changes_nothing(store: RedisStore, client: "redis.Redis", an_entry: AnEntry):
    await store.commit([an_entry(0), an_entry(1)])
    before = await client.get(RING)
    assert await store.commit([an_entry(0, close=1.9), an_entry(1)]) == [False, False]
    assert await recorded(client) == ["BTCUSDT 0 0", "BTCUSDT 1 0"]
    assert await client.get(RING) == before


async def test_the_same_bar_twice_in_one_call_goes_out_once(
    store: RedisStore, client: "redis.Redis", an_entry: AnEntry
):
    assert await store.commit([an_entry(0), an_entry(0)]) == [True, False]
    assert await recorded(client) == ["BTCUSDT 0 0"]


async def test_a_revision_replaces_the_bar_and_goes_out(store: RedisStore, client: "redis.Redis", an_entry: AnEntry):
    await store.commit([an_entry(0)])
    assert await store.commit([an_entry(0, revision=1, close=1.7)]) == [True]
    assert await recorded(client) == ["BTCUSDT 0 0", "BTCUSDT 0 1"]
    assert await client.get(LATEST) == b"BTCUSDT 0 1"
    assert bars_of(await loaded(store)) == [(0, 1.7, 1, 1)]


async def test_an_older_revision_is_refused(store: RedisStore, client: "redis.Redis", an_entry: AnEntry):
    await store.commit([an_entry(0, revision=2)])
    assert await store.commit([an_entry(0, revision=1, close=1.7)]) == [False]
    assert await recorded(client) == ["BTCUSDT 0 2"]
    assert bars_of(await loaded(store)) == [(0, 1.5, 2, 2)]


async def test_a_bar_without_a_message_is_kept_and_its_message_goes_out_later(
    store: RedisStore, client: "redis.Redis", an_entry: AnEntry
):
    assert await store.commit([an_entry(0, message=None)]) == [False]
    assert bars_of(await loaded(store)) == [(0, 1.5, 0, -1)]
    assert not await client.exists(KEYS.stream, LATEST)
    assert await store.commit([an_entry(0)]) == [True]
    assert bars_of(await loaded(store)) == [(0, 1.5, 0, 0)]


async def test_a_revision_without_a_message_leaves_what_was_published(store: RedisStore, an_entry: AnEntry):
    await store.commit([an_entry(0)])
    await store.commit([an_entry(0, revision=1, close=1.7, message=None)])
    assert bars_of(await loaded(store)) == [(0, 1.7, 1, 0)]


async def test_the_latest_message_never_goes_back_to_an_older_bar(
    store: RedisStore, client: "redis.Redis", an_entry: AnEntry
):
    await store.commit([an_entry(2)])
    assert await store.commit([an_entry(1), an_entry(0, revision=1)]) == [True, True]
    assert await client.get(LATEST) == b"BTCUSDT 2 0"
    await store.commit([an_entry(3)])
    assert await client.get(LATEST) == b"BTCUSDT 3 0"


async def test_a_bar_that_the_ring_no_longer_remembers_is_refused(
    store: RedisStore, client: "redis.Redis", an_entry: AnEntry
):
    await store.commit([an_entry(5)])
    assert await store.commit([an_entry(0)]) == [False]
    assert await recorded(client) == ["BTCUSDT 5 0"]
    assert bars_of(await loaded(store)) == [(5, 1.5, 0, 0)]


async def test_a_ring_has_its_whole_length_from_its_first_bar_and_keeps_it(
    store: RedisStore, client: "redis.Redis", an_entry: AnEntry
):
    for hour in range(12):
        await store.commit([an_entry(hour)])
        assert await client.strlen(RING) == ring.size_bytes(5)
    assert [hour for hour, *_ in bars_of(await loaded(store))] == [7, 8, 9, 10, 11]


async def test_what_is_no_longer_followed_goes_away_by_itself(
    store: RedisStore, client: "redis.Redis", an_entry: AnEntry
):
    week_ms = 7 * 86_400_000
    await store.commit([an_entry(hour) for hour in range(5)])
    assert 0 < await client.pttl(RING) <= week_ms
    assert 0 < await client.pttl(LATEST) <= week_ms
    assert await client.pttl(KEYS.stream) == -1


async def test_bars_renew_the_time_their_ring_and_the_latest_message_are_kept_eight_times_a_turn(
    new_store: NewStore, client: "redis.Redis", an_entry: AnEntry
):
    store = await new_store(capacity=16)
    wide = KEYS.ring("1h", 16, "BTCUSDT")
    await store.commit([an_entry(0)])
    for key in (wide, LATEST):
        await client.pexpire(key, 60_000)
    await store.commit([an_entry(1)])
    assert await client.get(LATEST) == b"BTCUSDT 1 0"
    assert 0 < await client.pttl(wide) <= 60_000
    assert 0 < await client.pttl(LATEST) <= 60_000
    await store.commit([an_entry(2)])
    assert await client.pttl(wide) > 60_000
    assert await client.pttl(LATEST) > 60_000


async def test_the_stream_is_cut_to_its_length(new_store: NewStore, client: "redis.Redis", an_entry: AnEntry):
    store = await new_store(stream_maxlen=100)
    for hour in range(10):
        await store.commit([an_entry(hour, symbol=f"S{number}") for number in range(100)])
    assert 100 <= await client.xlen(KEYS.stream) < 400


async def test_more_entries_than_one_call_takes_keep_their_order(
    store: RedisStore, client: "redis.Redis", an_entry: AnEntry
):
    entries = [an_entry(hour, symbol=f"S{number}") for number in range(400) for hour in (0, 1)]
    assert await store.commit(entries) == [True] * 800
    assert await recorded(client) == [entry.message.decode() for entry in entries]


async def test_nothing_to_commit_is_fine(store: RedisStore):
    assert await store.commit([]) == []
