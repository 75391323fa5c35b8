from datetime import UTC, datetime

import polars as pl
from builders import HOUR

from core.bars import Interval
from training.bars import gaps

DAY = Interval.parse("1d")


def a_calendar(every: str, days: int = 70) -> pl.DataFrame:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    times = pl.datetime_range(start, datetime(2024, 1 + days // 30, 1, tzinfo=UTC), every, time_unit="ms", eager=True)
    return pl.DataFrame({"symbol": "A", "ts": times})


def test_weekends_and_nights_are_no_gaps():
    weekdays = a_calendar("1d").filter(pl.col("ts").dt.weekday() <= 5)
    office = a_calendar("1h").filter((pl.col("ts").dt.weekday() <= 5) & pl.col("ts").dt.hour().is_between(9, 15))
    for table, interval in ((weekdays, DAY), (office, HOUR)):
        assert gaps.trading(table["ts"], interval) == gaps.SESSIONS
        assert gaps.missing(table, interval, gaps.SESSIONS).is_empty()


def test_a_thin_market_without_closing_hours_trades_around_the_clock():
    thin = a_calendar("1h").filter(pl.int_range(pl.len()) % 11 > 2)
    assert gaps.trading(thin["ts"], HOUR) == gaps.ROUND_THE_CLOCK


def test_an_outage_in_a_short_file_is_no_closing_time():
    week = a_calendar("1h", 30).head(200)
    out = week.filter(~pl.int_range(pl.len()).is_between(60, 70))
    assert gaps.trading(out["ts"], HOUR) == gaps.ROUND_THE_CLOCK
    assert gaps.missing(out, HOUR, gaps.ROUND_THE_CLOCK)["bars"].to_list() == [11]


def test_a_session_that_others_had_is_missing_from_the_one_that_lacks_it():
    weekdays = a_calendar("1d").filter(pl.col("ts").dt.weekday() <= 5)
    lacking = weekdays.filter(~pl.int_range(pl.len()).is_in([10, 11])).with_columns(pl.lit("B").alias("symbol"))
    missing = gaps.missing(pl.concat([weekdays, lacking]), DAY, gaps.SESSIONS)
    assert missing.select("symbol", "bars").rows() == [("B", 2)]
    assert missing["ts"].to_list() == [weekdays["ts"][10]]


def test_what_was_not_yet_listed_is_not_missing():
    weekdays = a_calendar("1d").filter(pl.col("ts").dt.weekday() <= 5)
    young = weekdays[20:].with_columns(pl.lit("B").alias("symbol"))
    assert gaps.missing(pl.concat([weekdays, young]), DAY, gaps.SESSIONS).is_empty()


def test_an_hour_that_is_nearly_always_traded_is_missing_where_it_is_not():
    office = a_calendar("1h", 330).filter((pl.col("ts").dt.weekday() <= 5) & pl.col("ts").dt.hour().is_between(9, 15))
    lacking = office.filter(~pl.int_range(pl.len()).is_in([100, 101]))
    missing = gaps.missing(lacking, HOUR, gaps.SESSIONS)
    assert missing["bars"].to_list() == [2]
