"""A market that is breadth over members, live: whatever order bars come in, what was learned is what is computed."""

import numpy as np
import pytest
from builders import an_arrival
from runs import a_recipe, a_run, some_bars, write_parquet

from core.bars import Arrival, Bar
from core.bundle import Manifest
from core.windows import Windows as Rings
from daemon.predicting.pipeline import Pipeline
from export.golden import make
from export.run import describe, read_sample
from training import job
from training.data.panel import panel

FILE = some_bars(symbols=5, bars=400, missing=(250,))
SMALL = "model.options={d_model=8, heads=2, layers=1, feed_forward=8, market_layers=1, ordinal='coral'}"
RECIPE = a_recipe(
    "data.market=breadth", "data.market_features='advancing_1, mean_return_1'", "model.family=cross_attention", SMALL
)
LAST = range(300, 399)
Learned = dict[tuple[str, int], bytes]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Of a trained model, whose golden rows are those that it learned from."""
    folder = tmp_path_factory.mktemp("breadth")
    bars = write_parquet(FILE, folder / "bars.parquet")
    trained = a_run(RECIPE, bars, folder / "run")
    assert job.evaluate(trained, bars).scores == trained.evaluation.scores
    told = describe(trained, "breadth", "1")
    sample, _ = read_sample(folder / "run")
    made = make(trained.model, told, sample)["input.market"]
    rows = learned()
    for row, key in enumerate(zip(sample["symbol"].tolist(), sample["opened_at_ms"].tolist(), strict=True)):
        assert made[row].tobytes() == rows[key]
    return told


def learned() -> Learned:
    """The market's rows beside each window of the training."""
    made = panel(FILE, RECIPE)
    market = made.market
    assert market is not None
    return {
        (made.symbols[made.symbol_R[end]], int(made.opened_at_ms_R[end])): market.features_MF[
            market.row_R[end] - made.length + 1 : market.row_R[end] + 1
        ].tobytes()
        for end in made.ends_N.tolist()
    }


def arrivals(places: range) -> list[Arrival]:
    return [
        an_arrival(Bar(symbol, int(part.opened_at_ms[place]), *part.rows[place].tolist()))
        for place in places
        for symbol, part in FILE.symbols.items()
    ]


def served(manifest: Manifest, batches: list[list[Arrival]], gone: tuple[str, ...] = ()) -> Learned:
    """What is computed of bars that come in these batches; each bar once."""
    pipeline = Pipeline(manifest, "digest", publish_late=True, top=2, gone=gone)
    rings = Rings(FILE.interval, tuple(FILE.symbols), pipeline.bars_needed + 64)
    found: Learned = {}
    for batch in batches:
        made = pipeline.prepare(rings, batch, {}, broken=tuple(FILE.symbols)).batch
        for row, one in enumerate(made.predicted):
            bar = one.arrival.bar
            assert (bar.symbol, bar.opened_at_ms) not in found
            found[bar.symbol, bar.opened_at_ms] = made.inputs["market"][row].tobytes()
            rings.publish(bar.symbol, bar.opened_at_ms, one.revision)
    return found


def test_the_manifest_names_the_members(manifest: Manifest):
    market = manifest.inputs[1]
    assert (market.members, market.symbol, market.lag) == (tuple(FILE.symbols), "", 1)
    pipeline = Pipeline(manifest, "digest", publish_late=True, top=2)
    assert pipeline.markets == tuple(FILE.symbols)


@pytest.mark.parametrize("seed", range(4))
def test_in_whatever_order_bars_come_the_rows_are_those_that_were_learned(manifest: Manifest, seed: int):
    """Each symbol's own in order; the others anywhere, some a dozen bars behind."""
    every, chance = arrivals(range(400 - 1)), np.random.default_rng(seed)
    shift = {symbol: int(chance.integers(12)) for symbol in FILE.symbols}
    at = {id(one): one.bar.opened_at_ms // FILE.interval.ms + shift[one.bar.symbol] for one in every}
    ordered = sorted(every, key=lambda one: (at[id(one)], chance.random()))
    cuts = np.sort(chance.choice(len(ordered), 300, replace=False)).tolist()
    batches = [ordered[first:end] for first, end in zip([0, *cuts], [*cuts, len(ordered)], strict=True)]
    found, rows = served(manifest, batches), learned()
    both = found.keys() & rows.keys()
    assert len(both) == len(rows) > 500
    assert all(found[bar] == rows[bar] for bar in both)


def test_a_member_whose_bar_has_not_come_is_waited_for(manifest: Manifest):
    early = [one for one in arrivals(range(399)) if not (one.bar.symbol == "S4" and one.bar.opened_at_ms == last_ms(1))]
    late = [one for one in arrivals(range(397, 399)) if one.bar.symbol == "S4" and one.bar.opened_at_ms == last_ms(1)]
    assert ("S0", last_ms(0)) not in served(manifest, [[one for one in early if one.bar.opened_at_ms < last_ms(0)]])
    short = [one for one in early if one.bar.symbol != "S4" or one.bar.opened_at_ms < last_ms(1)]
    assert ("S0", last_ms(0)) not in served(manifest, [short])
    found = served(manifest, [short, late])
    assert found["S0", last_ms(0)] == learned_newest(manifest)


def learned_newest(manifest: Manifest) -> bytes:
    return served(manifest, [arrivals(range(399))])["S0", last_ms(0)]


def last_ms(before: int) -> int:
    return int(FILE.symbols["S0"].opened_at_ms[398 - before])


def test_a_member_that_is_gone_is_neither_read_nor_waited_for(manifest: Manifest):
    rest = [one for one in arrivals(range(399)) if one.bar.symbol != "S4"]
    assert not served(manifest, [rest])
    found = served(manifest, [rest], gone=("S4",))
    assert ("S0", last_ms(0)) in found
    assert found["S0", last_ms(0)] != learned_newest(manifest)
