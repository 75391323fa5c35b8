"""Longer bars joined of a symbol's own, as inputs beside its window: the same bits in training, export and live."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from builders import an_arrival
from runs import a_recipe, a_run, some_bars, write_parquet

from core.barfile import BarFile, SymbolBars
from core.bars import Bar, Interval
from core.errors import ConfigError
from core.features import FeatureSet
from core.windows import Windows as Rings
from daemon.predicting.pipeline import Pipeline
from export.golden import make
from export.run import describe, read_sample
from training import job
from training.data.dataset import Samples
from training.data.panel import panel
from training.data.windows import Windows
from training.recipe import Recipe

FEW = "data.scale_features='log_return_1, parkinson_12'"
SMALL = ("model.family=hybrid_lstm", "model.options={hidden=8, heads=2}", "label.kind=direction")


def with_scales(*changes: str) -> Recipe:
    """Three longer bars of two and of four hours."""
    return a_recipe('data.scales=["2h", "4h"]', "data.scale_length=3", FEW, *SMALL, *changes)


def windows_of(file: BarFile, recipe: Recipe):
    made = panel(file, recipe)
    return made, [one.numpy() for one in Windows(made, torch.device("cpu")).inputs(torch.from_numpy(made.ends_N))]


@pytest.mark.parametrize(("name", "place"), [("15m", 1), ("1h", 2)])
def test_longer_bars_are_those_that_the_venue_publishes(shared_data: Path, name: str, place: int):
    """Of five-minute bars, against the fifteen minutes and hours of the same source."""
    table = pl.read_parquet(shared_data / "bars" / "binance_usdm_5m_15m_1h_2025_03.parquet")
    some = table.filter(pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT"]))

    def of(interval: str) -> dict[str, SymbolBars]:
        return {
            symbol: SymbolBars(
                symbol,
                part["ts"].dt.epoch("ms").to_numpy(),
                part.select("open", "high", "low", "close", "volume").to_numpy(),
            )
            for symbol in ("BTCUSDT", "ETHUSDT")
            if len(part := some.filter(pl.col("symbol") == symbol, pl.col("interval") == interval).sort("ts"))
        }

    recipe = with_scales('data.scales=["15m", "1h"]', "data.interval=5m", "window.stride=1")
    file = BarFile(Interval.parse("5m"), of("5m"), "real")
    made, inputs = windows_of(file, recipe)
    known, longer, length_ms = FeatureSet(["log_return_1", "parkinson_12"]), of(name), Interval.parse(name).ms
    compared = 0
    for row in range(0, len(made.ends_N), 97):
        end = made.ends_N[row]
        told = longer[made.symbols[made.symbol_R[end]]]
        closed_ms = int(made.opened_at_ms_R[end]) + 300_000
        until = told.opened_at_ms + length_ms <= closed_ms
        # The longer bars of the file begin later, or end earlier.
        if until.sum() < 60 or told.opened_at_ms[until][-1] + 2 * length_ms <= closed_ms:
            continue
        compared += 1
        expected = known.history(told.rows[until][-60:])[-3:].astype(np.float32)
        np.testing.assert_array_equal(inputs[place][row], expected)
    assert compared > 50


def test_nothing_of_a_longer_bar_is_seen_before_it_has_closed():
    file, at = some_bars(), 400
    rows = file.symbols["S0"].rows.copy()
    rows[at:, :4] *= 1.5
    changed = BarFile(
        file.interval, {**file.symbols, "S0": SymbolBars("S0", file.symbols["S0"].opened_at_ms, rows)}, ""
    )
    (made, before), (_, after) = windows_of(file, with_scales()), windows_of(changed, with_scales())
    earlier = (made.ends_N < at) | (made.symbol_R[made.ends_N] == 1)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one[earlier], other[earlier])
        assert (one[~earlier] != other[~earlier]).any()


@pytest.mark.parametrize("window", ["rolling", "expanding"])
def test_what_is_computed_live_bar_by_bar_is_what_was_learned(tmp_path: Path, window: str):
    """Bars with a gap, through the daemon's windows, and once more from the sample of a bundle."""
    file = some_bars(missing=(250,))
    bars = write_parquet(file, tmp_path / "bars.parquet")
    kind = (f"window.kind={window}", "window.minimum=3", "model.options={hidden=8, heads=2}")
    trained = a_run(with_scales(*kind), bars, tmp_path / "run")
    assert job.evaluate(trained, bars) == trained.evaluation
    made, learned = windows_of(file, trained.recipe)
    manifest = describe(trained, "scales", "1")
    assert [(one.name, one.interval, one.parts) for one in manifest.inputs] == [
        ("features", "", 1),
        ("features_2h", "2h", 2),
        ("features_4h", "4h", 4),
    ]
    assert [one.bars_needed for one in manifest.inputs[1:]] == [(3 + 11) * 2 + 1, (3 + 11) * 4 + 3]
    sample, _ = read_sample(tmp_path / "run")
    golden = make(trained.model, manifest, sample)
    samples = Samples(made, made.ends_N)
    row_of = {
        (made.symbols[made.symbol_R[end]], int(made.opened_at_ms_R[end])): row
        for row, end in enumerate(samples.ends_N.tolist())
    }
    rows = [row_of[key] for key in zip(sample["symbol"].tolist(), sample["opened_at_ms"].tolist(), strict=True)]
    pipeline = Pipeline(manifest, "digest", publish_late=True, top=2)
    rings = Rings(file.interval, tuple(file.symbols), pipeline.bars_needed + 8)
    compared = 0
    for name, expected in zip([one.name for one in manifest.inputs], learned, strict=True):
        assert golden[f"input.{name}"].tobytes() == expected[rows].tobytes()
    for place in range(len(file.symbols["S0"].rows)):
        arrivals = [
            an_arrival(Bar(symbol, int(part.opened_at_ms[place]), *part.rows[place].tolist()))
            for symbol, part in file.symbols.items()
        ]
        batch = pipeline.prepare(rings, arrivals, {}, broken=tuple(file.symbols)).batch
        for row, one in enumerate(batch.predicted):
            learned_row = row_of.get((one.arrival.bar.symbol, one.arrival.bar.opened_at_ms))
            if learned_row is not None:
                compared += 1
                for name, expected in zip(batch.inputs, learned, strict=True):
                    assert batch.inputs[name][row].tobytes() == expected[learned_row].tobytes()
    assert compared > 800


@pytest.mark.parametrize(
    ("change", "said"),
    [('data.scales=["90m"]', "not made of whole"), ("model.family=tcn", "reads no longer bars")],
)
def test_scales_that_cannot_be_made_or_read_are_refused(tmp_path: Path, change: str, said: str):
    bars = write_parquet(some_bars(), tmp_path / "bars.parquet")
    options = ("model.options={}",) if "tcn" in change else ()
    with pytest.raises(ConfigError, match=said):
        a_run(with_scales(change, *options), bars, tmp_path / "run")
