import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.drift.distances import jensen_shannon
from daemon.watching.profile import RunningProfile

REFERENCE = np.array([0.1, 0.2, 0.3, 0.4])


def profiles(count: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(4), count).astype(np.float32)


def test_before_anything_was_seen_there_is_no_drift():
    assert RunningProfile(REFERENCE).distance() == 0.0


@given(st.lists(st.integers(0, 40), max_size=5))
def test_the_mean_has_the_same_bits_however_predictions_are_batched(cuts: list[int]):
    seen_NT = profiles(40)
    together, apart = RunningProfile(REFERENCE, 10), RunningProfile(REFERENCE, 10)
    together.update(seen_NT)
    for part_NT in np.split(seen_NT, sorted(cuts)):
        apart.update(part_NT)
    assert together.mean_T.tobytes() == apart.mean_T.tobytes()


def test_after_one_half_life_half_of_the_reference_is_left():
    running = RunningProfile(REFERENCE, half_life=8)
    running.update(np.tile(np.array([1, 0, 0, 0], np.float32), (8, 1)))
    assert running.mean_T == pytest.approx((REFERENCE + np.array([1, 0, 0, 0])) / 2)


def test_a_model_that_looks_elsewhere_drifts_as_far_as_the_other_profile_is():
    running = RunningProfile(REFERENCE, half_life=4)
    elsewhere = np.array([0.7, 0.1, 0.1, 0.1], np.float32)
    running.update(np.tile(elsewhere, (400, 1)))
    assert running.distance() == pytest.approx(jensen_shannon(elsewhere.astype(np.float64), REFERENCE), abs=1e-6)


def test_one_broken_prediction_does_not_spoil_the_mean():
    running = RunningProfile(REFERENCE, half_life=4)
    running.update(np.full((3, 4), np.nan, np.float32))
    assert running.distance() == 0.0


def test_the_reference_itself_is_left_alone():
    reference = REFERENCE.copy()
    RunningProfile(reference).update(profiles(100))
    assert (reference == REFERENCE).all()
