"""What a burst costs, counted: when every symbol closes at once, work is per batch where it can be."""

import asyncio
import gc
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import redis.asyncio as redis
from builders import HOUR, a_bar, a_manifest, an_arrival

from core.bars import Bar, Spans
from core.features import FeatureSet
from core.inputs import Inputs
from core.prediction import Message
from core.windows import Windows
from daemon.inbox import Inbox
from daemon.ports import Entry, Float32s
from daemon.predicting.ahead import Ahead
from daemon.predicting.held import Held
from daemon.predicting.pipeline import Pipeline
from daemon.predicting.predictor import Predictor
from daemon.predicting.words import Form
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore
from daemon.telling.metrics import Metrics
from daemon.telling.status import Status

SYMBOLS = 1_200
NEEDED = 28
FIRST_PARTS = (64, 128, 256)
ROWS_A_PART = 512
ENTRIES_A_CALL = 171
STEPS_A_CALL = 128
BLOCKS_PREPARED = 4
BLOCKS_FINISHED = 4
BLOCKS_KEPT = 5


class Counted:
    """How often each kind of work was done."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Count from nothing."""
        self.model_calls: list[int] = []
        self.ahead: list[int] = []
        self.steps: list[int] = []
        self.commits: list[int] = []
        self.encoded = 0
        self.feature_rows = 0


class Engine:
    """Forecasts the last return; tells how many rows it was given."""

    name = "last return"
    device = "cpu"

    def __init__(self, counted: Counted) -> None:
        self._counted = counted

    def run(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        rows = inputs["bars"]
        self._counted.model_calls.append(len(rows))
        return {"return_1": rows[:, -1, 0], "attention": np.full(rows.shape[:2], 0.25, np.float32)}


class Stream:
    """The same forecast in two parts; tells how many rows each part was given."""

    recent = 0

    def __init__(self, counted: Counted) -> None:
        self._counted = counted

    def prefix(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        rows = inputs["bars"]
        self._counted.ahead.append(len(rows))
        return {"seen": rows[:, :, 0]}

    def step(self, states: dict[str, Float32s], newest: dict[str, Float32s]) -> dict[str, Float32s]:
        self._counted.steps.append(len(states["seen"]))
        rows = newest["bars"]
        return {"return_1": rows[:, 0, 0], "attention": np.full((len(rows), 4), 0.25, np.float32)}


class Store(RedisStore):
    """The real one, counting its calls."""

    counted: Counted

    async def commit(self, entries: Sequence[Entry]) -> list[bool]:
        self.counted.commits.append(len(entries))
        return await super().commit(entries)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    told = Counted()
    say, rows, newest = Form.words, FeatureSet.rows, FeatureSet.newest

    def counting_words(self: Form, message: Message) -> list[bytes]:
        told.encoded += 1
        return say(self, message)

    def counting_rows(self: FeatureSet, bars_NT5: np.ndarray, count: int, *times: object) -> np.ndarray:
        told.feature_rows += len(bars_NT5) * count
        return rows(self, bars_NT5, count, *times)

    def counting_newest(self: FeatureSet, spans: Spans, *times: object) -> np.ndarray:
        told.feature_rows += len(spans.positions_N)
        return newest(self, spans, *times)

    monkeypatch.setattr(FeatureSet, "newest", counting_newest)
    monkeypatch.setattr(Form, "words", counting_words)
    monkeypatch.setattr(FeatureSet, "rows", counting_rows)
    return told


def closing(symbols: Sequence[str], number: int) -> list[Bar]:
    return [a_bar(number, symbol, close=100.0 + (number * 7 + place) % 9) for place, symbol in enumerate(symbols)]


async def evalsha_calls(server: EmbeddedServer) -> int:
    async with redis.Redis.from_url(server.url) as client:
        return int((await client.info("commandstats"))["cmdstat_evalsha"]["calls"])


async def all_run_ahead(ahead: Ahead, ready: asyncio.Queue[int]) -> None:
    """Run ahead what can be, then stop, so that nothing but the burst is counted."""
    making = asyncio.create_task(ahead.make_forever())
    while await ready.get() < SYMBOLS:
        pass
    making.cancel()
    await asyncio.wait([making])


@pytest.mark.parametrize("graph", ["full", "stream"])
async def test_a_burst_costs_few_calls_one_new_row_a_symbol_and_one_encoding_a_part(
    tmp_path: Path, counted: Counted, graph: str
):
    symbols = [f"S{place}" for place in range(SYMBOLS)]
    manifest = a_manifest()
    pipeline = Pipeline(manifest, "digest", publish_late=True, top=2)
    windows = Windows(HOUR, symbols, NEEDED + 16)
    for number in range(1, NEEDED):
        for bar in closing(symbols, number):
            windows.put(bar)
    inbox, ready = Inbox(SYMBOLS), asyncio.Queue[int]()
    inputs = Inputs(manifest.inputs, HOUR)
    ahead = Ahead(windows, inputs, Stream(counted), clock_s=lambda: 0.0, told=ready.put_nowait, quiet_s=0.0)
    metrics = Metrics(manifest, "digest", symbols[:3], ["binance"])
    async with EmbeddedServer(tmp_path / "server") as server:
        store = Store(server.url, Keys("demo"), HOUR, windows.capacity)
        store.counted = counted
        await store.open()
        predictor = Predictor(
            pipeline,
            windows,
            Engine(counted),
            store,
            inbox,
            Held(wait_s=30),
            venues=dict.fromkeys(windows.symbols, "binance"),
            since_ms={},
            request_fill=lambda *_: None,
            venue_time_ms=asyncio.Queue[int]().get,
            watcher=Status(metrics, {}, SYMBOLS),
            committed=lambda _: None,
            wall_ms=lambda: 10**15,
            clock_s=lambda: 0.0,
            ahead=ahead if graph == "stream" else None,
        )
        predicting = asyncio.create_task(predictor.predict_until_closed())
        async with redis.Redis.from_url(server.url) as client, client.pubsub() as channel:
            await channel.subscribe(Keys("demo").channel)
            await channel.get_message(timeout=100)
            for number in (NEEDED, NEEDED + 1):
                if number > NEEDED and graph == "stream":
                    await all_run_ahead(ahead, ready)
                before = await evalsha_calls(server) if number > NEEDED else 0
                counted.begin()
                for bar in closing(symbols, number):
                    await inbox.put_closed([an_arrival(bar)])
                for _ in range(SYMBOLS):
                    assert await channel.get_message(timeout=100)
        inbox.close()
        await predicting
        assert counted.encoded == len(counted.commits)
        assert counted.feature_rows == SYMBOLS
        assert counted.commits == [*FIRST_PARTS, ROWS_A_PART, SYMBOLS - sum(FIRST_PARTS) - ROWS_A_PART]
        whole = [] if graph == "stream" else counted.commits
        assert sorted(counted.model_calls) == sorted(whole)
        stepped = counted.commits if graph == "stream" else []
        assert len(counted.steps) == sum(-(-rows // STEPS_A_CALL) for rows in stepped)
        assert sum(counted.steps) == sum(stepped)
        assert counted.ahead == []
        assert await evalsha_calls(server) - before <= sum(-(-rows // ENTRIES_A_CALL) for rows in counted.commits)
        await store.close()


def blocks_of(work: Callable[[], object]) -> float:
    """How many blocks of memory what this makes holds, for each symbol; what is made once for all is made before."""
    work()
    gc.collect()
    before = sys.getallocatedblocks()
    made = work()
    held = sys.getallocatedblocks() - before
    assert made
    return held / SYMBOLS


def test_a_burst_allocates_few_blocks_a_symbol():
    symbols = [f"S{place}" for place in range(SYMBOLS)]
    pipeline = Pipeline(a_manifest(), "digest", publish_late=True, top=2)
    windows = Windows(HOUR, symbols, NEEDED + 16)
    for number in range(1, NEEDED):
        for bar in closing(symbols, number):
            windows.put(bar)
    numbers = iter((NEEDED, NEEDED + 1))
    arrived = {number: [an_arrival(bar) for bar in closing(symbols, number)] for number in (NEEDED, NEEDED + 1)}
    assert blocks_of(lambda: pipeline.prepare(windows, arrived[next(numbers)], {})) <= BLOCKS_PREPARED
    batch = pipeline.prepare(windows, [an_arrival(bar) for bar in closing(symbols, NEEDED + 2)], {}).batch
    outputs = Engine(Counted()).run(batch.inputs)
    assert blocks_of(lambda: pipeline.finish(batch, outputs, now_ms=0)) <= BLOCKS_FINISHED

    metrics = Metrics(a_manifest(), "digest", [])

    def kept() -> Status:
        """What stays of messages until the next close."""
        status = Status(metrics, {}, SYMBOLS)
        _, spoken = pipeline.finish(batch, outputs, now_ms=0)
        status.published_now(spoken)
        return status

    assert blocks_of(kept) <= BLOCKS_KEPT
