"""Live features are computed again from the bars in the store; one bit that differs is counted."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from builders import HOUR, a_bar, a_manifest, an_arrival
from redis.asyncio import Redis

from core.bars import Arrival
from core.bundle import Input, Manifest, Window
from core.external import External, Records
from core.features import FeatureSet
from core.windows import Windows
from daemon.predicting.batch import Batch
from daemon.predicting.parity import Parity
from daemon.predicting.pipeline import Pipeline
from daemon.stores import ring
from daemon.stores.address import address
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore

KNOWN = FeatureSet.named("btc_rich")
READS = Input("bars", "symbol", KNOWN.names, KNOWN.digest, KNOWN.lookback, Window("rolling", 4, 4))
MANIFEST = a_manifest(inputs=(READS,))
NEEDED = READS.bars_needed
CAPACITY = NEEDED + 64
NEWEST = 400_000
RING = Keys("demo").ring("1h", CAPACITY, "BTCUSDT")


class Told:
    """What the monitor told."""

    def __init__(self) -> None:
        self.compared = self.mismatched = 0
        self.heard = asyncio.Event()

    def parity(self, compared: int, mismatched: int) -> None:
        self.compared += compared
        self.mismatched += mismatched
        self.heard.set()


class Desk:
    """Windows, a store that keeps the same bars, and the monitor."""

    def __init__(
        self, url: str, windows_per_minute: float = 60.0, manifest: Manifest = MANIFEST, records: Records | None = None
    ) -> None:
        known = (lambda: records) if records else None
        self.url = url
        self.now_s = 0.0
        self.windows = Windows(HOUR, ("BTCUSDT", "ETHUSDT"), CAPACITY)
        self.pipeline = Pipeline(manifest, "digest", publish_late=True, top=2, records=known)
        self.store = RedisStore(url, Keys("demo"), HOUR, CAPACITY, answer_s=60)
        self.told = Told()
        self.parity = Parity(
            manifest.inputs,
            self.windows,
            self.store,
            self.told,
            windows_per_minute=windows_per_minute,
            clock_s=lambda: self.now_s,
            records=known,
        )

    async def serve(self, *arrivals: Arrival, offer: bool = True) -> Batch:
        batch = self.pipeline.prepare(self.windows, arrivals, {}).batch
        count = len(batch.predicted)
        outputs = {"return_1": np.zeros(count, np.float32), "attention": np.full((count, 4), 0.25, np.float32)}
        entries, _ = self.pipeline.finish(batch, outputs, 0)
        await self.store.commit(entries)
        if offer:
            self.parity.offer(batch)
        return batch

    async def check(self) -> tuple[int, int]:
        """What was compared and what differed, once what was offered is checked."""
        async with asyncio.timeout(100), asyncio.TaskGroup() as tasks:
            checking = tasks.create_task(self.parity.check_forever())
            await self.told.heard.wait()
            checking.cancel()
        return self.told.compared, self.told.mismatched

    async def flip(self, number: int, byte: int = 16 + 3 * 8) -> None:
        """Flip the lowest bit of one byte of a kept bar; by default the last bit of its close."""
        client = Redis.from_url(self.url, protocol=2)
        at = ring.offset_bytes(number % CAPACITY) + byte
        (value,) = await client.getrange(RING, at, at)
        await client.setrange(RING, at, bytes([value ^ 1]))
        await client.aclose()


def arrivals(first: int, last: int) -> list[Arrival]:
    drawn = np.random.default_rng(3).uniform(95, 105, (last - first + 1, 2))
    return [
        an_arrival(a_bar(number, close=float(close), volume=float(volume)))
        for number, (close, volume) in zip(range(first, last + 1), drawn, strict=True)
    ]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with EmbeddedServer(tmp_path / "state") as server:
        one = Desk(server.url)
        await one.store.open()
        await one.serve(*arrivals(NEWEST - CAPACITY, NEWEST - 1), offer=False)
        yield one
        await one.store.close()


async def test_a_window_of_live_features_is_the_same_from_the_store(desk: Desk):
    await desk.serve(*arrivals(NEWEST, NEWEST))
    assert await desk.check() == (4, 0)


async def test_one_bit_of_one_stored_bar_is_a_mismatch_in_the_rows_that_read_it(
    desk: Desk, caplog: pytest.LogCaptureFixture
):
    await desk.serve(*arrivals(NEWEST, NEWEST))
    await desk.flip(NEWEST - 1)
    assert await desk.check() == (4, 2)
    assert "live features are not those of the bars in the store" in caplog.text
    assert caplog.records[-1].rows_wrong == {"bars": 2}  # type: ignore[attr-defined]


FEW = FeatureSet.named("btc_3")
MOOD = External("mood", "series", 5 * HOUR.ms)


async def test_longer_bars_and_what_is_known_beside_them_are_compared_too(desk: Desk):
    window = Window("rolling", 4, 4)
    beside = Input("bars", "symbol", (*FEW.names, *MOOD.columns), FEW.digest, FEW.lookback, window, external=(MOOD,))
    longer = Input("longer", "symbol", FEW.names, FEW.digest, FEW.lookback, window, interval="2h", parts=2)
    known_ms = np.array([(NEWEST - 2) * HOUR.ms, NEWEST * HOUR.ms], np.int64)
    records = Records(["mood"] * 2, [""] * 2, known_ms, known_ms, np.array([1.0, 2.0]))
    other = Desk(desk.url, manifest=a_manifest(inputs=(beside, longer)), records=records)
    other.windows, other.store, other.parity._windows = desk.windows, desk.store, desk.windows
    other.parity._store = desk.store
    batch = await other.serve(*arrivals(NEWEST, NEWEST))
    assert batch.inputs["bars"][0, :, 3].tolist() == [1.0, 1.0, 2.0, 2.0]
    assert await other.check() == (8, 0)
    other.now_s = 5.0
    await other.serve(*arrivals(NEWEST + 1, NEWEST + 1))
    other.told.heard.clear()
    await desk.flip(NEWEST - 1)
    # Two rows of the bars read it within 25, and all of the longer ones count.
    compared, mismatched = await other.check()
    assert (compared, mismatched) == (16, 3 + 4)


async def test_a_bar_that_the_store_lost_is_a_mismatch(desk: Desk):
    await desk.serve(*arrivals(NEWEST, NEWEST))
    await desk.flip(NEWEST - 2, byte=0)  # its opening time: no bar of the grid any more
    compared, mismatched = await desk.check()
    assert compared == 4
    assert mismatched == 4


async def test_only_as_many_windows_are_taken_as_asked_for(desk: Desk):
    await desk.serve(*arrivals(NEWEST, NEWEST))
    assert await desk.check() == (4, 0)
    desk.told.heard.clear()
    await desk.serve(*arrivals(NEWEST + 1, NEWEST + 1))
    desk.now_s = 0.99
    await desk.serve(*arrivals(NEWEST + 2, NEWEST + 2))
    assert desk.parity._samples.empty()
    desk.now_s = 1.0
    await desk.serve(*arrivals(NEWEST + 3, NEWEST + 3))
    assert await desk.check() == (8, 0)


async def test_no_window_is_taken_where_it_is_turned_off(desk: Desk):
    off = Desk(desk.url, windows_per_minute=0.0)
    off.windows, off.store = desk.windows, desk.store
    off.now_s = 1e12
    await off.serve(*arrivals(NEWEST, NEWEST))
    assert off.parity._samples.empty()


async def test_a_window_whose_bars_were_revised_since_or_have_left_the_ring_is_let_go(desk: Desk):
    await desk.serve(*arrivals(NEWEST, NEWEST))
    sample = desk.parity._samples.get_nowait()
    await desk.serve(an_arrival(a_bar(NEWEST - 3, close=99.0)), offer=False)
    await desk.parity.check(sample)
    assert desk.told.compared == 0
    desk.now_s = 5.0
    await desk.serve(*arrivals(NEWEST + 1, NEWEST + 1))
    sample = desk.parity._samples.get_nowait()
    await desk.serve(*arrivals(NEWEST + 2, NEWEST + 80), offer=False)
    await desk.parity.check(sample)
    assert desk.told.compared == 0


async def test_a_bar_and_its_revision_in_one_batch_are_not_taken(desk: Desk):
    await desk.serve(*arrivals(NEWEST, NEWEST), an_arrival(a_bar(NEWEST, close=99.0)))
    assert desk.parity._samples.empty()


async def test_a_store_that_is_away_lets_the_window_go(desk: Desk):
    await desk.serve(*arrivals(NEWEST, NEWEST))
    sample = desk.parity._samples.get_nowait()
    await desk.store.close()
    desk.store._wire._address = address("unix:///nowhere/redis.sock", "")
    await desk.parity.check(sample)
    assert desk.told.compared == 0


async def test_a_window_that_later_bars_of_its_own_batch_have_overwritten_is_not_taken(desk: Desk):
    await desk.serve(*arrivals(NEWEST, NEWEST + 99))  # the prime takes the 20th row
    assert desk.parity._samples.empty()
