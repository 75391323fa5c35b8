"""The calendar features against the time zone database."""

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from core.features import FeatureSet


def new_york(at: datetime) -> datetime:
    return at.astimezone(ZoneInfo("America/New_York"))


def hours_until(at: datetime, hour: float) -> float:
    """To the next weekday's hour in New York, on its wall clock."""
    here = new_york(at).replace(tzinfo=None)
    for days in range(4):
        target = datetime(here.year, here.month, here.day) + timedelta(days=days, hours=hour)  # noqa: DTZ001 - wall clock
        if target.weekday() < 5 and target >= here:
            return (target - here) / timedelta(hours=1)
    raise AssertionError(at)


def test_the_calendar_agrees_with_the_time_zone_database():
    """Every 97 minutes through five years, leap day and both changes of the clock included."""
    names = ("hour_sine", "weekday_cosine", "session_asia", "session_us", "new_york_open", "hours_to_new_york_open")
    first = datetime(2023, 1, 1, tzinfo=UTC)
    moments = [first + timedelta(minutes=97 * count) for count in range(5 * 365 * 24 * 60 // 97)]
    times_T = np.array([int(at.timestamp() * 1_000) for at in moments])
    found = FeatureSet([*names, "hours_to_new_york_close"]).history(np.ones((len(times_T), 5)), times_T)
    for at, row in zip(moments, found, strict=True):
        hour = at.hour + at.minute / 60
        here = new_york(at)
        trading = here.weekday() < 5 and 9.5 <= here.hour + here.minute / 60 < 16
        expected = [
            math.sin(2 * math.pi * hour / 24),
            math.cos(2 * math.pi * (at.weekday() * 24 + hour) / 168),
            float(hour < 8),
            float(13 <= hour < 22),
            float(trading),
            hours_until(at, 9.5),
            hours_until(at, 16),
        ]
        assert row == pytest.approx(expected, abs=1e-8), at
