import math
from statistics import NormalDist

import numpy as np
import pytest
from runs import a_recipe, some_bars

from core.bars import CLOSE
from core.errors import ConfigError
from core.outputs import Kind, Output
from training.data.dataset import Samples
from training.data.panel import panel
from training.judging import trading
from training.judging.trading import Trade


def some(symbols: int = 2, bars: int = 300, horizon: int = 1, missing: tuple[int, ...] = ()):
    made = panel(some_bars(symbols, bars, missing=missing), a_recipe(f"label.horizons=[{horizon}]"))
    order = np.lexsort((made.symbol_R[made.ends_N], made.number_R[made.ends_N]))
    return Samples(made, made.ends_N[order])


def traded(samples: Samples, predicted: np.ndarray, cost_bps: float = 0.0, tries: int = 1) -> Trade:
    (found,) = trading.trades(samples.panel.outputs[0], {"model": predicted}, samples, cost_bps, tries)
    return found


def test_the_deflated_sharpe_ratio_is_that_of_the_papers_example():
    """2.5 a year over five years of days, skew -3, kurtosis 10, the best of 100 tries whose variance is 1/2 a year."""
    found = trading.chance(2.5 / math.sqrt(250), 1250, -3, 10, 100, 0.5 / 250)
    assert found == pytest.approx(0.9004, abs=1e-4)


def test_one_try_is_not_deflated_and_more_tries_are_believed_less():
    returns = np.random.default_rng(0).normal(0.05, 1, 2_000)
    alone, *more = (trading.deflated(returns, tries) for tries in (1, 2, 10, 1_000))
    usual = NormalDist().cdf(returns.mean() / returns.std() * math.sqrt(2_000))
    assert alone == pytest.approx(usual, abs=0.01)
    assert alone > more[0] > more[1] > more[2]


def test_without_skill_the_best_of_many_is_believed_as_seldom_as_stated():
    random, believed = np.random.default_rng(1), 0
    for _ in range(300):
        tries = random.standard_normal((20, 250))
        best = tries[(tries.mean(axis=1) / tries.std(axis=1)).argmax()]
        believed += trading.deflated(best, 20) > 0.5
    # The threshold is the mean of the best: about half lie above, within 3 deviations and the paper's approximation.
    assert 0.35 < believed / 300 < 0.6


def test_forecasts_of_one_bar_earn_the_next_bars_return_of_an_equal_share():
    samples = some()
    close_R, up_N = samples.panel.bars_R5[:, CLOSE], np.ones(len(samples))
    position_R = trading.positions(samples.panel, samples.ends_N, up_N, 1)
    earned_M, turned_M, years = trading.book(samples, position_R)
    ends_SN = np.stack([samples.ends_N[0::2], samples.ends_N[1::2]])
    expected = (close_R[ends_SN + 1] / close_R[ends_SN] - 1).mean(axis=0)
    np.testing.assert_allclose(earned_M[:-1], expected)
    # All is bought at the first bar and sold after the last.
    np.testing.assert_allclose(turned_M, [1.0, *[0.0] * (len(expected) - 1), 1.0])
    assert years * 365.25 * 24 == pytest.approx(len(expected) + 1)


def test_overlapping_forecasts_hold_a_part_each():
    samples = some(symbols=1, horizon=4)
    position_R = trading.positions(samples.panel, samples.ends_N, np.ones(len(samples)), 4)
    first = samples.ends_N[0]
    assert position_R[first : first + 5].tolist() == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert position_R.max() == 1.0
    assert position_R[samples.ends_N[-1] + 4 :].sum() == 0


def test_what_is_held_where_bars_end_is_sold_there():
    samples = some(symbols=1, missing=(150,))
    position_R = trading.positions(samples.panel, samples.ends_N, np.ones(len(samples)), 1)
    _, turned_M, _ = trading.book(samples, position_R)
    assert turned_M.sum() == pytest.approx(4.0)


def test_costs_take_from_what_is_earned_as_much_as_is_turned_over():
    samples = some()
    flips_N = np.where(np.arange(len(samples)) // 2 % 2, 1.0, -1.0)
    free, paid = traded(samples, flips_N), traded(samples, flips_N, cost_bps=10)
    assert free.turnover == pytest.approx(2, abs=0.02)
    bars_a_year = 365.25 * 24
    assert free.return_ - paid.return_ == pytest.approx(2 * 10e-4 * bars_a_year, rel=0.02)
    assert paid.sharpe < free.sharpe
    assert [free.before_costs, paid.before_costs] == pytest.approx([free.sharpe] * 2)


def test_foresight_is_skilled_and_a_guess_is_not():
    samples = some(symbols=6, bars=900)
    actual = samples.target(samples.panel.outputs[0])
    guess = np.random.default_rng(5).standard_normal(len(samples))
    assert traded(samples, actual, cost_bps=5, tries=100).skilled
    assert not traded(samples, guess).skilled
    assert traded(samples, guess).low < 0 < traded(samples, guess).high


def test_what_points_neither_way_is_not_traded():
    samples = some()
    assert not trading.trades(samples.panel.outputs[0], {"zero": np.zeros(len(samples))}, samples, 5, 1)


@pytest.mark.parametrize(
    ("output", "predicted", "expected"),
    [
        (Output(Kind.RETURN, 1), [0.2, -0.1, 0.0], [1, -1, 0]),
        (Output(Kind.DIRECTION, 1), [0.7, 0.4, 0.5], [1, -1, 0]),
        (Output(Kind.QUANTILES, 1, levels=(0.1, 0.5, 0.9)), [[-1, 0.5, 2], [-2, -0.5, 1], [-1, 0, 1]], [1, -1, 0]),
    ],
    ids=str,
)
def test_each_kind_points_its_own_way(output: Output, predicted: list[object], expected: list[int]):
    assert trading.side(output, np.array(predicted, float)).tolist() == expected


def test_a_dead_zone_alone_is_not_traded_as_it_hides_the_windows_that_moved_little():
    with pytest.raises(ConfigError, match=r"try: label\.kind"):
        trading.refuse_foresight(a_recipe("label.kind=direction", "label.dead_zone=0.01", "evaluate.cost_bps=5"))
    trading.refuse_foresight(a_recipe("label.kind=direction", "label.dead_zone=0.01"))
    both = 'label.kind=["direction", "return"]'
    trading.refuse_foresight(a_recipe(both, "label.dead_zone=0.01", "evaluate.cost_bps=5"))
