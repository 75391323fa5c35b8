import numpy as np
import torch
from runs import a_recipe, some_bars

from training.data.dataset import Samples
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
