"""Rows that are remembered are the rows that would be made, and are used again only where nothing else could come."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from builders import HOUR
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bars import BarArray
from core.features import FeatureSet
from core.rows import RowMemory

COUNT = 4
FEATURES = FeatureSet.named("btc_3")
LENGTH = COUNT + FEATURES.lookback - 1
SYMBOLS = 3


class Counting(FeatureSet):
    """The features, and how many rows of them were computed."""

    made = 0

    def rows(self, bars_NT5: BarArray, count: int, opened_at_ms_NT: Any = None) -> Any:
        self.made += len(bars_NT5) * count
        return super().rows(bars_NT5, count, opened_at_ms_NT)


def some_bars(bars: int = LENGTH + 8) -> BarArray:
    return np.random.default_rng(5).uniform(90, 110, (SYMBOLS, bars, 5))


def times(last: int, windows: int = SYMBOLS) -> npt.NDArray[np.int64]:
    return np.tile((400_000 + last - np.arange(LENGTH)[::-1]) * HOUR.ms, (windows, 1))


def made_anew(bars_NL5: BarArray) -> bytes:
    return FEATURES.rows(bars_NL5, COUNT).astype(np.float32).tobytes()


@pytest.fixture
def counting() -> Counting:
    return Counting(FEATURES.names)


NAMES = ["A", "B", "C"]


def test_a_bar_that_follows_costs_one_row(counting: Counting):
    bars, memory = some_bars(), RowMemory(counting, COUNT, HOUR)
    for turn in range(3):
        window = bars[:, turn : turn + LENGTH]
        assert memory.rows(window, times(turn), NAMES).tobytes() == made_anew(window)
    assert counting.made == SYMBOLS * (COUNT + 1 + 1)


def test_a_bar_that_was_revised_costs_its_window_again(counting: Counting):
    bars, memory = some_bars(), RowMemory(counting, COUNT, HOUR)
    memory.rows(bars[:, :LENGTH], times(0), NAMES)
    counting.made = 0
    bars[1, 10, 3] += 1e-9
    assert memory.rows(bars[:, 1 : LENGTH + 1], times(1), NAMES).tobytes() == made_anew(bars[:, 1 : LENGTH + 1])
    assert counting.made == COUNT + (SYMBOLS - 1)


def test_bars_of_other_times_are_no_followers_though_their_numbers_are_the_same(counting: Counting):
    bars, memory = some_bars(), RowMemory(counting, COUNT, HOUR)
    memory.rows(bars[:, :LENGTH], times(0), NAMES)
    counting.made = 0
    memory.rows(bars[:, 1 : LENGTH + 1], times(2), NAMES)
    assert counting.made == SYMBOLS * COUNT


@settings(max_examples=60)
@given(st.lists(st.tuples(st.lists(st.integers(0, SYMBOLS - 1), max_size=5), st.integers(0, 7), st.booleans())))
def test_remembered_rows_have_the_bits_of_rows_made_anew_whatever_came_before(
    asked: list[tuple[list[int], int, bool]],
):
    bars, memory = some_bars(), RowMemory(FEATURES, COUNT, HOUR)
    for symbols, last, revise in asked:
        chosen = np.array(symbols, np.int64)
        if revise:
            bars[:, last + LENGTH // 2] *= 1.001
        window = bars[chosen, last : last + LENGTH]
        assert memory.rows(window, times(last, len(chosen)), [NAMES[one] for one in symbols]).tobytes() == made_anew(
            window
        )
