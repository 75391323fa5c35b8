import numpy as np
from runs import a_recipe, some_bars

from training.data.dataset import Samples
from training.data.panel import panel
from training.data.summary import summary


def test_a_window_is_told_by_its_newest_row_its_mean_and_its_deviation():
    made = panel(some_bars(), a_recipe())
    some = Samples(made, made.ends_N[[0, 300]])
    found = summary(some)
    for row, end in enumerate(some.ends_N):
        window = made.features_RF[end - 7 : end + 1].astype(np.float64)
        expected = np.concatenate([window[-1], window.mean(axis=0), window.std(axis=0)])
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-7)


def test_rows_that_a_window_lacks_are_left_out():
    recipe = a_recipe("window.kind=expanding", "window.minimum=3")
    made = panel(some_bars(), recipe)
    end = made.ends_N[0]
    window = made.features_RF[end - made.reach_R[end] + 1 : end + 1]
    assert len(window) < 8
    found = summary(Samples(made, made.ends_N[:1]))[0]
    np.testing.assert_allclose(found[3:6], window.mean(axis=0), rtol=1e-5)


def test_the_market_is_told_the_same_way():
    beside = ("data.market=S1", "data.market_features='log_return_1, realised_volatility_24'")
    made = panel(some_bars(), a_recipe(*beside))
    assert summary(Samples(made, made.ends_N[:5])).shape == (5, 3 * (3 + 2))
