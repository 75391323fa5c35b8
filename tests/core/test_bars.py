import math

import pytest
from builders import a_bar
from hypothesis import given
from hypothesis import strategies as st

from core.bars import Interval, inconsistency
from core.errors import ConfigError

DAY_MS = 86_400_000
MONDAY_MS = 4 * DAY_MS
names = st.sampled_from(["1s", "1m", "5m", "15m", "1h", "4h", "1d", "1w"])
instants = st.integers(-(10**12), 4 * 10**12)


@pytest.mark.parametrize(
    ("name", "ms"), [("1s", 1_000), ("15m", 900_000), ("1h", 3_600_000), ("4h", 14_400_000), ("1w", 7 * DAY_MS)]
)
def test_an_interval_is_read_from_the_name_that_venues_use(name: str, ms: int):
    assert Interval.parse(name) == Interval(name, ms)


@pytest.mark.parametrize("name", ["", "h", "0h", "-1h", "1.5h", "1M", "1y", "hour", "1 h", "\uff11h"])
def test_an_interval_that_is_not_known_says_which_are(name: str):
    with pytest.raises(ConfigError, match="try: 1m, 15m, 1h, 4h, 1d or 1w"):
        Interval.parse(name)


def test_weeks_open_on_mondays():
    week = Interval.parse("1w")
    assert week.floor(MONDAY_MS + 3 * DAY_MS) == MONDAY_MS
    assert week.floor(MONDAY_MS - 1) == MONDAY_MS - week.ms
    assert week.number(MONDAY_MS) == 0


@given(names, instants)
def test_the_bar_that_contains_an_instant_opens_at_or_before_it_and_ends_after_it(name: str, at_ms: int):
    interval = Interval.parse(name)
    opened = interval.floor(at_ms)
    assert opened <= at_ms < opened + interval.ms
    assert interval.floor(opened) == opened


@given(names, instants)
def test_consecutive_bars_have_consecutive_numbers(name: str, at_ms: int):
    interval = Interval.parse(name)
    opened = interval.floor(at_ms)
    assert interval.number(opened + interval.ms) == interval.number(opened) + 1
    assert interval.number(at_ms) == interval.number(opened)


def test_a_bar_whose_numbers_can_be_true_has_no_inconsistency():
    assert inconsistency(a_bar()) is None
    assert inconsistency(a_bar(open=5, high=5, low=5, close=5, volume=0)) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"open": math.nan}, "open is nan"),
        ({"volume": math.inf}, "volume is inf"),
        ({"low": 0.0}, "low 0.0 is not above zero"),
        ({"low": -1.0}, "low -1.0 is not above zero"),
        ({"volume": -1.0}, "volume -1.0 is negative"),
        ({"low": 101.0}, "low 101.0 is above open 100.0 or close 105.0"),
        ({"high": 104.0}, "high 104.0 is below open 100.0 or close 105.0"),
    ],
)
def test_a_bar_that_cannot_be_true_is_told_why(changes: dict[str, float], reason: str):
    assert inconsistency(a_bar(**changes)) == reason


def test_a_bars_row_has_the_order_of_the_columns():
    assert a_bar(open=2, high=4, low=1, close=3, volume=5).row == (2, 4, 1, 3, 5)
