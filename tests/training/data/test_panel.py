from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from runs import a_recipe, some_bars, write_parquet

from core import barfile
from core.barfile import BarFile, SymbolBars
from core.errors import ConfigError, DataError
from training.data.panel import panel
from training.data.windows import Windows
from training.recipe import Recipe


def features_of(file: BarFile, recipe: Recipe, ends: Sequence[int]):
    return Windows(panel(file, recipe), torch.device("cpu")).features(torch.tensor(ends)).numpy()


def test_nothing_of_a_window_moves_when_the_future_changes():
    file, at = some_bars(symbols=1), 400
    rows = file.symbols["S0"].rows.copy()
    rows[at + 1 :] *= 1.7
    changed = BarFile(file.interval, {"S0": SymbolBars("S0", file.symbols["S0"].opened_at_ms, rows)}, "changed")
    ends = range(50, at + 1)
    np.testing.assert_array_equal(features_of(file, a_recipe(), ends), features_of(changed, a_recipe(), ends))


def test_no_window_and_no_label_spans_a_gap():
    recipe = a_recipe("label.horizons=[3]")
    made = panel(some_bars(symbols=1, missing=(300,)), recipe)
    reach = np.arange(-made.bars_needed + 1, 4)
    assert (np.diff(made.opened_at_ms_R[made.ends_N[:, None] + reach]) == made.interval.ms).all()
    whole = panel(some_bars(symbols=1), recipe)
    # Each window whose bars or label include the missing one is lost, and no other.
    assert len(whole.ends_N) - len(made.ends_N) == made.bars_needed + 3


def test_no_window_spans_two_symbols():
    made = panel(some_bars(), a_recipe())
    reach = np.arange(-made.bars_needed + 1, 2)
    symbols = made.symbol_R[made.ends_N[:, None] + reach]
    assert (symbols == symbols[:, :1]).all()


@pytest.mark.parametrize("column", range(5))
def test_a_bar_the_daemon_would_refuse_breaks_windows_too(column: int):
    file = some_bars(symbols=1)
    file.symbols["S0"].rows[300, column] = np.nan
    made = panel(file, a_recipe())
    reach = np.arange(-made.bars_needed + 1, 2)
    assert not (made.ends_N[:, None] + reach == 300).any()
    assert Windows(made, torch.device("cpu")).features(torch.from_numpy(made.ends_N)).isfinite().all()


def test_with_sessions_a_time_at_which_no_symbol_has_a_bar_is_no_gap():
    night = tuple(hour for hour in range(600) if hour % 24 >= 16)
    with pytest.raises(DataError, match=r"data\.sessions=true"):
        panel(some_bars(missing=night), a_recipe())
    made = panel(some_bars(missing=night), a_recipe("data.sessions=true"))
    reach = np.arange(-made.bars_needed + 1, 2)
    assert (np.diff(made.number_R[made.ends_N[:, None] + reach]) == 1).all()
    assert len(made.ends_N) == 2 * (400 - made.bars_needed)


def test_with_sessions_a_bar_that_another_symbol_has_is_a_gap():
    file, other = some_bars(symbols=1), some_bars(symbols=1, missing=(300,)).symbols["S0"]
    both = BarFile(file.interval, {**file.symbols, "S1": SymbolBars("S1", other.opened_at_ms, other.rows)}, "made")
    made = panel(both, a_recipe("data.sessions=true"))
    ends = [int((made.symbol_R[made.ends_N] == number).sum()) for number in (0, 1)]
    assert ends[0] - ends[1] == made.bars_needed + 1


def test_single_features_may_be_listed_by_name():
    made = panel(some_bars(), a_recipe("data.features='relative_volume_24, log_return_1'"))
    assert made.features.names == ("relative_volume_24", "log_return_1")


def test_an_unknown_feature_set_is_refused():
    with pytest.raises(ConfigError, match="no feature set is called 'btc_4'"):
        panel(some_bars(), a_recipe("data.features=btc_4"))


def test_a_symbol_that_is_not_there_is_refused_and_those_there_are_named():
    with pytest.raises(DataError, match="no bars of DOGE; it has S0, S1"):
        panel(some_bars(), a_recipe('data.symbols=["DOGE"]'))


def test_bars_of_another_interval_are_refused():
    with pytest.raises(DataError, match="for 5m bars, those of the file are 60 minutes apart"):
        panel(some_bars(), a_recipe("data.interval=5m"))


def test_too_few_bars_are_refused_with_how_many_it_takes():
    with pytest.raises(DataError, match=r"needs 32 unbroken bars .* the longest stretch has 20"):
        panel(some_bars(bars=20), a_recipe())


def test_a_file_without_a_needed_column_is_refused(tmp_path: Path):
    import polars as pl

    path = write_parquet(some_bars(), tmp_path / "bars.parquet")
    pl.read_parquet(path).drop("volume").write_parquet(path)
    with pytest.raises(DataError, match="lacks the columns volume"):
        barfile.read(path)
