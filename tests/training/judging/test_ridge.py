import numpy as np
import pytest

from training.judging import ridge


def test_with_next_to_no_noise_it_finds_the_coefficients():
    random = np.random.default_rng(0)
    x = random.normal((5.0, -3.0), (2.0, 0.1), (4_000, 2))
    y = (3 * x[:, 0] - 20 * x[:, 1] + 7)[:, None] + 0.01 * random.standard_normal((4_000, 1))
    learned = ridge.learn(x, y)
    slopes = learned["slope"][:, 0] / learned["spread"]
    assert slopes == pytest.approx([3, -20], rel=2e-3)
    np.testing.assert_allclose(ridge.foretell(learned, x), y, atol=0.1)


def test_a_constant_predictor_changes_nothing():
    random = np.random.default_rng(0)
    x, y = random.standard_normal((500, 1)), random.standard_normal((500, 1))
    wide = np.hstack([x, np.full((500, 1), 3.3)])
    changed = np.hstack([x, np.full((500, 1), 9.0)])
    alone = ridge.foretell(ridge.learn(x, y), x)
    np.testing.assert_allclose(ridge.foretell(ridge.learn(wide, y), wide), alone)
    np.testing.assert_allclose(ridge.foretell(ridge.learn(wide, y), changed), alone)


def test_of_noise_it_says_little():
    random = np.random.default_rng(1)
    x, y = random.standard_normal((5_000, 3)), random.standard_normal((5_000, 1))
    assert np.abs(ridge.foretell(ridge.learn(x, y), x)).mean() < 0.05
