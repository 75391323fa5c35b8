"""Sessions count bars where a venue closes, as the clock does where none does."""

from datetime import UTC, datetime

import numpy as np
import pytest
from builders import HOUR
from hypothesis import given
from hypothesis import strategies as st

from core.bars import Interval
from core.errors import ConfigError
from core.sessions import Sessions

DAY = Interval.parse("1d")
FIRST = datetime(2016, 12, 19, tzinfo=UTC)
"""A Monday; the Monday a week later is a holiday, and so is the next one."""


def ms(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1_000)


def weeks() -> Sessions:
    return Sessions.of(DAY, [(ms("2016-12-19"), 5), (ms("2016-12-27"), 4), (ms("2017-01-03"), 4)])


def test_the_bar_after_a_friday_is_mondays_or_tuesdays_after_a_holiday():
    assert weeks().after(ms("2016-12-22")) == ms("2016-12-23")
    assert weeks().after(ms("2016-12-23")) == ms("2016-12-27")
    assert weeks().after(ms("2016-12-27"), -1) == ms("2016-12-23")
    assert weeks().after(ms("2017-01-04"), -5) == ms("2016-12-27")


def test_from_a_day_that_is_closed_bars_are_counted_too():
    assert weeks().after(ms("2016-12-25")) == ms("2016-12-27")
    assert weeks().after(ms("2016-12-25"), -1) == ms("2016-12-23")
    assert not weeks().opens(ms("2016-12-25"))
    assert weeks().opens(ms("2016-12-23"))


def test_consecutive_bars_have_consecutive_places_and_are_those_behind_each():
    backs = weeks().backs(np.array([ms("2016-12-28"), ms("2017-01-03")]), 4)
    assert backs[0].tolist() == [ms(f"2016-12-{day}") for day in (22, 23, 27, 28)]
    assert (np.diff(weeks().places(backs)) == 1).all()
    assert list(weeks().between(ms("2016-12-22"), ms("2016-12-28"))) == backs[0][:3].tolist()


def test_bars_that_were_skipped_lead_from_each_bar_to_the_next():
    first_N, skipped_NL = weeks().skipped(np.array([ms("2016-12-28")]), 4)
    assert first_N.tolist() == [ms("2016-12-22")]
    assert skipped_NL.tolist() == [[0, 0, 3, 0]]


def test_so_many_bars_may_span_more_places_on_the_clock():
    assert weeks().slots(1) == 1
    assert weeks().slots(2) == 5  # Friday to the Tuesday after a holiday
    assert weeks().slots(100) == (ms("2017-01-06") - ms("2016-12-19")) // DAY.ms + 1


def test_days_that_are_named_are_left_out():
    less = weeks().without(["2016-12-28", "2017-01-01"])
    assert less.after(ms("2016-12-27")) == ms("2016-12-29")
    assert len(less.opened_at_ms_K) == len(weeks().opened_at_ms_K) - 1
    with pytest.raises(ConfigError, match="try: 2026-12-25"):
        weeks().without(["Christmas"])


def test_bars_off_the_intervals_grid_are_refused():
    with pytest.raises(ConfigError, match="found one at 1970-01-01 14:30"):
        Sessions.at(HOUR, np.array([14 * HOUR.ms + HOUR.ms // 2]))
    with pytest.raises(ConfigError, match="found none"):
        Sessions.of(DAY, [])


@given(st.sets(st.integers(1, 200), min_size=2), st.integers(1, 60))
def test_sessions_told_as_stretches_are_the_same_sessions(days: set[int], length: int):
    told = Sessions.at(DAY, np.array(sorted(days)) * DAY.ms)
    again = Sessions.of(DAY, told.stretches)
    np.testing.assert_array_equal(again.opened_at_ms_K, told.opened_at_ms_K)
    last_N = told.opened_at_ms_K[-1:]
    first_N, skipped_NL = told.skipped(last_N, length)
    stepped_N = first_N + np.cumsum(skipped_NL + 1, axis=1)[:, -1] * DAY.ms - DAY.ms
    np.testing.assert_array_equal(stepped_N, last_N)


@given(st.integers(0, 500), st.integers(-50, 50), st.integers(1, 40))
def test_sessions_without_a_pause_are_the_clock(at: int, bars: int, length: int):
    always = Sessions.of(DAY, [(0, 1_000)])
    assert always.after(at * DAY.ms, bars) == DAY.after(at * DAY.ms, bars)
    at_N = np.array([at * DAY.ms])
    np.testing.assert_array_equal(always.backs(at_N, length), DAY.backs(at_N, length))
    assert always.slots(length) == DAY.slots(length)
