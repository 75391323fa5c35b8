from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bars import Bar, Interval
from core.windows import EMPTY, NEVER, Windows
from daemon.ports import Entry
from daemon.stores import ring

HOUR = Interval.parse("1h")
BAR = (1.0, 2.0, 0.5, 1.5, 10.0)


def a_row(opened_at_ms: int, revision: int = 0, bar: tuple[float, float, float, float, float] = BAR) -> bytes:
    """The row of a bar without a message."""
    [placed] = ring.pack([Entry("BTCUSDT", opened_at_ms, revision, bar)], HOUR, 4)
    return placed[4:]


def a_ring(
    *opened_hours: int, capacity: int = 4, revision: int = 0, bar: tuple[float, float, float, float, float] = BAR
):
    told = bytearray(ring.size_bytes(capacity))
    for hour in opened_hours:
        begin = ring.offset_bytes(hour % capacity)
        told[begin : begin + ring.ROW.itemsize] = a_row(hour * HOUR.ms, revision, bar)
    return bytes(told)


def hours(rings: Sequence[bytes | None], capacity: int = 4):
    rows = ring.unpack(rings, HOUR, capacity)
    return [sorted((row["opened_at_ms"][row["written"] > 0] // HOUR.ms).tolist()) for row in rows]


def test_a_row_is_56_bytes():
    assert ring.ROW.itemsize == 56
    assert ring.size_bytes(73) == 73 * 56
    assert len(a_row(0)) == 56


def test_a_row_comes_behind_the_place_of_its_slot():
    entries = [Entry("A", 10 * HOUR.ms, 3, BAR, b"said"), Entry("B", 11 * HOUR.ms, 0, BAR, None)]
    told = [
        (int.from_bytes(row[:4], "little"), np.frombuffer(row[4:], ring.ROW)[0]) for row in ring.pack(entries, HOUR, 4)
    ]
    assert [place for place, _ in told] == [10 % 4 * 56, 11 % 4 * 56]
    assert [tuple(row)[:3] for _, row in told] == [(10 * HOUR.ms, 4, 4), (11 * HOUR.ms, 1, 0)]


def test_a_row_is_read_as_it_was_written():
    [row] = ring.unpack([a_ring(10, revision=3)], HOUR, 4)
    at = row[10 % 4]
    assert (at["opened_at_ms"], at["written"], at["published"]) == (10 * HOUR.ms, 4, 0)
    assert tuple(at["bar"]) == BAR


def test_a_symbol_without_a_ring_has_no_bars():
    assert hours([None, a_ring(10), b""]) == [[], [10], []]


def test_zeros_are_empty_slots_also_for_the_bar_at_the_epoch():
    assert hours([bytes(ring.size_bytes(4)), a_ring(0)]) == [[], [0]]


def test_a_short_ring_counts_as_far_as_it_goes():
    assert hours([a_ring(8, 9, 10)[: 2 * 56 + 20], a_ring(8, 9)[:56]]) == [[8, 9], [8]]


def test_a_bar_older_than_the_capacity_is_left_out():
    assert hours([a_ring(5, 12, 15)]) == [[12, 15]]


def test_a_bar_in_another_slot_is_left_out():
    told = bytearray(a_ring(10))
    told[:56], told[2 * 56 : 3 * 56] = told[2 * 56 : 3 * 56], told[:56]
    assert hours([bytes(told)]) == [[]]


def test_a_bar_off_the_grid_is_left_out():
    told = bytearray(a_ring(8))
    told[:56] = a_row(8 * HOUR.ms + 1)
    assert hours([bytes(told)]) == [[]]


@pytest.mark.parametrize("number", [10**9, -4])
def test_a_bar_of_no_time_is_left_out_and_takes_none_with_it(number: int):
    told = bytearray(a_ring(9, 10))
    told[:56] = a_row(number * HOUR.ms)
    assert number % 4 == 0
    assert hours([bytes(told)]) == [[9, 10]]


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_bar_with_a_number_that_is_none_is_left_out(broken: float):
    assert hours([a_ring(8, bar=(1.0, 2.0, 0.5, broken, 10.0))]) == [[]]


def test_weeks_begin_on_mondays():
    week = Interval.parse("1w")
    opened = week.floor(1_700_000_000_000)
    told = bytearray(ring.size_bytes(4))
    begin = ring.offset_bytes(week.number(opened) % 4)
    told[begin : begin + 56] = a_row(opened)
    assert (ring.unpack([bytes(told)], week, 4)["written"] > 0).sum() == 1


def test_restoring_replaces_what_the_windows_had():
    windows = Windows(HOUR, ["A", "B", "C"], 4)
    for symbol in windows.symbols:
        windows.put(Bar(symbol, 7 * HOUR.ms, *BAR))
    assert ring.restore(windows, 1, [a_ring(9, 10, revision=2), None]) == 2
    assert windows.newest_ms_S.tolist() == [7 * HOUR.ms, 10 * HOUR.ms, EMPTY]
    assert windows.revision_SC[1].tolist() == [0, 2, 2, 0]
    assert windows.published_SC[1].tolist() == [NEVER] * 4
    assert np.isnan(windows.rows_SC5[2]).all()


def marked(told: bytes, slot: int, published: int):
    """A ring whose row at a slot says that this revision was published."""
    at = 56 * slot + 12
    return told[:at] + (published + 1).to_bytes(4, "little") + told[at + 4 :]


def test_a_ring_is_told_as_it_was_read():
    told = marked(a_ring(9, 10, revision=2), 1, 2)
    windows = Windows(HOUR, ["A", "B"], 4)
    ring.restore(windows, 0, [None, told])
    rows_NC = ring.rows(windows, slice(0, 2))
    assert rows_NC[1].tobytes() == told
    assert rows_NC[0].tobytes() == bytes(ring.size_bytes(4))


def test_a_ring_that_was_lost_becomes_what_the_windows_have():
    told = marked(a_ring(9, 10, revision=2), 1, 2)
    windows = Windows(HOUR, ["A", "B"], 4)
    ring.restore(windows, 1, [told])
    assert ring.merge(windows, 0, [None, None]) == [None, told]
    assert ring.merge(windows, 0, [None, told]) == [None, None]


def test_a_ring_that_lacks_its_last_bars_gets_those_and_keeps_the_others():
    windows = Windows(HOUR, ["A"], 4)
    ring.restore(windows, 0, [a_ring(9, 10, 11)])
    there = marked(a_ring(8, 9), 1, 0)
    merged = ring.unpack([ring.merge(windows, 0, [there])[0]], HOUR, 4)[0]
    assert sorted(merged["opened_at_ms"] // HOUR.ms) == [8, 9, 10, 11]
    assert merged["published"].tolist() == [0, 1, 0, 0]


def test_of_an_older_revision_only_what_was_published_stays():
    windows = Windows(HOUR, ["A"], 4)
    ring.restore(windows, 0, [marked(a_ring(9, revision=3), 1, 3)])
    merged = ring.unpack([ring.merge(windows, 0, [marked(a_ring(9, revision=1), 1, 0)])[0]], HOUR, 4)[0, 1]
    assert (merged["written"], merged["published"]) == (4, 1)


def test_a_newer_revision_in_the_ring_stays():
    windows = Windows(HOUR, ["A"], 4)
    ring.restore(windows, 0, [a_ring(9)])
    assert ring.merge(windows, 0, [a_ring(9, revision=1)]) == [None]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(told: bytes):
    windows = Windows(HOUR, ["A"], 4)
    assert 0 <= ring.restore(windows, 0, [told]) <= 4
