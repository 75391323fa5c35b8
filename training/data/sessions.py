"""When a venue that closes is open: learned from bars, and carried on for years by the week as it was lately.

Which day is a holiday next year no bar tells: those of a named calendar are known, others are named to the daemon.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from zoneinfo import available_timezones

import numpy as np

from core.barfile import SymbolBars
from core.bars import Interval, TimeArray
from core.errors import ConfigError
from core.sessions import Sessions

if TYPE_CHECKING:
    import polars as pl

_DAY_MS: Final = 86_400_000
_WEEK: Final = Interval.parse("1w")
_WEEKS: Final = 52
"""So many of the last weeks tell what a week is like."""
_YEARS_ON: Final = 10


def sessions(interval: Interval, parts: Sequence[SymbolBars], *, told: bool | str) -> Interval:
    """The interval as the clock counts it, or as these symbols' bars do, or a calendar.

    `told`: False, True for weeks in UTC, or the time zone that opening times follow: "America/New_York".
    Raises: ConfigError: no such zone, or bars that do not open on the interval's grid.
    """
    if not told:
        return interval
    zone = "UTC" if told is True else told
    if zone not in available_timezones():
        raise ConfigError(f'no time zone is called {zone!r}; try: data.sessions=true, or "America/New_York"')
    there_K = np.unique(np.concatenate([part.opened_at_ms for part in parts]))
    # A day is one of UTC wherever the venue stands.
    later_K = _carried_on(there_K, interval, "UTC" if interval.ms >= _DAY_MS else zone)
    return Sessions.at(interval, np.concatenate([there_K, later_K]))


def _carried_on(there_K: TimeArray, interval: Interval, zone: str) -> TimeArray:
    """The times of the week at which bars opened in most of the last weeks, in all weeks that follow."""
    local_K = _epoch(_series(there_K).dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None))
    weeks_K = _WEEK.numbers(local_K)
    lately_K = weeks_K > weeks_K[-1] - _WEEKS
    within, counts = np.unique((local_K - _WEEK.anchor_ms)[lately_K] % _WEEK.ms, return_counts=True)
    usual_U = within[2 * counts >= len(np.unique(weeks_K[lately_K]))]
    later_W = weeks_K[-1] + np.arange(_YEARS_ON * _WEEKS)
    local_J = (_WEEK.anchor_ms + later_W[:, None] * _WEEK.ms + usual_U).ravel()
    at_J = _series(local_J).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    later_J = _epoch(at_J.dt.convert_time_zone("UTC").drop_nulls())
    on_grid_J = (later_J - interval.anchor_ms) % interval.ms == 0
    carried_J: TimeArray = later_J[on_grid_J & (later_J > there_K[-1])]
    return carried_J


def _series(at_ms_K: TimeArray) -> "pl.Series":
    import polars as pl  # noqa: PLC0415 - as core.barfile

    return pl.Series(at_ms_K).cast(pl.Datetime("ms"))


def _epoch(series: "pl.Series") -> TimeArray:
    return series.dt.epoch("ms").to_numpy().astype(np.int64)
