import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest
from builders import HOUR
from kept import KEYS, recorded
from redis import Redis

from core.errors import StoreError
from daemon.ports import Entry
from daemon.stores.address import address
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.redis import RedisStore
from daemon.stores.wire import Wire, command

if TYPE_CHECKING:
    import redis.asyncio as redis

AnEntry = Callable[..., Entry]
NewStore = Callable[..., Awaitable[RedisStore]]


class ReplyEater:
    """Stands between a store and its server; once armed it passes a call on, and cuts when the answer comes."""

    def __init__(self, server_path: Path, path: Path) -> None:
        self.url = f"unix://{path}"
        self._server_path = server_path
        self._path = path
        self.armed = False
        self.silent = False

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_unix_server(self._connected, self._path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.close()
        await self._listening.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        from_server, to_server = await asyncio.open_unix_connection(self._server_path)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._pass_on(reader, to_server, answers=False))
            both.create_task(self._pass_on(from_server, writer, answers=True))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool):
        while told := await reader.read(1 << 16):
            if answers and self.silent:
                continue
            if answers and self.armed:
                self.armed = False
                break
            writer.write(told)
        writer.close()


@pytest.fixture
async def eater(server: EmbeddedServer, tmp_path: Path):
    async with ReplyEater(server.socket, tmp_path / "eater.sock") as eater:
        yield eater


async def test_a_call_whose_answer_was_lost_is_repeated_without_harm(
    eater: ReplyEater, new_store: NewStore, client: "redis.Redis", an_entry: AnEntry
):
    store = await new_store(eater.url)
    eater.armed = True
    with pytest.raises(StoreError, match="try:"):
        await store.commit([an_entry(0)])
    assert await recorded(client) == ["BTCUSDT 0 0"]
    assert await store.commit([an_entry(0), an_entry(1)]) == [False, True]
    assert await recorded(client) == ["BTCUSDT 0 0", "BTCUSDT 1 0"]


async def test_a_server_that_does_not_answer_is_given_up_in_time(
    eater: ReplyEater, new_store: NewStore, an_entry: AnEntry
):
    store = await new_store(eater.url)
    patience_s, store._wire._answer_s = store._wire._answer_s, 0.2
    eater.silent = True
    with pytest.raises(StoreError, match=r"no answer within 0\.2 s"):
        await store.commit([an_entry(0)])
    eater.silent, store._wire._answer_s = False, patience_s
    assert await store.commit([an_entry(0)]) == [False]


async def test_a_cancelled_call_leaves_no_answer_for_the_next_one(
    eater: ReplyEater, new_store: NewStore, an_entry: AnEntry
):
    store = await new_store(eater.url)
    eater.silent = True
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await store.commit([an_entry(0)])
    eater.silent = False
    assert await store.commit([an_entry(1), an_entry(2)]) == [True, True]


async def test_a_full_server_refuses_and_says_what_to_do(store: RedisStore, client: "redis.Redis", an_entry: AnEntry):
    await client.config_set("maxmemory", 1)
    with pytest.raises(StoreError, match=r"maxmemory.*try: raise maxmemory"):
        await store.commit([an_entry(0)])
    await client.config_set("maxmemory", 0)
    assert await store.commit([an_entry(0)]) == [True]
    assert await recorded(client) == ["BTCUSDT 0 0"]


@pytest.mark.usefixtures("server")  # a node of a cluster is made a replica by the others
async def test_a_replica_refuses_and_says_what_to_do(store: RedisStore, client: "redis.Redis", an_entry: AnEntry):
    await client.replicaof("127.0.0.1", 1)
    try:
        with pytest.raises(StoreError, match=r"replica.*try: point store\.url at the primary"):
            await store.commit([an_entry(0)])
    finally:
        await client.replicaof("NO", "ONE")
    assert await store.commit([an_entry(0)]) == [True]


async def test_a_foreign_key_under_our_name_is_named(store: RedisStore, client: "redis.Redis", an_entry: AnEntry):
    await client.set(KEYS.stream, "not a stream")
    with pytest.raises(StoreError, match="try: delete the foreign key"):
        await store.commit([an_entry(0)])


async def test_a_server_that_is_not_there_is_named_without_secrets():
    store = RedisStore("redis://me:hush@127.0.0.1:1/0", KEYS, HOUR, 5)
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1.*try: see that the server runs") as refused:
        await store.open()
    assert "hush" not in str(refused.value)
    assert store.address == "127.0.0.1:1"


@pytest.mark.usefixtures("server")
async def test_a_beat_notices_a_server_that_would_take_no_write(store: RedisStore, client: "redis.Redis"):
    await store.beat()
    await client.config_set("maxmemory", 1)
    with pytest.raises(StoreError, match="try: raise maxmemory"):
        await store.beat()
    await client.config_set("maxmemory", 0)
    await client.replicaof("127.0.0.1", 1)
    try:
        with pytest.raises(StoreError, match=r"try: point store\.url at the primary"):
            await store.beat()
    finally:
        await client.replicaof("NO", "ONE")
    await store.beat()


async def test_a_server_that_may_evict_is_warned_of(
    new_store: NewStore, client: "redis.Redis", caplog: pytest.LogCaptureFixture
):
    await client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        await new_store()
    finally:
        await client.config_set("maxmemory-policy", "noeviction")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert caplog.records[0].policy == "allkeys-lru"


async def test_the_server_has_what_was_sent_though_the_loop_has_no_time_for_the_socket(server: EmbeddedServer):
    wire = Wire(address(server.url, KEYS.lease), 60)
    await wire.demand([command("PING")])
    sets = [command("SET", f"large {number}", bytes(120_000)) for number in range(3)]
    asking = asyncio.create_task(wire.demand(sets))
    await asyncio.sleep(0)
    with Redis.from_url(server.url) as beside:
        told = [beside.exists("large 2") for _ in range(2_000)]
    assert told[-1] == 1
    assert await asking == [b"OK"] * 3
    await wire.close()
