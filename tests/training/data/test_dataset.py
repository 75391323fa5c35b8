import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from runs import a_recipe, some_bars

from training.data.dataset import Samples, spread
from training.data.panel import panel
from training.data.windows import Windows


def test_a_window_holds_the_features_of_its_own_bars():
    """Computed again from nothing but the K+T-1 bars that a daemon would hold."""
    made = panel(some_bars(), a_recipe())
    samples = Samples(made, made.ends_N)
    which = np.array([0, 100, len(samples) - 1])
    alone = made.features.rows(samples.bars(which), made.length).astype(np.float32)
    windows = Windows(made, torch.device("cpu")).features(torch.from_numpy(samples.ends_N[which]))
    np.testing.assert_array_equal(windows.numpy(), alone)


def test_windows_are_views_of_the_one_buffer():
    made = panel(some_bars(), a_recipe())
    view = Windows(made, torch.device("cpu")).windows_WTF
    assert view.data_ptr() == made.features_RF.__array_interface__["data"][0]
    assert view.untyped_storage().nbytes() == made.features_RF.nbytes


def test_feature_rows_are_those_in_some_window_each_once():
    made = panel(some_bars(symbols=1), a_recipe())
    samples = Samples(made, np.array([100, 101, 200]))
    rows = np.concatenate([made.features_RF[93:102], made.features_RF[193:201]])
    np.testing.assert_array_equal(samples.feature_rows(), rows)


def test_samples_whose_label_is_not_known_are_left_out_only_if_no_label_is():
    how = ("label.kind=direction", "label.dead_zone=0.005")
    made = panel(some_bars(), a_recipe(*how))
    assert 0 < len(made.ends_N) < 0.8 * len(panel(some_bars(), a_recipe()).ends_N)
    with_return = panel(some_bars(), a_recipe(*how, 'label.kind=["direction", "return"]'))
    everything = Samples(with_return, with_return.ends_N)
    assert len(everything.known(with_return.outputs[0])) == len(made.ends_N) < len(everything)


@given(st.integers(0, 5_000), st.integers(1, 300))
def test_what_is_spread_lies_one_in_each_of_equal_stretches(count: int, wanted: int):
    chosen = spread(count, wanted)
    assert len(chosen) == min(count, wanted)
    for number, one in enumerate(chosen.tolist()):
        assert number * count // len(chosen) <= one < (number + 1) * count // len(chosen)
    assert {0, count - 1} <= set(chosen.tolist()) or min(count, wanted) < 2


@pytest.mark.parametrize("symbols", [2, 20, 100, 337])
@pytest.mark.parametrize("wanted", [60, 240, 4_096])
def test_what_is_spread_over_hours_is_spread_over_symbols_too(symbols: int, wanted: int):
    """Where a step is a multiple of the number of symbols, as with 590 hours of 20 symbols and 60 windows."""
    for hours in (590, 600, 4_096):
        met = np.unique(spread(symbols * hours, wanted) % symbols)
        assert len(met) >= 0.5 * min(symbols, wanted)
