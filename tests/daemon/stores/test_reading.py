"""Those who read beside the daemon find its store by the very URL that the daemon has."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from builders import HOUR, a_bar, a_message
from kept import least_rights
from redis.asyncio import Redis

from benchmarks.running.redises import Service, cluster, sentinels
from core.errors import StoreError
from core.prediction import Message, encode
from daemon import doctor
from daemon.ports import Entry
from daemon.replaying.lookup import look_up
from daemon.replaying.recorded import read
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore
from daemon.telling.watch import Until, watch

KEYS = Keys("demo", "west")


class Seen:
    """A view that keeps what it is shown."""

    def __init__(self) -> None:
        self.symbols: list[str] = []
        self.first = asyncio.Event()

    def show(self, new: list[Message], *_: object) -> None:
        self.symbols += [message.prediction.symbol for message in new]
        self.first.set()


async def publish(store: RedisStore, number: int, symbol: str = "BTCUSDT") -> str:
    message, bar = a_message(number, symbol), a_bar(number, symbol)
    assert await store.commit([Entry(symbol, bar.opened_at_ms, 0, bar.row, encode(message))]) == [True]
    return message.prediction.id


async def find_all(url: str, daemons_url: str = "") -> None:
    """What each reader finds there."""
    async with AsyncExitStack() as stack:
        store = RedisStore(daemons_url or url, KEYS, HOUR, 5, answer_s=60)
        stack.push_async_callback(store.close)
        await store.open()
        asked = await publish(store, 480_000)
        seen = Seen()
        await watch(url, None, KEYS.shard, Until(once=True), seen)
        assert seen.symbols == ["BTCUSDT"]
        found = await asyncio.to_thread(look_up, asked, url, KEYS.shard)
        assert found.message.prediction.id == asked
        assert list(found.bars.symbols) == ["BTCUSDT"]
        assert list((await read(url, KEYS, "digest")).said) == [("BTCUSDT", 480_000 * HOUR.ms)]
        checks = await asyncio.to_thread(lambda: list(doctor.answering(url, KEYS.shard)))
        assert "answers" in checks[0].found


async def test_all_find_a_store_on_a_unix_socket_behind_a_password(tmp_path: Path):
    async with EmbeddedServer(tmp_path) as server:
        async with Redis.from_url(server.url) as client:
            await client.execute_command("ACL", "SETUSER", "default", "resetpass", ">secret")
        await find_all(server.url.replace("unix://", "unix://default:secret@"))


async def test_the_documented_rights_of_the_daemon_and_of_who_only_reads_suffice(tmp_path: Path):
    async with EmbeddedServer(tmp_path) as server, Redis.from_url(server.url) as client:
        for user in ("gaze", "reader"):
            await client.execute_command("ACL", "SETUSER", user, "on", ">right", *least_rights(user))
        await find_all(*(server.url.replace("unix://", f"unix://{user}:right@") for user in ("reader", "gaze")))


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_in_a_cluster_they_suffice_with_the_right_to_ask_who_has_a_slot(tmp_path: Path):
    async with cluster(tmp_path, KEYS.lease) as service:
        for place in service.url.partition("://")[2].split(","):
            async with Redis.from_url(f"redis://{place}") as client:
                for user in ("gaze", "reader"):
                    words = [*least_rights(user), "+cluster|slots"]
                    await client.execute_command("ACL", "SETUSER", user, "on", ">right", *words)
        await find_all(*(service.url.replace("://", f"://{user}:right@") for user in ("reader", "gaze")))


@pytest.fixture(params=[sentinels, cluster])
async def service(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Service]:
    told = (tmp_path, KEYS.lease) if request.param is cluster else (tmp_path,)
    async with request.param(*told) as service:
        yield service


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_all_find_a_store_behind_sentinels_and_in_a_cluster(service: Service):
    await find_all(service.url)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_watch_goes_on_with_the_server_that_takes_over(service: Service):
    async with AsyncExitStack() as stack:
        store = RedisStore(service.url, KEYS, HOUR, 5)
        stack.push_async_callback(store.close)
        await store.open()
        await publish(store, 480_000)
        seen = Seen()
        until = Until(count=1, store_s=60.0)
        async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
            tasks.create_task(watch(service.url, "demo", KEYS.shard, until, seen))
            await seen.first.wait()
            await service.caught_up()
            await service.fails_over()
            await service.replica.until(lambda: again(store))
            await publish(store, 480_001, "ETHUSDT")
        assert seen.symbols == ["BTCUSDT", "ETHUSDT"]


async def again(store: RedisStore) -> bool:
    """The store takes writes on the server that leads now."""
    try:
        await store.beat()
    except StoreError:
        return False
    return True
