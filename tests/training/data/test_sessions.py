"""When a venue is open, learned from its bars and carried on."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from core import barfile
from core.barfile import SymbolBars
from core.bars import Interval
from core.errors import ConfigError
from core.sessions import Sessions
from training.data.sessions import sessions

DAY, HALF_HOUR = Interval.parse("1d"), Interval.parse("30m")


def ms(at: str) -> int:
    return int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() * 1_000)


def opening_at(*times: int) -> SymbolBars:
    return SymbolBars("S", np.array(times), np.ones((len(times), 5)))


def test_without_sessions_the_clock_counts():
    assert sessions(DAY, [opening_at(0)], told=False) is DAY


def test_real_stocks_are_closed_when_they_were_and_carry_their_week_on(shared_data: Path):
    file = barfile.read(shared_data / "bars" / "dow30_daily_2008_2019.parquet")
    made = sessions(DAY, list(file.symbols.values()), told=True)
    assert isinstance(made, Sessions)
    assert made.after(ms("2012-10-26")) == ms("2012-10-31")  # a hurricane closed the exchange for two days
    assert made.after(ms("2018-12-04")) == ms("2018-12-06")  # a day of mourning
    assert made.after(ms("2019-02-22")) == ms("2019-02-25")
    later = made.between(ms("2019-02-25"), ms("2019-03-11"))
    assert [datetime.fromtimestamp(at / 1_000, UTC).isoweekday() for at in later] == [1, 2, 3, 4, 5] * 2
    assert made.end_ms > ms("2028-01-01")
    assert made.without(["2019-04-19"]).after(ms("2019-04-18")) == ms("2019-04-22")


def test_a_zones_sessions_move_with_its_clocks():
    days = datetime(2024, 1, 1), datetime(2024, 12, 31)  # noqa: DTZ001 - of the zone below
    opens = pl.datetime_range(*days, "30m", time_zone="America/New_York", eager=True)
    minute = opens.dt.hour().cast(pl.Int32) * 60 + opens.dt.minute()
    there = opens.filter((minute >= 570) & (minute < 960) & (opens.dt.weekday() <= 5))
    times = there.dt.convert_time_zone("UTC").dt.epoch("ms").to_list()
    made = sessions(HALF_HOUR, [opening_at(*times)], told="America/New_York")
    # On 2025-03-09 New York's clocks went forward: it opens an hour earlier by UTC.
    assert made.after(ms("2025-03-07 20:30")) == ms("2025-03-10 13:30")
    assert made.after(ms("2025-03-06 20:30")) == ms("2025-03-07 14:30")


def test_a_zone_that_is_none_and_bars_off_the_grid_are_refused():
    with pytest.raises(ConfigError, match="no time zone is called 'New York'"):
        sessions(DAY, [opening_at(0)], told="New York")
    with pytest.raises(ConfigError, match="whole 1d"):
        sessions(DAY, [opening_at(0, DAY.ms + 1)], told=True)
