from pathlib import Path

import numpy as np
import pytest
import torch
from runs import a_recipe, a_run, some_bars, write_parquet

from core.barfile import BarFile, SymbolBars
from core.errors import ConfigError, DataError
from core.features import FeatureSet
from training import job
from training.data.dataset import Samples
from training.data.panel import panel
from training.data.windows import Windows

BESIDE = ("data.market=S2", "data.market_features='log_return_1, realised_volatility_24'")
SMALL = "model.options={d_model=8, heads=2, layers=1, feed_forward=8, market_layers=1, ordinal='coral'}"


def with_market(*changes: str):
    """The symbols S0 and S1 beside S2."""
    return a_recipe(*BESIDE, *changes)


def market_windows(file: BarFile, *changes: str):
    made = panel(file, with_market(*changes))
    return made, Windows(made, torch.device("cpu")).inputs(torch.from_numpy(made.ends_N))[1].numpy()


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_a_window_stands_beside_the_market_up_to_its_lag_before(lag: int):
    """Computed again from the market's bars that had closed by then."""
    file = some_bars(symbols=3)
    made, found = market_windows(file, f"data.market_lag={lag}")
    market = file.symbols["S2"]
    features = FeatureSet(["log_return_1", "realised_volatility_24"])
    for row in (0, 200, len(found) - 1):
        until = market.opened_at_ms <= made.opened_at_ms_R[made.ends_N[row]] - lag * made.interval.ms
        expected = features.history(market.rows[until])[-8:].astype(np.float32)
        np.testing.assert_array_equal(found[row], expected)


def test_the_markets_bar_of_the_same_time_changes_nothing():
    file, at = some_bars(symbols=3), 400
    rows = file.symbols["S2"].rows.copy()
    rows[at:, :4] *= 1.5
    changed = SymbolBars("S2", file.symbols["S2"].opened_at_ms, rows)
    (made, before), (_, after) = (
        market_windows(one) for one in (file, BarFile(file.interval, {**file.symbols, "S2": changed}, "changed"))
    )
    after_it = made.number_R[made.ends_N] - made.number_R[at]
    np.testing.assert_array_equal(before[after_it <= 0], after[after_it <= 0])
    assert (before[after_it == 1] != after[after_it == 1]).any(axis=(1, 2)).all()


def test_where_the_market_has_a_gap_no_window_is_made():
    file = some_bars(symbols=3)
    market = file.symbols["S2"]
    kept = np.delete(np.arange(600), 300)
    holed = SymbolBars("S2", market.opened_at_ms[kept], market.rows[kept])
    made, found = market_windows(BarFile(file.interval, {**file.symbols, "S2": holed}, "holed"))
    needed = made.inputs[1].bars_needed
    lost = set(panel(file, with_market()).ends_N) - set(made.ends_N)
    assert lost == {symbol * 600 + end for symbol in (0, 1) for end in range(301, 301 + needed)}
    assert np.isfinite(found).all()


def test_a_sample_holds_the_markets_bars_from_which_its_windows_can_be_made():
    file = some_bars(symbols=3)
    made, found = market_windows(file)
    which = np.array([0, 100, 700])
    bars = Samples(made, made.ends_N).market_bars(which)
    features = FeatureSet(["log_return_1", "realised_volatility_24"])
    np.testing.assert_array_equal(features.rows(bars, 8).astype(np.float32), found[which])


def test_the_market_is_no_symbol_to_be_learned_unless_it_is_named():
    assert panel(some_bars(symbols=3), with_market()).symbols == ("S0", "S1")
    named = with_market('data.symbols=["S0", "S2"]')
    assert panel(some_bars(symbols=3), named).symbols == ("S0", "S2")


def test_what_is_left_out_between_parts_counts_the_markets_memory():
    made = panel(some_bars(symbols=3), with_market("data.market_features='log_return_1, drawdown_60, shock_rank_60'"))
    assert made.memory == 8 + 61 - 1 + 1


def test_a_market_that_is_not_in_the_file_is_refused():
    with pytest.raises(DataError, match=r"no bars of S9, the market .* data\.market=breadth"):
        panel(some_bars(symbols=3), with_market("data.market=S9"))


def test_a_model_beside_a_market_is_trained_judged_and_read_back(tmp_path: Path):
    bars = write_parquet(some_bars(symbols=3), tmp_path / "bars.parquet")
    recipe = with_market("model.family=cross_attention", SMALL, "label.kind=buckets")
    trained = a_run(recipe, bars, tmp_path / "run")
    assert [one.source for one in trained.inputs] == ["symbol", "market"]
    assert job.evaluate(trained, bars) == trained.evaluation
    with np.load(tmp_path / "run" / "reference.npz") as reference:
        assert {name.split(".")[0] for name in reference.files} >= {"attention", "cross_attention", "range"}


def test_a_family_that_needs_a_market_asks_for_it(tmp_path: Path):
    bars = write_parquet(some_bars(symbols=3), tmp_path / "bars.parquet")
    with pytest.raises(ConfigError, match=r"cross_attention reads a market .* data\.market=BTCUSDT"):
        a_run(a_recipe("model.family=cross_attention"), bars, tmp_path / "run")
