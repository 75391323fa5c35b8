"""Rows that are remembered are the rows that would be made, and are used again only where nothing else could come."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from builders import HOUR, a_bar
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bars import Spans
from core.bundle import Input, Window
from core.features import FeatureSet
from core.inputs import Inputs
from core.rows import RowMemory
from core.windows import Windows

STEPS = 4
SYMBOLS = ("A", "B", "C")
FIRST = 400_000
TURNS = 8


def reads(kind: str = "rolling", features: str = "btc_3", steps: int = STEPS) -> Input:
    known = FeatureSet.named(features)
    fewest = steps if kind == "rolling" else 2
    return Input(features, "symbol", known.names, known.digest, known.lookback, Window(kind, fewest, steps))


class Desk:
    """Windows of three symbols, and a memory of their rows."""

    def __init__(self, *inputs: Input) -> None:
        self.inputs = Inputs(inputs or [reads()], HOUR)
        self.memory = RowMemory(self.inputs)
        self.windows = Windows(HOUR, SYMBOLS, self.inputs.bars_needed + TURNS)
        self.random = np.random.default_rng(5)
        for number in range(FIRST, FIRST + self.inputs.bars_needed):
            for symbol in SYMBOLS:
                self.put(symbol, number)

    def put(self, symbol: str, number: int) -> None:
        self.windows.put(a_bar(number, symbol, close=self.random.uniform(90, 110), volume=self.random.uniform(1, 9)))

    def close(self, *symbols: str) -> None:
        """The next bar of each comes."""
        for symbol in symbols or SYMBOLS:
            self.put(symbol, HOUR.number(int(self.windows.newest_ms_S[self.windows.index[symbol]])) + 1)

    def asked(self, symbols: Sequence[str] = SYMBOLS, back: int = 0) -> tuple[int, dict[str, Any]]:
        """How many followed, and the rows of their windows that end so many bars before the newest."""
        positions = np.array([self.windows.index[symbol] for symbol in symbols], np.int64)
        opened = self.windows.newest_ms_S[positions] - back * HOUR.ms
        follows = self.memory.follows(self.windows, positions, opened)
        others = positions[~follows], opened[~follows]
        bars, unbroken = self.windows.gather(*others, self.inputs.bars_needed)
        made = self.memory.rows(positions, opened, follows, bars, unbroken >= self.inputs.bars_needed)
        anew = self.inputs.make(self.windows.gather(positions, opened, self.inputs.bars_needed)[0], opened)
        assert {name: rows.tobytes() for name, rows in made.items()} == {
            name: rows.tobytes() for name, rows in anew.items()
        }
        return int(follows.sum()), made


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many rows of features were computed."""
    told, rows, newest = Counter[str](), FeatureSet.rows, FeatureSet.newest

    def counting(self: FeatureSet, bars_NT5: Any, count: int, opened_at_ms_NT: Any = None) -> Any:
        told["rows"] += len(bars_NT5) * count
        return rows(self, bars_NT5, count, opened_at_ms_NT)

    def counting_newest(self: FeatureSet, spans: Spans, opened_at_ms_NT: Any = None) -> Any:
        told["rows"] += len(spans.positions_N)
        return newest(self, spans, opened_at_ms_NT)

    monkeypatch.setattr(FeatureSet, "rows", counting)
    monkeypatch.setattr(FeatureSet, "newest", counting_newest)
    return told


def test_a_bar_that_follows_costs_one_row(made: Counter[str]):
    desk = Desk()
    desk.asked()
    for _ in range(2 * STEPS + 1):
        desk.close()
        made.clear()
        follows, _ = desk.asked()
        assert follows == len(SYMBOLS)
        assert made["rows"] == len(SYMBOLS) * (1 + STEPS)  # those made anew are what they are held against


def test_all_inputs_of_a_symbol_are_remembered():
    desk = Desk(reads(), reads(features="btc_rich", steps=6))
    desk.asked()
    for _ in range(7):
        desk.close()
        follows, rows = desk.asked()
        assert follows == len(SYMBOLS)
        assert [one.shape[1] for one in rows.values()] == [STEPS, 6]


def test_a_bar_that_was_revised_costs_its_window_again():
    desk = Desk()
    desk.asked()
    desk.put("B", FIRST + 10)
    desk.close()
    assert desk.asked()[0] == len(SYMBOLS) - 1
    desk.close()
    assert desk.asked()[0] == len(SYMBOLS)


def test_two_bars_at_once_are_no_follower():
    desk = Desk()
    desk.asked()
    desk.close("A")
    desk.close()
    assert desk.asked()[0] == len(SYMBOLS) - 1


def test_what_is_not_the_newest_window_is_not_remembered():
    """The bar after it is there already, so that what changes next may be any other."""
    desk = Desk()
    desk.close()
    desk.asked(back=1)
    desk.put("A", FIRST + 10)
    assert desk.asked()[0] == 0


def test_a_window_that_was_not_as_the_windows_have_it_is_not_remembered():
    desk = Desk()
    positions, opened = np.arange(len(SYMBOLS)), desk.windows.newest_ms_S.copy()
    bars, _ = desk.windows.gather(positions, opened, desk.inputs.bars_needed)
    follows = desk.memory.follows(desk.windows, positions, opened)
    desk.memory.rows(positions, opened, follows, bars * 2, np.array([False, True, False]))
    desk.close()
    assert desk.memory.follows(desk.windows, positions, desk.windows.newest_ms_S).tolist() == [False, True, False]


def test_windows_that_expand_are_not_remembered():
    desk = Desk(reads("expanding"))
    for _ in range(2):
        desk.close()
        assert desk.asked()[0] == 0


def test_other_windows_have_rows_of_their_own():
    desk, other = Desk(), Desk()
    desk.asked()
    other.memory = desk.memory
    for one in (other, desk):
        one.close()
        assert one.asked()[0] == 0


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(SYMBOLS), max_size=3, unique=True),
            st.lists(st.sampled_from(SYMBOLS), max_size=3, unique=True),
            st.one_of(st.none(), st.tuples(st.sampled_from(SYMBOLS), st.integers(1, 20))),
        ),
        max_size=12,
    )
)
def test_remembered_rows_have_the_bits_of_rows_made_anew_whatever_came_before(
    turns: list[tuple[list[str], list[str], tuple[str, int] | None]],
):
    desk = Desk()
    for closing, asked, revised in turns:
        if revised:
            symbol, back = revised
            desk.put(symbol, HOUR.number(int(desk.windows.newest_ms_S[desk.windows.index[symbol]])) - back)
        if closing:
            desk.close(*closing)
        desk.asked(asked)


def test_the_newest_row_is_the_last_of_all():
    desk = Desk()
    _, rows = desk.asked()
    positions = np.array([2, 0])
    newest = desk.inputs.newest(desk.windows, positions, desk.windows.newest_ms_S[positions])
    assert newest["btc_3"].tobytes() == rows["btc_3"][[2, 0], -1:].tobytes()
