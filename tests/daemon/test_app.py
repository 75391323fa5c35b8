"""Starting and stopping: what a daemon that cannot start leaves alone, and how soon one that starts can be stopped."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import redis
from bundles import a_bundle
from venues import Venue

from core.bars import Interval
from core.bundle import Bundle
from core.errors import ConfigError
from daemon.app import serve
from daemon.config import BundleConfig, Config, FeedConfig, HttpConfig, StoreConfig
from daemon.ports import Entry
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore

AN_ENTRY = Entry("BTCUSDT", 0, 0, (1.0, 2.0, 0.5, 1.5, 10.0), b"said")


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return a_bundle(tmp_path_factory.mktemp("app") / "bundle")


@pytest.fixture
def config(bundle: Bundle, tmp_path: Path) -> Config:
    """Settings whose venue nobody serves."""
    return Config(
        BundleConfig(str(bundle.folder)),
        FeedConfig(("BTCUSDT",), websocket_url="ws://127.0.0.1:1", rest_url="http://127.0.0.1:1"),
        store=StoreConfig(directory=str(tmp_path / "state")),
        http=HttpConfig(port=0),
    )


@pytest.fixture
async def leading(bundle: Bundle, tmp_path: Path) -> AsyncIterator[tuple[str, RedisStore]]:
    """A server, and the store of a daemon that holds the lease there."""
    async with EmbeddedServer(tmp_path / "shared") as server:
        store = RedisStore(server.url, Keys(bundle.manifest.name), Interval.parse("1h"), 200, answer_s=60)
        await store.open()
        yield server.url, store
        await store.close()


async def test_a_daemon_that_cannot_have_its_port_takes_no_lease(config: Config, leading: tuple[str, RedisStore]):
    url, store = leading
    with socket.create_server(("127.0.0.1", 0)) as taken:
        http = HttpConfig(port=taken.getsockname()[1])
        changed = msgspec.structs.replace(config, store=StoreConfig(url=url), http=http)
        with pytest.raises(ConfigError, match="is taken by another program"):
            await serve(changed, lambda _: None)
    assert await store.commit([AN_ENTRY]) == [True]


async def test_a_daemon_whose_venue_has_no_such_bars_takes_no_lease(config: Config, leading: tuple[str, RedisStore]):
    url, store = leading
    changed = msgspec.structs.replace(config, store=StoreConfig(url=url), feed=FeedConfig(("BTC",), venue="generic"))
    with pytest.raises(ConfigError, match="no address of its own"):
        await serve(changed, lambda _: None)
    assert await store.commit([AN_ENTRY]) == [True]


async def test_sigterm_ends_a_start_that_waits_for_the_venue(config: Config):
    asked, left = asyncio.Event(), asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()
        left.set()

    async with await asyncio.start_server(never_answer, "127.0.0.1", 0) as venue:
        rest_url = f"http://127.0.0.1:{venue.sockets[0].getsockname()[1]}"
        feed = msgspec.structs.replace(config.feed, rest_url=rest_url)
        serving = asyncio.create_task(serve(msgspec.structs.replace(config, feed=feed), lambda _: None))
        async with asyncio.timeout(100):
            await asked.wait()
            os.kill(os.getpid(), signal.SIGTERM)
            await serving
            await left.wait()


def process_of(server: Path) -> int | None:
    """The process that answers on a server's socket."""
    with redis.Redis(unix_socket_path=str(server / "redis.sock")) as client:
        try:
            return int(client.info("server")["process_id"])
        except redis.ConnectionError:
            return None


def until_another_answers(server: Path, first: int) -> None:
    """Another program can only be asked whether it is there."""
    pause = threading.Event()
    while process_of(server) in (None, first):
        pause.wait(0.05)


async def test_a_private_server_that_dies_is_started_again(config: Config, venue: Venue):
    feed = FeedConfig(("BTCUSDT",), websocket_url=venue.websocket_url, rest_url=venue.rest_url)
    started, folder = asyncio.Event(), Path(config.store.directory)
    serving = asyncio.create_task(serve(msgspec.structs.replace(config, feed=feed), lambda _: started.set()))
    async with asyncio.timeout(100):
        await started.wait()
        first = process_of(folder)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await asyncio.to_thread(until_another_answers, folder, first)
        os.kill(os.getpid(), signal.SIGTERM)
        await serving


@pytest.mark.parametrize("whose", ["ours", "theirs"])
async def test_only_a_server_of_its_own_is_asked_to_rewrite_its_file(
    config: Config, venue: Venue, leading: tuple[str, RedisStore], whose: str
):
    feed = FeedConfig(("BTCUSDT",), websocket_url=venue.websocket_url, rest_url=venue.rest_url)
    store = config.store if whose == "ours" else StoreConfig(url=leading[0])
    started = asyncio.Event()
    changed = msgspec.structs.replace(config, feed=feed, store=store)
    serving = asyncio.create_task(serve(changed, lambda _: started.set()))
    async with asyncio.timeout(100):
        await started.wait()
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert "predict" in names
        assert ("append-only file" in names) == (whose == "ours")
        os.kill(os.getpid(), signal.SIGTERM)
        await serving
