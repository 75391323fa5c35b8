"""A real server for the whole session, emptied before each test, and stores that are closed after it."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio as redis
from kept import Place

from benchmarks.running.redises import cluster
from core.bars import Interval
from daemon.ports import Entry
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore

HOUR_MS = 3_600_000
FIRST_MS = 480_000 * HOUR_MS


SERVERS = [None, *filter(None, [shutil.which("redis-server"), *os.environ.get("GAZE_TEST_SERVERS", "").split(":")])]
"""The server that comes with the package, which is None, Debian's where it is installed, and those that are named."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What asks for a place runs in a cluster too, unless it asks for the one server behind it."""
    names = [None if one is None else f"{Path(one).parent.name}/{Path(one).name}" for one in SERVERS]
    if "binary" in metafunc.fixturenames:
        metafunc.parametrize("binary", SERVERS, ids=names, indirect=True, scope="session")
    if "place" in metafunc.fixturenames:
        places = [pytest.param(("server", one), id=name) for one, name in zip(SERVERS, names, strict=True)]
        if "server" not in metafunc.fixturenames:
            places.append(pytest.param(("cluster", None), id="cluster", marks=pytest.mark.slow))
        metafunc.parametrize("place", places, indirect=True, scope="session")


@pytest.fixture(scope="session")
def binary(request: pytest.FixtureRequest) -> Path | None:
    """A server's program; None is the one that comes with the package."""
    return Path(request.param) if request.param else None


@pytest.fixture(scope="session")
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server of every kind, or a cluster of three, for the whole session."""
    kind, program = request.param
    folder = tmp_path_factory.mktemp("place")
    with asyncio.Runner() as runner, entering(runner) as enter:
        if kind == "cluster":
            service = enter(cluster(folder))
            yield Place(service.url, service.primary.url)
        else:
            server = enter(EmbeddedServer(folder, binary=Path(program) if program else None))
            yield Place(server.url, server.url, server)


@contextmanager
def entering(runner: asyncio.Runner) -> Iterator[Callable[[Any], Any]]:
    """Enters contexts on a loop of their own, which stands still in between."""
    stack = AsyncExitStack()
    try:
        yield lambda context: runner.run(stack.enter_async_context(context))
    finally:
        runner.run(stack.aclose())


@pytest.fixture(scope="session")
def server(place: Place) -> EmbeddedServer:
    """The one server behind a place."""
    assert place.server
    return place.server


@pytest.fixture
async def client(place: Place) -> AsyncIterator["redis.Redis"]:
    """What a user has: redis-py on the same server, which is empty."""
    async with redis.Redis.from_url(place.client_url) as client:
        await client.config_set("maxmemory", 0)
        await client.flushall()
        yield client


NewStore = Callable[..., Awaitable[RedisStore]]


@pytest.fixture
async def new_store(
    place: Place,
    client: "redis.Redis",  # noqa: ARG001 - the server is empty first
) -> AsyncIterator[NewStore]:
    """Opens a store, as another daemon would, or one that `waits`."""
    stores: list[RedisStore] = []

    async def opened(url: str = place.url, capacity: int = 5, *, waits: bool = False, **more: Any) -> RedisStore:
        told = {"answer_s": 60.0, "lease_s": 600.0, "stream_maxlen": 1_000} | more
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
