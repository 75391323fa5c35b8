import numpy as np
import pytest

from core import attention
from core.reach import over


def test_even_over_the_rows_that_are_there_is_even():
    weights = np.zeros((3, 8), np.float32)
    reach = np.array([8, 2, 5])
    for row, there in enumerate(reach):
        weights[row, 8 - there :] = 1 / there
    assert over(attention.normalised_entropy, weights, reach) == pytest.approx([1, 1, 1])
    assert over(attention.displaced, weights, reach) == pytest.approx([0, 0, 0], abs=1e-6)
    assert over(attention.patterns, weights, reach).tolist() == ["evenly_distributed"] * 3
    assert over(attention.bars_ago, weights, reach) == pytest.approx([3.5, 0.5, 2.0])
