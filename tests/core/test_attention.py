import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import attention


def weights(*rows: list[float]) -> attention.Weights:
    return np.array(rows, np.float32)


EVEN = [1 / 48] * 48
ONE = [0.0] * 47 + [1.0]


def test_even_weights_have_entropy_one_and_concentration_zero():
    assert attention.normalised_entropy(weights(EVEN))[0] == pytest.approx(1.0, abs=1e-6)
    assert attention.concentration(weights(EVEN))[0] == pytest.approx(0.0, abs=1e-6)
    assert attention.lift(weights(EVEN)).max() == pytest.approx(1.0, abs=1e-5)


def test_a_single_step_has_entropy_zero_and_concentration_one():
    assert attention.normalised_entropy(weights(ONE))[0] == 0.0
    assert attention.concentration(weights(ONE))[0] == pytest.approx(1.0)
    assert attention.lift(weights(ONE)).max() == 48.0


def test_two_equal_peaks_have_the_entropy_of_a_coin():
    assert attention.normalised_entropy(weights([0.5, 0, 0, 0.5]))[0] == pytest.approx(0.5)


def test_buckets_are_the_documents_for_48_hours():
    """24-48 h ago, 12-24 h ago, 0-12 h ago: even attention puts half of its weight on the historical bucket."""
    edges = attention.bucket_edges(48)
    assert edges.tolist() == [0, 24, 36, 48]
    assert attention.shares(weights(EVEN), edges)[0] == pytest.approx([0.5, 0.25, 0.25], abs=1e-6)
    assert attention.shares(weights(ONE), edges)[0].tolist() == [0, 0, 1]


def test_top_steps_are_heaviest_first_and_recent_first_among_equals():
    assert attention.top_steps(weights([0.1, 0.4, 0.1, 0.4]), 3).tolist() == [[3, 1, 2]]


def test_a_profile_is_the_mean_over_heads():
    two_heads = np.array([[[1.0, 0.0], [0.5, 0.5]]], np.float32)
    assert attention.profile(two_heads).tolist() == [[0.75, 0.25]]
    assert attention.profile(weights(EVEN)) is not None


@given(st.integers(1, 40), st.integers(2, 60), st.integers(0, 2**32 - 1))
def test_statistics_of_a_row_have_the_same_bits_in_any_batch(count: int, steps: int, seed: int):
    drawn = np.random.default_rng(seed).dirichlet(np.ones(steps), count).astype(np.float32)
    edges = attention.bucket_edges(steps)
    for statistic in (attention.normalised_entropy, attention.concentration, lambda w: attention.shares(w, edges)):
        together = statistic(drawn)
        alone = np.concatenate([statistic(drawn[row : row + 1]) for row in range(count)])
        assert together.tobytes() == alone.tobytes()


TWO = [0.0] * 10 + [0.5] + [0.0] * 30 + [0.5] + [0.0] * 6


def test_even_weights_are_smooth_and_shuffled_ones_rougher_with_the_same_entropy():
    falling = np.linspace(2, 0, 48, dtype=np.float32)[np.newaxis] / 48
    shuffled = np.random.default_rng(0).permuted(falling, axis=1)
    assert attention.roughness(weights(EVEN))[0] == pytest.approx(0.0, abs=1e-6)
    assert attention.roughness(weights(ONE))[0] == pytest.approx(1.0)
    assert attention.roughness(falling)[0] == pytest.approx(2 / 48, rel=1e-5)
    assert attention.roughness(shuffled)[0] > 5 * attention.roughness(falling)[0]
    assert attention.normalised_entropy(shuffled) == pytest.approx(attention.normalised_entropy(falling))


def test_concentration_factor_is_the_largest_weight_in_even_weights():
    assert attention.concentration_factor(weights(EVEN, ONE, TWO)) == pytest.approx([1, 48, 24], rel=1e-6)


def test_the_weight_that_would_have_to_move_to_be_even():
    assert attention.displaced(weights(EVEN, ONE, TWO)) == pytest.approx([0, 47 / 48, 46 / 48], abs=1e-6)


def test_gini_is_zero_for_even_weights_and_near_one_for_a_single_step():
    assert attention.gini(weights(EVEN, ONE)) == pytest.approx([0, 1 - 1 / 48], abs=1e-6)
    assert attention.gini(weights([0.1, 0.2, 0.3, 0.4])) == pytest.approx([0.25])


def test_bars_ago_is_where_the_weight_lies_on_average():
    assert attention.bars_ago(weights(EVEN, ONE, TWO)) == pytest.approx([23.5, 0, (37 + 6) / 2], abs=1e-4)


def test_reach_counts_bars_back_from_the_newest():
    assert attention.reach(weights(EVEN, ONE, TWO), 0.5).tolist() == [24, 1, 7]
    assert attention.reach(weights(EVEN, ONE, TWO), 0.8).tolist() == [39, 1, 38]


def test_the_heaviest_steps_that_hold_a_share():
    assert attention.heaviest(weights(EVEN, ONE, TWO), 0.5).tolist() == [24, 1, 1]
    assert attention.heaviest(weights(EVEN, ONE, TWO), 0.8).tolist() == [39, 1, 2]


def test_peaks_are_counted_once_and_only_where_they_rise_above_even_weights():
    plateau = [0.0, 0.25, 0.25, 0.0, 0.0, 0.0, 0.0, 0.5]
    ripple = [0.12, 0.13, 0.12, 0.13, 0.12, 0.13, 0.12, 0.13]
    assert attention.peaks(weights(EVEN, ONE, TWO)).tolist() == [0, 1, 2]
    assert attention.peaks(weights(plateau, ripple)).tolist() == [2, 0]


def test_patterns_are_named_for_the_third_that_holds_more_than_half():
    early, mid, late = np.eye(9)[[1, 4, 8]].tolist()
    mixed = [0.3, 0, 0, 0.3, 0, 0, 0.4, 0, 0]
    found = attention.patterns(weights(early, mid, late, [1 / 9] * 9, mixed)).tolist()
    assert found == ["early_focused", "mid_focused", "late_focused", "evenly_distributed", "mixed"]


def test_two_heads_that_look_at_the_same_steps_are_redundant_and_a_third_is_special():
    heads = np.array([[[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.5, 0.5]]], np.float32)
    assert attention.redundancy(heads)[0].tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert attention.specialisation(heads)[0].tolist() == [0.5, 0.5, 1.0]
    assert attention.evolution(heads)[0].tolist() == [1.0, 0.0]
    assert attention.specialisation(heads[:, :1])[0].tolist() == [0.0]


@pytest.mark.parametrize(("steps", "lowest"), [(30, 0.86), (48, 0.88)])
def test_a_tanh_on_the_scores_keeps_entropy_from_falling(steps: int, lowest: float):
    bound = np.exp(2) / (np.exp(2) + steps - 1)
    assert attention.lowest_entropy(steps, bound) == pytest.approx(lowest, abs=0.005)
    assert attention.lowest_entropy(steps, 1.0) == 0.0


@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_no_bounded_scores_give_less_entropy_than_the_lowest(steps: int, seed: int):
    score = np.tanh(5 * np.random.default_rng(seed).standard_normal((20, steps)))
    drawn = (np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)).astype(np.float32)
    lowest = attention.lowest_entropy(steps, np.exp(2) / (np.exp(2) + steps - 1))
    assert attention.normalised_entropy(drawn).min() >= lowest - 1e-6


@given(st.integers(1, 20), st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_every_statistic_of_a_row_has_the_same_bits_in_any_batch(count: int, steps: int, seed: int):
    drawn = np.random.default_rng(seed).dirichlet(np.ones(steps), count).astype(np.float32)
    for statistic in (
        attention.displaced,
        attention.gini,
        attention.bars_ago,
        attention.concentration_factor,
        attention.thirds,
        attention.peaks,
        attention.patterns,
        lambda w: attention.reach(w, 0.5),
        lambda w: attention.heaviest(w, 0.8),
    ):
        together = statistic(drawn)
        alone = np.concatenate([statistic(drawn[row : row + 1]) for row in range(count)])
        assert together.astype(alone.dtype).tobytes() == alone.tobytes()
