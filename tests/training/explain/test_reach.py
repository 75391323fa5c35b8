from pathlib import Path

import msgspec
import numpy as np
import pytest
from looks import silent
from runs import HOUR, START_MS, a_recipe, a_run, some_bars, write_parquet

from core import attention
from core.barfile import BarFile, SymbolBars
from core.reach import over
from training.explain import explaining, reliability, subject
from training.explain.explaining import Explained

BORN = 560
"""The bar at which a young symbol begins, in the test part."""


@pytest.fixture(scope="module")
def young(tmp_path_factory: pytest.TempPathFactory) -> Explained:
    """A model of expanding windows, explained on bars of which one symbol begins late."""
    folder = tmp_path_factory.mktemp("young")
    file = some_bars(symbols=4)
    known = file.symbols["S3"]
    late = SymbolBars("S3", known.opened_at_ms[BORN:], known.rows[BORN:])
    bars = write_parquet(BarFile(HOUR, file.symbols | {"S3": late}, "made"), folder / "bars.parquet")
    options = "model.options={windows=[4, 8], hidden=8, heads=2}"
    recipe = a_recipe(
        "model.family=hybrid_lstm", options, "window.kind=expanding", "window.length=24", "window.minimum=4"
    )
    run = a_run(recipe, bars, folder / "run")
    return explaining.explain(subject.read(run.folder), bars, None, 20_000, None, silent)


def test_a_young_symbol_is_held_against_its_own_few_rows(young: Explained):
    of = young.predictions
    look = of.looks[0]
    some = look.reach_N < 24
    assert some.any()
    assert {of.symbol(row) for row in np.flatnonzero(some).tolist()} == {"S3"}
    assert (look.profile_NT[some][:, 0] == 0).all()
    assert look.even.sum(axis=1) == pytest.approx(np.ones(len(of)), abs=1e-5)
    # An untrained look is nearly even over the rows that are there, whatever the window could hold.
    entropy = over(attention.normalised_entropy, look.profile_NT, look.reach_N)
    assert entropy[some].min() > 0.9
    assert attention.normalised_entropy(look.profile_NT[some]).min() < 0.8


def test_rows_that_are_not_there_hang_on_nothing_and_are_taken_away_last(young: Explained):
    of = young.predictions
    lacking = np.isnan(young.tested.x[0]).any(axis=-1)
    assert lacking.any()
    assert (young.tested.occlusion[0][lacking] == 0).all()
    for values in young.attributed.steps[0].values():
        assert np.isfinite(values).all()
        assert np.abs(values[lacking]).max() == 0
    orders = reliability._orders(of.looks[0].profile_NT[young.tested.rows], lacking)
    for order in orders.values():
        taken_last = np.take_along_axis(lacking, order, axis=1)
        assert (np.diff(taken_last.astype(int), axis=1) >= 0).all()


def test_a_single_prediction_of_a_young_symbol_shows_the_bars_it_had(young: Explained):
    of = young.predictions
    row = int(np.flatnonzero(of.looks[0].reach_N < 24)[0])
    rows = of.reach(row)
    assert rows == of.looks[0].reach_N[row]
    assert len(of.times(row)) == len(of.closes(row)) == len(of.window(row)) == rows
    # Its first row is the first whose features look back on bars of its own.
    lookback = of.panel.features.lookback
    assert int(of.times(row)[0]) == START_MS + (BORN + lookback - 1) * HOUR.ms
    assert msgspec.json.encode(young.report)


def test_longer_bars_that_are_read_beside_the_window_hang_on_the_forecast_too(tmp_path: Path):
    bars = write_parquet(some_bars(symbols=3, bars=2_000), tmp_path / "bars.parquet")
    options = "model.options={windows=[4], hidden=8, heads=2}"
    recipe = a_recipe("model.family=hybrid_lstm", options, "data.scales=['4h']", "data.scale_length=6")
    run = a_run(recipe, bars, tmp_path / "run")
    told = explaining.explain(subject.read(run.folder), bars, None, 60, None, silent)
    assert [(one.name, one.window) for one in told.report.inputs] == [("features", 8), ("features_4h", 6)]
    assert [look.place for look in told.predictions.looks] == [0, 0]
    assert [lost.shape[1] for lost in told.tested.occlusion] == [8, 6]
    assert np.abs(told.tested.occlusion[1]).max() > 0
    assert np.array(told.report.cases[0].occlusion[1]).shape == (6, 3)
