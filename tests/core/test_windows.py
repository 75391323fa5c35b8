import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bars import Bar, Interval, Spans
from core.sessions import Sessions
from core.windows import EMPTY, STORED, Fate, Windows

HOUR = Interval.parse("1h")


def bar(number: int, close: float = 105.0, symbol: str = "A", **changes: object) -> Bar:
    usual = {"open": 100.0, "high": 110.0, "low": 90.0, "close": close, "volume": 1.0}
    return Bar(symbol, number * HOUR.ms, **(usual | changes))  # type: ignore[arg-type]


def filled(*numbers: int, capacity: int = 8) -> Windows:
    windows = Windows(HOUR, ["A", "B"], capacity)
    for number in numbers:
        windows.put(bar(number))
    return windows


@pytest.mark.parametrize(
    ("arriving", "fate"),
    [
        (bar(11), Fate.FRESH),
        (bar(10), Fate.REPEATED),
        (bar(10, close=106.0), Fate.REVISED),
        (bar(8), Fate.FILLED),
        (bar(13), Fate.EARLY),
        (bar(2), Fate.STALE),
        (bar(11, closed=False), Fate.OPEN),
        (bar(11, high=math.nan), Fate.INCONSISTENT),
        (bar(11, low=-1.0), Fate.INCONSISTENT),
        (bar(1, symbol="B"), Fate.FIRST),
        (bar(1, symbol="C"), Fate.UNKNOWN),
        (Bar("A", 11 * HOUR.ms + 1, 1, 1, 1, 1, 1), Fate.OFF_GRID),
        (bar(500_000_000, symbol="B"), Fate.FUTURE),
        (bar(10**24, symbol="B"), Fate.FUTURE),
        (bar(-1, symbol="B"), Fate.STALE),
        (bar(-(10**24), symbol="B"), Fate.STALE),
    ],
)
def test_every_bar_that_arrives_has_one_fate(arriving: Bar, fate: Fate):
    assert filled(7, 9, 10).judge(arriving) is fate


def test_bars_placed_together_are_those_that_follow_and_leave_what_placing_each_would():
    symbols = [f"S{place}" for place in range(40)]
    together, apart = Windows(HOUR, symbols, 8), Windows(HOUR, symbols, 8)
    chance = np.random.default_rng(3)
    for number in range(1, 60):
        bars = []
        for symbol in chance.permutation([*symbols, "STRANGER"])[: chance.integers(1, 42)].tolist():
            changes = [{}, {}, {}, {}, {"closed": False}, {"high": math.nan}, {"low": -1.0}, {"volume": -1.0}]
            changes += [{"high": 100.0}, {"low": 106.0}]
            late = int(chance.choice([0, 0, 0, 1, 2, -1]))
            bars.append(bar(number - late, symbol=symbol, **chance.choice(changes)))
        now_ms = (number + int(chance.integers(2))) * HOUR.ms - 1
        fates = [apart.judge(one, now_ms) for one in bars]
        assert together.put_fresh(bars, now_ms).tolist() == [fate is Fate.FRESH for fate in fates]
        for one, fate in zip(bars, fates, strict=True):
            if fate in STORED:
                apart.put(one)
                if fate is not Fate.FRESH:
                    together.put(one)
        for name in ("opened_at_ms_SC", "rows_SC5", "revision_SC", "published_SC", "newest_ms_S", "changes_S"):
            assert np.array_equal(getattr(together, name), getattr(apart, name), equal_nan=True), name


def test_a_time_beyond_all_times_leaves_the_bars_beside_it_to_be_placed_one_by_one():
    windows = filled(10)
    assert windows.put_fresh([bar(11), bar(10**24, symbol="B")]).tolist() == [False, False]
    assert windows.judge(bar(11)) is Fate.FRESH


def test_a_bar_that_opens_after_the_venues_now_is_from_the_future():
    assert filled(10).judge(bar(11), now_ms=11 * HOUR.ms - 1) is Fate.FUTURE
    assert filled(10).judge(bar(11), now_ms=11 * HOUR.ms) is Fate.FRESH


def test_judging_changes_nothing():
    windows = filled(9, 10)
    before = windows.rows_SC5.copy(), windows.opened_at_ms_SC.copy(), windows.newest_ms_S.copy()
    windows.judge(bar(11))
    windows.judge(bar(10, close=99.0))
    after = windows.rows_SC5, windows.opened_at_ms_SC, windows.newest_ms_S
    assert all(np.array_equal(x, y, equal_nan=True) for x, y in zip(before, after, strict=True))


def test_each_replacement_of_a_bar_is_its_next_revision():
    windows = filled(9)
    assert windows.put(bar(10)) == 0
    assert windows.put(bar(10, close=106.0)) == 1
    assert windows.put(bar(10, close=107.0)) == 2
    assert windows.put(bar(11)) == 0


def test_a_gathered_window_ends_at_the_bar_asked_for_oldest_first():
    windows = filled(*range(3, 11))
    rows, unbroken = windows.gather(np.array([0]), np.array([9 * HOUR.ms]), 4)
    assert unbroken.tolist() == [4]
    assert rows[0].tolist() == [list(bar(number).row) for number in (6, 7, 8, 9)]


def test_a_missing_bar_is_nan_and_breaks_the_count_there():
    windows = filled(5, 6, 8, 9, 10)
    rows, unbroken = windows.gather(np.array([0]), np.array([10 * HOUR.ms]), 6)
    assert unbroken.tolist() == [3]
    assert np.isnan(rows[0]).all(axis=1).tolist() == [False, False, True, False, False, False]


def test_what_the_ring_has_overwritten_is_never_taken_for_a_bar():
    windows = filled(*range(20), capacity=4)
    _, unbroken = windows.gather(np.array([0]), np.array([19 * HOUR.ms]), 6)
    assert unbroken.tolist() == [4]


def test_an_empty_symbol_has_no_unbroken_bars():
    rows, unbroken = filled(1).gather(np.array([1]), np.array([HOUR.ms]), 3)
    assert unbroken.tolist() == [0]
    assert np.isnan(rows).all()
    assert filled(1).newest_ms_S[1] == EMPTY


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.integers(4, 12))
def test_windows_agree_with_a_dictionary_of_bars(numbers: list[int], capacity: int):
    """Whatever order bars come in, a gathered window is what a plain dictionary of accepted bars says."""
    windows, kept = Windows(HOUR, ["A"], capacity), {}
    for number in numbers:
        if windows.judge(bar(number)) in (Fate.STALE, Fate.REPEATED):
            continue
        windows.put(bar(number, close=float(100 + number % 10)))
        kept[number] = float(100 + number % 10)
    newest = max(kept)
    rows, unbroken = windows.gather(np.array([0]), np.array([newest * HOUR.ms]), capacity)
    expected = 0
    while newest - expected in kept and expected < capacity:
        expected += 1
    assert unbroken[0] == expected
    closes = rows[0, capacity - expected :, 3].tolist()
    assert closes == [kept[number] for number in range(newest - expected + 1, newest + 1)]


def test_what_has_not_gone_out_is_known_by_symbol_and_time():
    windows = filled(5, 6, 7)
    windows.publish("A", 5 * HOUR.ms, 0)
    windows.publish("A", 6 * HOUR.ms, 0)
    windows.put(bar(6, close=107.0))
    assert windows.unpublished("A", 0) == [(bar(6, close=107.0), 1), (bar(7), 0)]
    assert windows.unpublished("A", 7 * HOUR.ms) == [(bar(7), 0)]
    assert windows.unpublished("B", 0) == []


def test_what_goes_out_together_is_marked_as_each_alone():
    def revised() -> Windows:
        windows = filled(2, 5, 6, capacity=4)
        windows.put(bar(6, close=107.0))
        windows.put(bar(6, symbol="B"))
        return windows

    gone = [(bar(6, close=107.0), 1), (bar(2), 0), (bar(6), 0), (bar(6, symbol="B"), 0)]
    together, alone = revised(), revised()
    together.publish_all(gone)
    for one, revision in gone:
        alone.publish(one.symbol, one.opened_at_ms, revision)
    assert together.published_SC.tolist() == alone.published_SC.tolist()
    assert together.unpublished("A", 0) == [(bar(5), 0)]


def test_a_bar_that_takes_an_old_ones_slot_has_not_gone_out():
    windows = filled(1, capacity=4)
    windows.publish("A", HOUR.ms, 0)
    windows.put(bar(5))
    assert windows.unpublished("A", 0) == [(bar(5), 0)]


@pytest.mark.parametrize(
    ("there", "length", "wanted"),
    [((5, 6, 7), 3, 8), ((5, 7, 8), 4, 6), ((3, 5, 6, 7), 3, 8), ((2, 9), 4, 6), ((), 4, None)],
)
def test_the_first_missing_bar_is_where_history_is_wanted_from(there: tuple[int, ...], length: int, wanted: int | None):
    assert filled(*there).wanted_from("A", length) == (None if wanted is None else wanted * HOUR.ms)


def test_a_symbol_is_full_when_its_last_bars_are_all_there():
    windows = filled(5, 6, 8, 9, 10)
    assert windows.full(["A", "B"], 3) == {"A"}
    assert windows.full(["A", "B"], 4) == set()
    assert windows.full([], 3) == set()


def over_weekends(capacity: int = 12) -> Windows:
    """Three weeks of five days: numbers 4 to 8, 11 to 15 and 18 to 22, the Monday of the second a holiday."""
    days = Interval.parse("1d")
    sessions = Sessions.of(days, [(4 * days.ms, 5), (12 * days.ms, 4), (18 * days.ms, 5)])
    return Windows(sessions, ["A"], capacity)


def day(number: int) -> Bar:
    return Bar("A", number * 86_400_000, 100.0, 110.0, 90.0, float(100 + number % 9), 1.0)


def test_where_a_venue_closes_the_bar_after_a_long_weekend_follows_the_one_before():
    windows = over_weekends()
    for number in (6, 7, 8):
        windows.put(day(number))
    assert windows.judge(day(12)) is Fate.FRESH
    assert windows.judge(day(13)) is Fate.EARLY
    assert windows.judge(day(9)) is Fate.OFF_GRID
    assert windows.wanted_from("A", 12) == day(12).opened_at_ms
    assert windows.put_fresh([day(12)]).all()
    rows_1T5, unbroken_1 = windows.gather(np.array([0]), np.array([day(12).opened_at_ms]), 5)
    assert unbroken_1.tolist() == [4]
    assert rows_1T5[0, 1:, 3].tolist() == [day(number).close for number in (6, 7, 8, 12)]
    assert windows.full(["A"], 4)
    assert not windows.full(["A"], 5)


def test_where_a_venue_closes_a_missing_session_is_a_hole_and_a_weekend_is_none():
    windows = over_weekends()
    for number in (8, 12, 14):
        windows.put(day(number))
    assert windows.wanted_from("A", 12) == day(13).opened_at_ms
    assert windows.gather(np.array([0]), np.array([day(14).opened_at_ms]), 4)[1].tolist() == [1]
    assert windows.judge(day(13)) is Fate.FILLED
    windows.put(day(13))
    assert windows.gather(np.array([0]), np.array([day(14).opened_at_ms]), 4)[1].tolist() == [4]


def lying(spans: Spans) -> list[list[float]]:
    """The closes of each span."""
    capacity, reach = spans.bars_SC5.shape[1], np.arange(spans.length)
    slots_NT = (spans.slots_N[:, None] + reach) % capacity
    closes: list[list[float]] = spans.bars_SC5[spans.positions_N[:, None], slots_NT, 3].tolist()
    return closes


@pytest.mark.parametrize("newest", [8, 11, 13])
def test_spans_are_the_bars_that_are_gathered_wherever_the_ring_begins_again(newest: int):
    windows = Windows(HOUR, ["A", "B"], 8)
    for number in range(1, newest + 1):
        windows.put(bar(number, symbol="B", close=90.0 + number))
    asked = np.array([1, 1]), np.array([newest, newest - 1]) * HOUR.ms
    assert lying(windows.spans(*asked, 6)) == windows.gather(*asked, 6)[0][..., 3].tolist()


def test_where_a_venue_closes_spans_are_the_bars_of_its_sessions():
    windows = over_weekends()
    for number in (6, 7, 8, 12, 13):
        windows.put(day(number))
    asked = np.array([0, 0]), np.array([day(12).opened_at_ms, day(13).opened_at_ms])
    assert lying(windows.spans(*asked, 4)) == windows.gather(*asked, 4)[0][..., 3].tolist()
