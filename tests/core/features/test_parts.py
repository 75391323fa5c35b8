"""What features are made of, at every length: the four lanes of a sum leave a rest of zero to three."""

import numpy as np
import pytest

from core.features import parts

VALUES = np.random.default_rng(5).lognormal(0, 1, 40)


@pytest.mark.parametrize("count", range(2, 14))
def test_sums_and_averages_see_each_of_the_last_values_once(count: int):
    end = 30
    last = VALUES[end - count + 1 : end + 1]
    decays = 0.9 ** np.arange(count)[::-1]
    assert parts.total(VALUES, end, count) == pytest.approx(last.sum(), rel=1e-12)
    assert parts.mean(VALUES, end, count) == pytest.approx(last.mean(), rel=1e-12)
    assert parts.squares(VALUES, end, count, 0.5) == pytest.approx(((last - 0.5) ** 2).sum(), rel=1e-12)
    assert parts.deviation(VALUES, end, count) == pytest.approx(last.std(ddof=1), rel=1e-12)
    assert parts.weighted(VALUES, end, count, 0.9, 0.5) == pytest.approx(((last - 0.5) * decays).sum(), rel=1e-12)
    assert parts.exponential(VALUES, end, count, 0.9) == pytest.approx(np.average(last, weights=decays), rel=1e-12)
    assert parts.slope(VALUES, end, count) == pytest.approx(np.polyfit(np.arange(count), last, 1)[0], rel=1e-9)


@pytest.mark.parametrize("level", [0.1, 1 / 3, 1e-11, 7e11])
def test_equal_values_average_to_exactly_that_value_without_deviation(level: float):
    flat = np.full(40, level)
    for count in range(2, 14):
        assert parts.mean(flat, 30, count) == level
        assert parts.exponential(flat, 30, count, 0.9) == level
        assert parts.deviation(flat, 30, count) == 0.0
        assert parts.correlation(flat, VALUES, 30, count) == 0.0
