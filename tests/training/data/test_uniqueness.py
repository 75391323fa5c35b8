import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.uniqueness import uniqueness


def test_a_label_that_shares_no_bar_is_its_own_and_one_of_many_in_a_row_a_share():
    alone = uniqueness(np.array([3]), 4, 20)
    assert alone[3] == 1
    assert alone.sum() == 1
    crowded = uniqueness(np.arange(20), 4, 30)
    np.testing.assert_allclose(crowded[3:17], 0.25)
    assert crowded[0] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


@given(st.sets(st.integers(0, 60), min_size=1), st.integers(1, 8))
def test_it_is_the_mean_over_the_labels_bars_of_one_over_the_labels_there(ends: set[int], horizon: int):
    found = uniqueness(np.array(sorted(ends)), horizon, 80)
    for end in ends:
        shares = [
            1 / sum(other < bar <= other + horizon for other in ends) for bar in range(end + 1, end + horizon + 1)
        ]
        assert found[end] == pytest.approx(np.mean(shares), rel=1e-5)
