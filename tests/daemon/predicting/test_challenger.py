"""A challenger predicts what the serving bundle predicted, after it, and is never in its way."""

import asyncio

import numpy as np
import pytest
from builders import HOUR, a_bar, a_manifest, an_arrival

from core.errors import StoreError
from core.prediction import Message, decode
from core.windows import Windows
from daemon.ports import Float32s
from daemon.predicting.batch import Batch
from daemon.predicting.challenger import Challenger
from daemon.predicting.pipeline import Pipeline

NEEDED = 28


class LastReturn:
    """An engine that forecasts the last return and looks evenly."""

    name, device = "last return", "cpu"

    def run(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        rows = inputs["bars"]
        return {"return_1": rows[:, -1, 0], "attention": np.full(rows.shape[:2], 0.25, np.float32)}


class ShortRecord:
    """A record that refuses at first, as a store that is away."""

    def __init__(self, wanted: int, refusals: int = 0) -> None:
        self.messages: list[Message] = []
        self.whole = asyncio.Event()
        self._wanted, self._refusals = wanted, refusals

    async def append(self, messages: list[bytes], maxlen: int) -> None:
        assert maxlen == 1_000
        if self._refusals:
            self._refusals -= 1
            raise StoreError("away")
        self.messages += map(decode, messages)
        if len(self.messages) >= self._wanted:
            self.whole.set()


class Bench:
    def __init__(self, *, shares: bool = True, wanted: int = 3, refusals: int = 0) -> None:
        self.windows = Windows(HOUR, ["BTCUSDT"], NEEDED + 16)
        self.serving = Pipeline(a_manifest(), "serving", publish_late=True, top=2)
        self.record, self.told = ShortRecord(wanted, refusals), [0, 0]
        pipeline = Pipeline(a_manifest(version="2"), "next", publish_late=True, top=2)
        self.challenger = Challenger(
            pipeline,
            self.windows,
            LastReturn(),
            self.record,
            self.tell,
            shares=shares,
            maxlen=1_000,
            wall_ms=lambda: 10**15,
        )

    def tell(self, written: int, passed_over: int) -> None:
        self.told[0] += written
        self.told[1] += passed_over

    def batch(self, first: int = 1, last: int = NEEDED + 2) -> Batch:
        drawn = np.random.default_rng(3).uniform(95, 105, 200)
        bars = [a_bar(number, close=float(drawn[number])) for number in range(first, last + 1)]
        return self.serving.prepare(self.windows, [an_arrival(bar) for bar in bars], {}).batch

    async def work(self) -> list[Message]:
        working = asyncio.create_task(self.challenger.predict_forever())
        async with asyncio.timeout(100):
            await self.record.whole.wait()
        working.cancel()
        return self.record.messages


@pytest.mark.parametrize("refusals", [0, 1])
async def test_it_says_its_own_of_the_same_bars(refusals: int):
    bench = Bench(refusals=refusals)
    bench.challenger.offer(bench.batch())
    said = [message.prediction for message in await bench.work()]
    assert [one.opened_at_ms // HOUR.ms for one in said] == [NEEDED, NEEDED + 1, NEEDED + 2]
    assert {(one.digest, one.version) for one in said} == {("next", "2")}
    assert bench.told == [3, 0]


async def test_inputs_that_both_read_are_the_bits_that_it_would_compute_itself():
    both = [Bench(shares=shares) for shares in (True, False)]
    for bench in both:
        bench.challenger.offer(bench.batch())
    first, second = [[message.prediction for message in await bench.work()] for bench in both]
    assert first == second


async def test_what_it_has_no_time_for_is_passed_over_and_counted():
    bench = Bench(wanted=1)
    batch = bench.batch()
    for _ in range(70):
        bench.challenger.offer(batch)
    assert bench.told == [0, 6 * 3]
