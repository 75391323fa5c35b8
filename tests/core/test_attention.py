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
