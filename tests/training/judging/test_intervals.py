import numpy as np
import pytest

from training.judging.intervals import bootstrap


def test_the_first_draw_is_the_sample_itself():
    values = np.random.default_rng(0).normal(size=(500, 2))
    np.testing.assert_allclose(bootstrap(500, 1).sums(values)[0], values.sum(axis=0))


def test_a_block_is_drawn_whole():
    draws = bootstrap(100, 1)
    assert set(np.diff(np.flatnonzero(np.diff(draws.block_M)))) == {10}


def test_labels_that_overlap_make_blocks_longer():
    assert (bootstrap(1_000, 20).block_M == 0).sum() == 100


def test_the_interval_of_a_mean_covers_the_truth_about_nineteen_times_in_twenty():
    random = np.random.default_rng(4)
    covered = 0
    for seed in range(200):
        values = random.normal(size=900)
        draws = bootstrap(900, 1, seed)
        low, high = draws.bounds(draws.sums(values[:, None])[:, 0] / 900)
        covered += low <= 0 <= high
    # 3 deviations of 200 trials.
    assert covered / 200 == pytest.approx(0.95, abs=0.046)


@pytest.mark.parametrize(("moments", "horizon"), [(1_000, 24), (130, 24), (60, 12), (40, 4), (32, 1), (32, 24)])
def test_the_interval_covers_the_truth_where_overlapping_labels_leave_few_blocks(moments: int, horizon: int):
    random, draws = np.random.default_rng(4), bootstrap(moments, horizon)
    covered = 0
    for _ in range(200):
        values = np.convolve(random.normal(size=moments + horizon), np.ones(horizon), "valid")[:moments]
        sums = draws.sums(np.stack([values, np.ones(moments)], axis=1))
        low, high = draws.bounds(sums[:, 0] / sums[:, 1])
        covered += low <= 0 <= high
    assert covered / 200 > 0.8


def test_moments_that_move_together_widen_the_interval():
    """Each value repeated for 30 moments holds a thirtieth of the evidence."""
    random = np.random.default_rng(5)
    alone, together = random.normal(size=900), np.repeat(random.normal(size=30), 30)
    widths = []
    for values in (alone, together):
        draws = bootstrap(900, 1)
        low, high = draws.bounds(draws.sums(values[:, None])[:, 0] / 900)
        widths.append(high - low)
    assert widths[1] > 3 * widths[0]
