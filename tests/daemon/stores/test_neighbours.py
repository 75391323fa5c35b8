"""Shards beside each other: a symbol that moves is served by one at a time, and goes on where it was left."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import redis.asyncio as redis
from builders import HOUR
from kept import Place

from daemon.ports import Entry
from daemon.sharding import owner, share
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.neighbours import Neighbours
from daemon.stores.redis import RedisStore

SYMBOLS = ("BTCUSDT", "ETHUSDT", "DOGEUSDT", "ADAUSDT")
MOVED = share(SYMBOLS, 1, 2)
STAYED = share(SYMBOLS, 0, 2)
BEGIN_MS = 7 * HOUR.ms
MODELS = (f"moving{number}" for number in itertools.count())

AnEntry = Callable[..., Entry]
Shard = tuple[RedisStore, Neighbours]
AShard = Callable[..., Awaitable[Shard]]


@pytest.fixture
async def a_shard(place: Place) -> AsyncIterator[AShard]:
    """Opens the store of one shard, of a model that no other test has; it has the lease."""
    model = next(MODELS)
    async with AsyncExitStack() as stack:

        async def opened(shard: str, shards: int, lease_s: float = 0.006) -> Shard:
            keys = Keys(model, shard)
            store = RedisStore(place.url, keys, HOUR, 5, lease_s=600)
            stack.push_async_callback(store.close)
            await store.open()
            return store, Neighbours(place.url, keys, shards, HOUR, lease_s)

        yield opened


async def alone(a_shard: AShard) -> RedisStore:
    """The store of a daemon that serves every symbol."""
    store, beside = await a_shard("0", 1)
    await beside.settle(store, SYMBOLS)
    return store


class Heard(logging.Handler):
    """Waits for a line of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.event = asyncio.Event()
        self.shards: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith("waiting for shards"):
            self.shards.append(record.__dict__["shards"])
            self.event.set()


@pytest.fixture
def heard():
    handler, logger = Heard(), logging.getLogger("gaze.shards")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def test_the_symbols_here_are_shared_by_both():
    assert MOVED
    assert STAYED


async def test_a_new_shard_goes_on_behind_what_was_published_before(a_shard: AShard, an_entry: AnEntry):
    store = await alone(a_shard)
    await store.commit([an_entry(hour, symbol=symbol) for hour in range(3) for symbol in SYMBOLS])
    await store.release()

    new, beside = await a_shard("1", 2)
    await beside.settle(new, [*MOVED, "NEWUSDT"])
    since_ms = await new.follow([*MOVED, "NEWUSDT"], BEGIN_MS)
    assert since_ms == dict.fromkeys(MOVED, an_entry(3).opened_at_ms) | {"NEWUSDT": BEGIN_MS}


async def test_a_symbol_that_comes_back_goes_on_behind_the_shard_that_had_it_meanwhile(
    a_shard: AShard, an_entry: AnEntry
):
    store = await alone(a_shard)
    await store.follow(SYMBOLS, an_entry(0).opened_at_ms)
    await store.commit([an_entry(0, symbol=symbol) for symbol in SYMBOLS])
    await store.release()
    new, beside = await a_shard("1", 2)
    await beside.settle(new, MOVED)
    await new.commit([an_entry(hour, symbol=symbol) for hour in (1, 2) for symbol in MOVED])
    await new.release()

    store = await alone(a_shard)
    since_ms = await store.follow(SYMBOLS, BEGIN_MS)
    assert since_ms == {symbol: an_entry(3 if symbol in MOVED else 0).opened_at_ms for symbol in SYMBOLS}


async def test_a_symbol_of_which_nothing_was_published_yet_begins_where_it_was_to(a_shard: AShard):
    store = await alone(a_shard)
    await store.follow(SYMBOLS, BEGIN_MS)
    await store.release()
    new, beside = await a_shard("1", 2)
    await beside.settle(new, MOVED)
    assert await new.follow(MOVED, BEGIN_MS + 9 * HOUR.ms) == dict.fromkeys(MOVED, BEGIN_MS)


async def test_a_shard_waits_until_the_one_that_has_its_symbols_lets_go(
    a_shard: AShard, an_entry: AnEntry, heard: Heard
):
    store = await alone(a_shard)
    new, beside = await a_shard("1", 2)
    settling = asyncio.create_task(beside.settle(new, MOVED))
    async with asyncio.timeout(100):
        await heard.event.wait()
        assert not settling.done()
        await store.commit([an_entry(5, symbol=symbol) for symbol in SYMBOLS])
        await store.release()
        await settling
    assert heard.shards == ["0"]
    assert await new.follow(MOVED, BEGIN_MS) == dict.fromkeys(MOVED, an_entry(6).opened_at_ms)


async def test_a_shard_waits_until_the_one_that_has_its_symbols_shares_out_as_it_does(a_shard: AShard, heard: Heard):
    await alone(a_shard)
    new, of_new = await a_shard("1", 2)
    settling = asyncio.create_task(of_new.settle(new, MOVED))
    async with asyncio.timeout(100):
        await heard.event.wait()
        again, beside = await a_shard("0", 2)
        await beside.settle(again, STAYED)
        await settling
    assert heard.shards == ["0"]


async def test_a_shard_that_is_waited_for_in_vain_does_not_begin_either(a_shard: AShard, heard: Heard):
    store, beside = await a_shard("0", 2)
    await beside.settle(store, STAYED)
    new, beside = await a_shard("1", 2)
    await beside.settle(new, MOVED)
    former, beside = await a_shard("0", 1)
    settling = asyncio.create_task(beside.settle(former, SYMBOLS))
    async with asyncio.timeout(100):
        await heard.event.wait()
        assert heard.shards == ["1"]
        await new.release()
        await settling


async def test_shards_whose_settings_name_their_symbols_do_not_look_at_each_other(
    a_shard: AShard, an_entry: AnEntry, heard: Heard
):
    for shard in ("eu", "us", "0", "1"):
        store, beside = await a_shard(shard, 1)
        await beside.settle(store, SYMBOLS)
        await store.commit([an_entry(0, symbol=symbol) for symbol in SYMBOLS])
        assert await store.follow(SYMBOLS, BEGIN_MS) == dict.fromkeys(SYMBOLS, BEGIN_MS)
    assert not heard.shards


async def test_a_shard_that_starts_on_an_emptied_server_waits_for_who_is_alive(
    a_shard: AShard, server: EmbeddedServer, heard: Heard, an_entry: AnEntry
):
    """Nobody is known there: who lives is given a lease's time to say so, hundreds of times what it takes."""
    store, beside = await a_shard("0", 1)
    await beside.settle(store, SYMBOLS)
    async with redis.Redis.from_url(server.url) as client:
        await client.flushall()
    await store.beat()
    new, of_new = await a_shard("1", 2, lease_s=3)
    alive = asyncio.create_task(beside.stay_known_forever(store))
    settling = asyncio.create_task(of_new.settle(new, MOVED))
    async with asyncio.timeout(100):
        await heard.event.wait()
        await store.commit([an_entry(5, symbol=symbol) for symbol in SYMBOLS])
        await store.release()
        await settling
    alive.cancel()
    assert heard.shards == ["0"]
    assert await new.follow(MOVED, BEGIN_MS) == dict.fromkeys(MOVED, an_entry(6).opened_at_ms)


async def test_what_a_shard_said_is_said_again_and_not_over_what_was_said_since(
    a_shard: AShard, server: EmbeddedServer
):
    async with redis.Redis.from_url(server.url) as client, asyncio.timeout(100):
        await client.flushall()
        former, beside = await a_shard("0", 2)
        await beside.settle(former, STAYED)
        new, of_new = await a_shard("0", 3)
        await of_new.settle(new, STAYED)
        [counts] = await client.keys("gaze:{shards}:counts:*")
        alive = asyncio.create_task(beside.stay_known_forever(former))
        said = await times_said(client)
        while await times_said(client) < said + 2:
            assert await client.hgetall(counts) == {b"0": b"3"}
        await client.delete(counts)
        while await client.hgetall(counts) != {b"0": b"2"}:
            pass
        alive.cancel()


async def times_said(client: "redis.Redis") -> int:
    return (await client.info("commandstats")).get("cmdstat_hsetnx", {"calls": 0})["calls"]


def test_owners_are_told_as_shards_are_named():
    assert {str(owner(symbol, 2)) for symbol in SYMBOLS} == {"0", "1"}
