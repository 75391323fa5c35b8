"""Features of when a bar opened. They read its opening time and nothing else.

Days and sessions are UTC, as venues that never close count them. The New York session is the exchange's own: 9:30 to
16:00 there, Monday to Friday, its summer time followed, its holidays not known.
"""

import math
from typing import Final

from core.features.feature import Feature
from core.features.kernel import OPENED_AT_MS, Floats, part, value

_DAY: Final = 24
_WEEK: Final = 168
# The Unix epoch was a Thursday; hours are counted from Monday 00:00.
_THURSDAY: Final = 72


@part
def _hour(series: Floats, end: int) -> float:
    """Hours since the epoch."""
    return float(series[OPENED_AT_MS, end] / 3_600_000.0)


@part
def _new_york_hour(hour: float) -> float:
    """Hours since the epoch on New York's wall clock. Summer: second Sunday of March to first Sunday of November, 2:00.

    Years begin on 1 March here (the day count of a proleptic calendar), so that a leap day is a year's last.
    """
    day = math.floor((hour - 7.0) / 24.0)
    since = day + 719_468
    century = since % 146_097
    year = (century - century // 1_460 + century // 36_524 - century // 146_096) // 365
    march_1 = day - (century - (365 * year + year // 4 - year // 100))
    # Weekday of a day: 0 is Monday. From it, days to the next Sunday, that day included.
    summer = march_1 + 7 + (6 - (march_1 + 7 + 3) % 7)
    november_1 = march_1 + 245
    winter = november_1 + (6 - (november_1 + 3) % 7)
    return hour - (4.0 if summer * 24.0 + 7.0 <= hour < winter * 24.0 + 6.0 else 5.0)


@part
def _hours_until(hour: float, at: float) -> float:
    """Hours on from this wall-clock hour to the next weekday's `at` o'clock; 0 at it."""
    since_monday = (hour + _THURSDAY) % _WEEK
    ahead = (at - since_monday) % _DAY
    return float(ahead if since_monday + ahead < 5 * _DAY else _WEEK + at - since_monday)


@value
def hour_sine(series: Floats, end: int, _parameters: Floats) -> float:
    """Sine of the time of day, once around in 24 hours."""
    return math.sin(2.0 * math.pi * ((_hour(series, end) % _DAY) / _DAY))


@value
def hour_cosine(series: Floats, end: int, _parameters: Floats) -> float:
    """Cosine of the time of day, once around in 24 hours."""
    return math.cos(2.0 * math.pi * ((_hour(series, end) % _DAY) / _DAY))


@value
def weekday_sine(series: Floats, end: int, _parameters: Floats) -> float:
    """Sine of the time of the week, once around from Monday to Monday."""
    return math.sin(2.0 * math.pi * (((_hour(series, end) + _THURSDAY) % _WEEK) / _WEEK))


@value
def weekday_cosine(series: Floats, end: int, _parameters: Floats) -> float:
    """Cosine of the time of the week, once around from Monday to Monday."""
    return math.cos(2.0 * math.pi * (((_hour(series, end) + _THURSDAY) % _WEEK) / _WEEK))


@value
def session(series: Floats, end: int, parameters: Floats) -> float:
    """1 where the bar opened from hour n to before hour m of the day, else 0."""
    hour = _hour(series, end) % _DAY
    return 1.0 if parameters[0] <= hour < parameters[1] else 0.0


@value
def new_york_open(series: Floats, end: int, _parameters: Floats) -> float:
    """1 where the bar opened while the New York exchanges trade, else 0."""
    hour = _new_york_hour(_hour(series, end))
    working = (hour + _THURSDAY) % _WEEK < 5 * _DAY
    return 1.0 if working and 9.5 <= hour % _DAY < 16.0 else 0.0  # noqa: PLR2004 - the exchange's hours


@value
def hours_to_new_york(series: Floats, end: int, parameters: Floats) -> float:
    """Hours to the next New York weekday's n o'clock, wall clock; 0 at it, at most 72."""
    return float(_hours_until(_new_york_hour(_hour(series, end)), parameters[0]))


_CIRCLE, _HOURS = "-1..1", "hours"

CALENDAR: Final = (
    Feature("hour_sine", hour_sine, (), 1, _CIRCLE, "sin(2 pi hour / 24), UTC"),
    Feature("hour_cosine", hour_cosine, (), 1, _CIRCLE, "cos(2 pi hour / 24), UTC"),
    Feature("weekday_sine", weekday_sine, (), 1, _CIRCLE, "sin(2 pi hour of the week / 168), UTC"),
    Feature("weekday_cosine", weekday_cosine, (), 1, _CIRCLE, "cos(2 pi hour of the week / 168), UTC"),
    Feature("session_asia", session, (0, 8), 1, "0 or 1", "00:00 to 08:00 UTC"),
    Feature("session_europe", session, (7, 16), 1, "0 or 1", "07:00 to 16:00 UTC"),
    Feature("session_us", session, (13, 22), 1, "0 or 1", "13:00 to 22:00 UTC"),
    Feature("new_york_open", new_york_open, (), 1, "0 or 1", "09:30 to 16:00 in New York, Monday to Friday"),
    Feature("hours_to_new_york_open", hours_to_new_york, (9.5,), 1, _HOURS, "to 09:30 in New York"),
    Feature("hours_to_new_york_close", hours_to_new_york, (16,), 1, _HOURS, "to 16:00 in New York"),
)
