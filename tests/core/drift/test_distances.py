import math

import numpy as np
import pytest

from core.drift.distances import jensen_shannon


def test_the_same_profile_is_at_distance_zero_whatever_its_scale():
    profile = np.array([0.1, 0.2, 0.7])
    assert jensen_shannon(profile, profile * 5) == pytest.approx(0.0, abs=1e-8)


def test_disjoint_profiles_are_at_distance_one():
    assert jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(1.0)


def test_distance_is_symmetric_and_agrees_with_its_definition():
    p, q = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    middle = [0.375, 0.625]
    by_hand = math.sqrt(
        sum(a * math.log2(a / m) for a, m in zip(p, middle, strict=True)) / 2
        + sum(b * math.log2(b / m) for b, m in zip(q, middle, strict=True)) / 2
    )
    assert jensen_shannon(p, q) == pytest.approx(by_hand)
    assert jensen_shannon(p, q) == pytest.approx(jensen_shannon(q, p))
