"""examples/consumer.py against what the store writes."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from builders import HOUR, a_message

from core.prediction import encode
from daemon.ports import Entry
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore

if TYPE_CHECKING:
    import redis.asyncio as redis

NewStore = Callable[..., Awaitable[RedisStore]]

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "consumer.py"
KEYS = Keys("btc")


def predictions(*numbers: int, symbol: str = "BTCUSDT") -> list[Entry]:
    bar = (100.0, 110.0, 90.0, 105.0, 12.5)
    return [Entry(symbol, number * HOUR.ms, 0, bar, encode(a_message(number, symbol))) for number in numbers]


@asynccontextmanager
async def consumer(server: EmbeddedServer, count: int) -> AsyncIterator[asyncio.subprocess.Process]:
    told = [sys.executable, str(EXAMPLE), "--url", server.url, "--model", "btc", "--count", str(count)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*told, stdout=pipe, stderr=pipe)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def shown(server: EmbeddedServer, count: int) -> tuple[list[str], str]:
    """What it prints and complains of until it has so many."""
    async with consumer(server, count) as process:
        out, complaints = await process.communicate()
        assert process.returncode == 0, complaints.decode()
        return out.decode().splitlines(), complaints.decode()


async def test_it_shows_what_came_before_and_wakes_up_for_what_comes(server: EmbeddedServer, store: RedisStore):
    await store.commit(predictions(480_000, 480_001))
    async with consumer(server, 3) as process:
        first = (await process.stdout.readline()).decode()
        assert first.startswith("BTCUSDT")
        assert "looked at" in first
        assert "bars ago" in first
        await process.stdout.readline()
        await store.commit(predictions(480_000, symbol="ETHUSDT"))
        assert (await process.stdout.readline()).startswith(b"ETHUSDT")
        assert await process.wait() == 0


async def test_a_second_run_goes_on_where_the_first_ended(server: EmbeddedServer, store: RedisStore):
    await store.commit(predictions(480_000, 480_001))
    assert len((await shown(server, 2))[0]) == 2
    await store.commit(predictions(480_002, symbol="ETHUSDT"))
    [line], complaints = await shown(server, 1)
    assert line.startswith("ETHUSDT")
    assert complaints == ""


async def test_what_it_took_and_never_acknowledged_is_shown_again(
    server: EmbeddedServer, client: "redis.Redis", store: RedisStore
):
    await store.commit(predictions(480_000, 480_001))
    await client.xgroup_create(KEYS.stream, "example", id="0")
    await client.xreadgroup("example", "consumer-1", {KEYS.stream: ">"}, count=1)
    assert len((await shown(server, 2))[0]) == 2


async def test_after_too_long_an_absence_it_says_so_and_shows_the_latest(
    server: EmbeddedServer, client: "redis.Redis", new_store: NewStore
):
    if int((await client.info("server"))["redis_version"].split(".")[0]) < 7:
        pytest.skip("Redis before 7 does not tell how far a group is behind")
    store = await new_store()
    await store.commit(predictions(480_000))
    await shown(server, 1)
    await store.commit(predictions(*range(480_001, 480_011)))
    await client.xtrim(KEYS.stream, maxlen=2, approximate=False)
    lines, complaints = await shown(server, 2)
    assert "8 predictions were dropped" in complaints
    assert len(lines) == 3
