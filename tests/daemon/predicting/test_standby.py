"""A daemon in waiting on a real store; what it hears, and what it makes of it when it leads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest
from builders import HOUR, a_bar, an_arrival

from core.bars import Origin
from core.errors import StoreError
from core.windows import Windows
from daemon.inbox import Inbox
from daemon.ports import Entry
from daemon.predicting.standby import Standby
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore

KEYS = Keys("pair")
FIRST = 480_000


class Told:
    """What a status page would show."""

    def __init__(self) -> None:
        self.leaders: list[str] = []
        self.full: list[int] = []
        self.waits = asyncio.Event()
        self.failed = asyncio.Event()

    def waits_behind(self, leader: str) -> None:
        self.leaders.append(leader)
        self.waits.set()

    def filled(self, ready: int) -> None:
        self.full.append(ready)

    def store_failed(self, error: StoreError) -> None:
        assert "try:" in str(error)
        self.failed.set()

    def store_back(self) -> None:
        pass


class Pair:
    """A leading store, and one that waits with all it needs."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        self.leading = RedisStore(server.url, KEYS, HOUR, 5, lease_s=600)
        self.store = RedisStore(server.url, KEYS, HOUR, 5, lease_s=600)
        self.windows = Windows(HOUR, ("BTCUSDT", "ETHUSDT"), 5)
        self.inbox = Inbox(100)
        self.told = Told()
        self.standby = Standby(
            self.store,
            self.inbox,
            self.windows,
            self.told,
            self.lead,
            venues={"BTCUSDT": "binance", "ETHUSDT": "binance"},
            fewest_bars=2,
            look_s=0.01,
            wall_ms=lambda: 7,
        )

    async def lead(self) -> None:
        await self.store.load(self.windows)

    async def kept(self, *numbers: int, symbol: str = "BTCUSDT") -> None:
        bars = [a_bar(FIRST + number, symbol) for number in numbers]
        await self.leading.commit([Entry(symbol, bar.opened_at_ms, 0, bar.row, b"message") for bar in bars])

    async def hears(self, *numbers: int, symbol: str = "BTCUSDT") -> None:
        for number in numbers:
            await self.inbox.put_closed([an_arrival(a_bar(FIRST + number, symbol))])
        while self.inbox.depth:  # noqa: ASYNC110 - one turn of the loop takes them
            await asyncio.sleep(0)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        pair = Pair(await stack.enter_async_context(EmbeddedServer(tmp_path / "state")))
        for store in (pair.leading, pair.store):
            stack.push_async_callback(store.close)
        await pair.leading.open()
        await pair.store.connect()
        yield pair


async def test_it_waits_while_another_leads_and_then_has_what_the_store_lacks(pair: Pair):
    waiting = asyncio.create_task(pair.standby.until_leading())
    async with asyncio.timeout(100):
        await pair.told.waits.wait()
        await pair.kept(0, 1)
        await pair.hears(0, 1, 2, 3)
        await pair.hears(1, symbol="ETHUSDT")
        assert not waiting.done()
        await pair.leading.release()
        heard = await waiting
    assert heard is not None
    assert [(one.bar.symbol, one.bar.opened_at_ms // HOUR.ms - FIRST) for one in heard] == [
        ("BTCUSDT", 2),
        ("BTCUSDT", 3),
        ("ETHUSDT", 1),
    ]
    assert {one.origin for one in heard} == {Origin.LIVE}
    assert pair.told.leaders[0]
    assert pair.told.leaders[-1] == ""
    assert (pair.windows.newest_ms_S // HOUR.ms - FIRST).tolist() == [1, -1 - FIRST]


async def test_its_windows_are_full_while_it_waits(pair: Pair):
    waiting = asyncio.create_task(pair.standby.until_leading())
    async with asyncio.timeout(100):
        await pair.hears(0, 1, 2)
        while 1 not in pair.told.full:
            pair.told.waits.clear()
            await pair.told.waits.wait()
        pair.inbox.close()
        assert await waiting is None


async def test_a_store_that_is_away_is_waited_for(pair: Pair):
    await pair.server.stop()
    waiting = asyncio.create_task(pair.standby.until_leading())
    async with asyncio.timeout(100):
        await pair.told.failed.wait()
        await pair.server.start()
        await pair.told.waits.wait()
        await pair.leading.close()
        await pair.leading.release()
        assert await waiting == []


async def test_a_revision_that_only_it_heard_is_handed_on(pair: Pair):
    await pair.kept(0, 1)
    await pair.store.load(pair.windows)
    waiting = asyncio.create_task(pair.standby.until_leading())
    async with asyncio.timeout(100):
        await pair.told.waits.wait()
        await pair.inbox.put_closed([an_arrival(a_bar(FIRST + 1, "BTCUSDT", volume=99.0))])
        await pair.hears()
        await pair.leading.release()
        heard = await waiting
    assert heard is not None
    assert [one.bar.volume for one in heard] == [99.0]
    assert not np.isin(99.0, pair.windows.rows_SC5)


async def test_a_daemon_that_is_told_to_end_while_it_waits_takes_no_lease(pair: Pair):
    waiting = asyncio.create_task(pair.standby.until_leading())
    await pair.told.waits.wait()
    pair.inbox.close()
    async with asyncio.timeout(100):
        assert await waiting is None
    await pair.kept(0)
