"""Windows run ahead of their close: the same bits as whole ones, and only where nothing but the newest bar came."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from builders import HOUR, a_bar, a_manifest, an_arrival
from bundles import WINDOW, a_bundle, a_reference
from networks import EVERY_KIND
from sources import a_trained

from core.bars import Arrival, Bar, Origin
from core.bundle import Bundle
from core.inputs import Inputs
from core.windows import Windows
from daemon.engines.onnxruntime import OnnxRuntime, OnnxRuntimeStream
from daemon.ports import Float32s
from daemon.predicting.ahead import Ahead
from daemon.predicting.batch import Batch
from daemon.predicting.pipeline import Pipeline
from daemon.stores import ring
from export.bundle import make_bundle

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
NEEDED = Inputs(a_manifest(WINDOW).inputs, HOUR).bars_needed


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return a_bundle(tmp_path_factory.mktemp("bundles") / "small")


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A model whose window expands from four bars to sixteen, and carries its states on."""
    model, manifest, sample = a_trained("hybrid_lstm", EVERY_KIND[:1], "last")
    return make_bundle(tmp_path_factory.mktemp("growing") / "small", model, manifest, sample, a_reference(16))


class Slow:
    """Streaming graphs that wait to be let go on."""

    recent = 0

    def __init__(self, stream: OnnxRuntimeStream) -> None:
        self._stream = stream
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def prefix(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        self._loop.call_soon_threadsafe(self.begun.set)
        asyncio.run_coroutine_threadsafe(self.go_on.wait(), self._loop).result(timeout=100)
        return self._stream.prefix(inputs)

    def step(self, states: dict[str, Float32s], newest: dict[str, Float32s]) -> dict[str, Float32s]:
        return self._stream.step(states, newest)


class Bench:
    """A pipeline whose windows are run ahead, and the same bars run whole beside it."""

    def __init__(self, bundle: Bundle, stream: Slow | None = None) -> None:
        manifest = bundle.manifest
        self.inputs = Inputs(manifest.inputs, HOUR)
        self.engine = OnnxRuntime(bundle)
        self.pipeline, self.whole = (Pipeline(manifest, "digest", publish_late=True, top=2) for _ in range(2))
        self.windows, self.beside = (Windows(HOUR, SYMBOLS, NEEDED + 16) for _ in range(2))
        self.told: asyncio.Queue[int] = asyncio.Queue()
        self.ahead = Ahead(
            self.windows,
            self.inputs,
            stream or OnnxRuntimeStream(bundle),
            clock_s=lambda: 0.0,
            told=self.told.put_nowait,
            quiet_s=0.0,
        )

    def take(self, arrivals: Sequence[Arrival], broken: Sequence[str] = ()) -> Batch:
        """Run what arrived, in parts as the predictor does; every bit must be that of whole windows."""
        with self.ahead.held():
            batch = self.pipeline.prepare(self.windows, arrivals, {}, broken, ahead=self.ahead).batch
            expected = self.whole.prepare(self.beside, arrivals, {}, broken).batch
            said = {}
            for part in batch.parts(2):
                if not part.predicted:
                    continue
                made = self.ahead.step(part.ahead, part.newest) if len(part.ahead) else self.engine.run(part.inputs)
                for row, one in enumerate(part.predicted):
                    said[one.arrival.bar, one.revision] = {name: values[row].tobytes() for name, values in made.items()}
            if expected.predicted:
                made = self.engine.run(expected.inputs)
                assert said == {
                    (one.arrival.bar, one.revision): {name: values[row].tobytes() for name, values in made.items()}
                    for row, one in enumerate(expected.predicted)
                }
            assert {one.arrival.bar for part in batch.parts(2) for one in part.stored} == {
                one.arrival.bar for one in batch.stored
            }
        return batch

    async def idle(self, ready: int = len(SYMBOLS)) -> None:
        """Wait until the next windows of so many symbols are run ahead."""
        async with asyncio.timeout(100):
            making = asyncio.create_task(self.ahead.make_forever())
            while await self.told.get() != ready or self.ahead.ready != ready:
                pass
            making.cancel()
            await asyncio.wait([making])


def bar(number: int, symbol: str = "BTCUSDT") -> Bar:
    drawn = np.random.default_rng([number, len(symbol), ord(symbol[0])]).uniform(95, 105)
    return a_bar(number, symbol, close=float(drawn), volume=float(number % 7 + 1))


def closing(first: int, last: int, symbols: Sequence[str] = SYMBOLS) -> list[Arrival]:
    return [an_arrival(bar(number, symbol)) for number in range(first, last + 1) for symbol in symbols]


async def test_when_nothing_but_the_newest_bar_came_its_row_is_enough(bundle: Bundle):
    bench = Bench(bundle)
    bench.take(closing(1, NEEDED))
    await bench.idle()
    for number in (NEEDED + 1, NEEDED + 2):
        batch = bench.take(closing(number, number))
        assert len(batch.ahead) == len(batch.predicted) == len(SYMBOLS)
        assert batch.inputs == {}
        await bench.idle()


async def test_a_window_is_run_whole_after_a_restart(bundle: Bundle):
    bench = Bench(bundle)
    bench.take(closing(1, NEEDED))
    batch = bench.take(closing(NEEDED + 1, NEEDED + 1))
    assert len(batch.ahead) == 0


async def test_a_revised_bar_and_the_one_after_it_are_run_whole_for_that_symbol_alone(bundle: Bundle):
    bench = Bench(bundle)
    bench.take(closing(1, NEEDED + 5))
    await bench.idle()
    revised = an_arrival(a_bar(NEEDED + 2, "ETHUSDT", close=101.0), Origin.BACKFILLED)
    batch = bench.take([revised, *closing(NEEDED + 6, NEEDED + 6)])
    assert [one.arrival.bar.symbol for one in batch.predicted] == ["BTCUSDT", "SOLUSDT", "ETHUSDT", "ETHUSDT"]
    assert batch.ahead.tolist() == [0, 2]


async def test_of_two_bars_of_a_symbol_at_once_the_first_was_foreseen_and_the_second_is_run_whole(bundle: Bundle):
    bench = Bench(bundle)
    bench.take(closing(1, NEEDED))
    await bench.idle()
    batch = bench.take(closing(NEEDED + 1, NEEDED + 2, ["BTCUSDT"]))
    assert [one.arrival.bar.opened_at_ms // HOUR.ms for one in batch.predicted] == [NEEDED + 1, NEEDED + 2]
    assert len(batch.ahead) == 1


async def test_a_bar_revised_in_its_own_batch_is_first_run_as_it_was(bundle: Bundle):
    bench = Bench(bundle)
    bench.take(closing(1, NEEDED))
    await bench.idle()
    revised = an_arrival(a_bar(NEEDED + 1, "BTCUSDT", close=99.0))
    batch = bench.take([*closing(NEEDED + 1, NEEDED + 1, ["BTCUSDT"]), revised])
    assert [one.revision for one in batch.predicted] == [0, 1]
    assert len(batch.ahead) == 1


async def test_behind_a_gap_nothing_is_run_ahead_until_it_is_filled(bundle: Bundle):
    bench = Bench(bundle)
    bench.take(closing(1, NEEDED))
    await bench.idle()
    behind = closing(NEEDED + 2, NEEDED + 2, ["SOLUSDT"])
    assert bench.take(behind, broken=["SOLUSDT"]).predicted == ()
    await bench.idle(ready=2)
    late = an_arrival(bar(NEEDED + 1, "SOLUSDT"), Origin.BACKFILLED)
    healed = bench.take([late])
    assert len(healed.predicted) == 2
    assert len(healed.ahead) == 0
    await bench.idle()
    assert len(bench.take(closing(NEEDED + 3, NEEDED + 3, ["SOLUSDT"])).ahead) == 1


async def test_a_bar_that_comes_while_its_window_is_run_ahead_is_run_whole(bundle: Bundle):
    slow = Slow(OnnxRuntimeStream(bundle))
    bench = Bench(bundle, slow)
    bench.take(closing(1, NEEDED))
    making = asyncio.create_task(bench.ahead.make_forever())
    await slow.begun.wait()
    assert len(bench.take(closing(NEEDED + 1, NEEDED + 1, ["BTCUSDT"])).ahead) == 0
    slow.go_on.set()
    while await bench.told.get() != len(SYMBOLS):
        pass
    batch = bench.take(closing(NEEDED + 2, NEEDED + 2, ["BTCUSDT"]) + closing(NEEDED + 1, NEEDED + 1, SYMBOLS[1:]))
    assert len(batch.ahead) == len(SYMBOLS)
    making.cancel()
    await asyncio.wait([making])


async def test_while_a_window_expands_its_states_are_carried_on_and_made_anew_once_it_rolls(growing: Bundle):
    bench = Bench(growing)
    fewest, most = bench.inputs.fewest_bars, bench.inputs.bars_needed
    assert bench.take(closing(1, fewest - 1)).predicted == ()
    await bench.idle()
    assert bench.ahead.carried == 0
    for number in range(fewest, most + 4):
        batch = bench.take(closing(number, number))
        assert len(batch.ahead) == len(SYMBOLS)
        await bench.idle()
    assert bench.ahead.carried == len(SYMBOLS) * (most - 1 - fewest)


async def test_states_are_carried_on_past_no_gap_no_revision_and_no_late_bar(growing: Bundle):
    bench = Bench(growing)
    fewest = bench.inputs.fewest_bars
    bench.take(closing(1, fewest))
    await bench.idle()
    bench.take(closing(fewest + 1, fewest + 1))
    await bench.idle()
    assert bench.ahead.carried == len(SYMBOLS)
    revised = an_arrival(a_bar(fewest - 1, "ETHUSDT", close=101.0), Origin.BACKFILLED)
    batch = bench.take([revised, *closing(fewest + 2, fewest + 2)])
    assert batch.ahead.tolist() == [0, 2]
    await bench.idle()
    assert bench.ahead.carried == 2 * len(SYMBOLS) - 1
    assert len(bench.take(closing(fewest + 4, fewest + 4, ["SOLUSDT"]), broken=["SOLUSDT"]).predicted) == 0
    await bench.idle(ready=2)
    late = an_arrival(bar(fewest + 3, "SOLUSDT"), Origin.BACKFILLED)
    assert len(bench.take([late]).ahead) == 0
    await bench.idle()
    assert bench.ahead.carried == 2 * len(SYMBOLS) - 1


@pytest.mark.parametrize("name", ["bundle", "growing"])
async def test_whatever_comes_in_whatever_order_every_bit_is_that_of_whole_windows(
    name: str, request: pytest.FixtureRequest
):
    """Bars that are late, revised, repeated or missing, alone and together; take() compares every bit."""
    bench = Bench(request.getfixturevalue(name))
    known = bench.inputs.fewest_bars - 1
    kinds = ["fresh", "two", "gap", "revised", "amended", "late"]
    begun = known + 3 if name == "growing" else NEEDED + 8
    bench.take(closing(1, begun))
    chance = np.random.default_rng(5)
    newest = dict.fromkeys(SYMBOLS, begun)
    foreseen = whole = 0
    for _ in range(60):
        arrivals, broken = [], []
        for symbol in chance.permutation(SYMBOLS)[: chance.integers(1, 4)].tolist():
            kind = chance.choice(kinds, p=[0.7, *[0.06] * 5] if name == "growing" else [0.375, *[0.125] * 5])
            last = newest[symbol]
            if kind == "revised":
                arrivals.append(an_arrival(a_bar(last - int(chance.integers(4)), symbol, close=99.0)))
                continue
            if kind == "amended":
                newest[symbol] += 1
                arrivals += closing(last + 1, last + 1, [symbol])
                arrivals.append(an_arrival(a_bar(last + 1, symbol, close=98.0)))
                continue
            if kind == "late":
                arrivals.append(an_arrival(bar(last - 1, symbol), Origin.BACKFILLED))
                continue
            newest[symbol] += {"fresh": 1, "two": 2, "gap": 2}[kind]
            broken += [symbol] if kind == "gap" else []
            first = newest[symbol] if kind == "gap" else last + 1
            arrivals += closing(first, newest[symbol], [symbol])
        batch = bench.take(arrivals, broken)
        foreseen += len(batch.ahead)
        whole += len(batch.predicted) - len(batch.ahead)
        if chance.random() < 0.7:
            full = len(bench.windows.full(SYMBOLS, known))
            if full:
                await bench.idle(full)
    assert foreseen > 10
    assert whole > 10
    assert (bench.ahead.carried > 0) == (name == "growing")


async def test_windows_read_back_from_a_store_are_run_whole_though_only_the_next_bar_is_new(bundle: Bundle):
    bench = Bench(bundle)
    bench.take(closing(1, NEEDED))
    await bench.idle()
    later = Windows(HOUR, SYMBOLS, bench.windows.capacity)
    for number in range(1, NEEDED + 2):
        for symbol in SYMBOLS:
            later.put(bar(number, symbol))
    for windows in (bench.windows, bench.beside):
        ring.restore(windows, 0, [row_C.tobytes() for row_C in ring.rows(later, slice(None))])
    positions_N, opened_N = np.arange(len(SYMBOLS)), np.full(len(SYMBOLS), (NEEDED + 1) * HOUR.ms)
    assert not bench.ahead.fits(positions_N, opened_N).any()
