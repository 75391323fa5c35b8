"""Breadth over members: the same bits whichever history lies before, and a member counts with its last K bars alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import some_bars

from core.breadth import BREADTH, Breadth
from core.errors import ConfigError

KNOWN = Breadth()
BARS = np.stack([part.rows for part in some_bars(symbols=5, bars=200).symbols.values()])


def holed(*holes: tuple[int, int]):
    bars_MT5 = BARS.copy()
    for member, place in holes:
        bars_MT5[member, place] = np.nan
    return bars_MT5


def test_each_number_is_what_its_name_says():
    rows_TF, _ = KNOWN.history(BARS)
    returns_M = np.log(BARS[:, 150, 3] / BARS[:, 149, 3])
    told = dict(zip(KNOWN.names, rows_TF[150].tolist(), strict=True))
    assert told["advancing_1"] == pytest.approx((returns_M > 0).mean())
    assert told["mean_return_1"] == pytest.approx(returns_M.mean(), rel=1e-5)
    assert told["dispersion_1"] == pytest.approx(returns_M.std(), rel=1e-5)
    above_M = BARS[:, 150, 3] > BARS[:, 131:151, 3].mean(axis=1)
    assert told["above_mean_20"] == pytest.approx(above_M.mean())
    assert told.keys() == BREADTH.keys()


@given(
    holes=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 199)), max_size=6),
    end=st.integers(KNOWN.lookback + 8, 200),
)
def test_the_newest_rows_have_the_bits_of_the_whole_history(holes: list[tuple[int, int]], end: int):
    bars_MT5 = holed(*holes)
    rows_TF, enough_T = KNOWN.history(bars_MT5)
    live_TF, live_T = KNOWN.rows(bars_MT5[:, end - KNOWN.lookback - 7 : end], 8)
    assert live_TF.tobytes() == rows_TF[end - 8 : end].tobytes()
    assert live_T.tolist() == enough_T[end - 8 : end].tolist()


@given(place=st.integers(KNOWN.lookback, 198))
def test_nothing_that_comes_later_changes_it(place: int):
    changed = BARS.copy()
    changed[:, place + 1 :, :4] *= 1.5
    before, after = KNOWN.history(BARS)[0], KNOWN.history(changed)[0]
    assert before[: place + 1].tobytes() == after[: place + 1].tobytes()
    assert before[place + 1 :].tobytes() != after[place + 1 :].tobytes()


def test_a_member_counts_where_its_last_bars_are_all_there():
    rows_TF, _ = KNOWN.history(holed((0, 100)))
    without_TF, _ = KNOWN.history(BARS[1:])
    all_TF, _ = KNOWN.history(BARS)
    lacking = slice(100, 100 + KNOWN.lookback)
    assert rows_TF[lacking].tobytes() == without_TF[lacking].tobytes()
    assert rows_TF[100 + KNOWN.lookback :].tobytes() == all_TF[100 + KNOWN.lookback :].tobytes()


def test_where_fewer_than_half_of_the_members_count_there_is_no_breadth():
    _, enough_T = KNOWN.history(holed((0, 100), (1, 100), (2, 101)))
    assert enough_T[KNOWN.lookback - 1 : 101].all()
    assert not enough_T[101 : 100 + KNOWN.lookback].any()
    assert enough_T[101 + KNOWN.lookback :].all()


def test_what_it_is_decides_its_digest_and_unknown_numbers_are_refused():
    assert KNOWN.digest != Breadth(KNOWN.names[::-1]).digest
    with pytest.raises(ConfigError, match="declining"):
        Breadth(("declining",))
