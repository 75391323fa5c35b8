"""A real server for the whole session, emptied before each test, and stores that are closed after it."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio as redis

from core.bars import Interval
from daemon.ports import Entry
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore

HOUR_MS = 3_600_000
FIRST_MS = 480_000 * HOUR_MS


@pytest.fixture(scope="session", params=[name for name in (None, "redis-server") if name is None or shutil.which(name)])
def binary(request: pytest.FixtureRequest) -> Path | None:
    """The server that comes with the package, which is None, and Debian's where it is installed."""
    return Path(str(shutil.which(request.param))) if request.param else None


@pytest.fixture(scope="session")
def server(binary: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(tmp_path_factory.mktemp("server"), binary=binary)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
async def client(server: EmbeddedServer) -> AsyncIterator["redis.Redis"]:
    """What a user has: redis-py on the same server, which is empty."""
    async with redis.Redis.from_url(server.url) as client:
        await client.config_set("maxmemory", 0)
        await client.flushall()
        yield client


NewStore = Callable[..., Awaitable[RedisStore]]


@pytest.fixture
async def new_store(
    server: EmbeddedServer,
    client: "redis.Redis",  # noqa: ARG001 - the server is empty first
) -> AsyncIterator[NewStore]:
    """Opens a store, as another daemon would, or one that `waits`."""
    stores: list[RedisStore] = []

    async def opened(url: str = server.url, capacity: int = 5, *, waits: bool = False, **more: Any) -> RedisStore:
        told = {"answer_s": 60.0, "stream_maxlen": 1_000} | more
        store = RedisStore(url, Keys("btc"), Interval.parse("1h"), capacity, **told)
        stores.append(store)
        await (store.connect() if waits else store.open())
        return store

    yield opened
    for store in stores:
        await store.close()


@pytest.fixture
async def store(new_store: NewStore) -> RedisStore:
    return await new_store()


@pytest.fixture
def an_entry() -> Callable[..., Entry]:
    """The bar that opens `hour` hours after a certain one, whose message is its name."""

    def built(
        hour: int = 0, *, symbol: str = "BTCUSDT", revision: int = 0, close: float = 1.5, message: bytes | None = b""
    ) -> Entry:
        said = f"{symbol} {hour} {revision}".encode() if message == b"" else message
        return Entry(symbol, FIRST_MS + hour * HOUR_MS, revision, (1.0, 2.0, 0.5, close, 10.0), said)

    return built
