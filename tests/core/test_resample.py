"""Longer bars are those the venue publishes, made of whole parts alone, whatever history lies around them."""

from pathlib import Path

import numpy as np
import pytest
from builders import HOUR
from hypothesis import given
from hypothesis import strategies as st

from core import barfile
from core.barfile import BarFile
from core.bars import BarArray, Interval, TimeArray
from core.errors import ConfigError
from core.resample import parts_of, resample

FIVE, QUARTER, FOUR, WEEK, DAY = (Interval.parse(name) for name in ("5m", "15m", "4h", "1w", "1d"))


def compared(short: BarFile, long: BarFile) -> tuple[int, int]:
    """How many of the venue's longer bars were made, and how many of their numbers differ."""
    bars = differ = 0
    for symbol, parts in short.symbols.items():
        if symbol not in long.symbols:
            continue
        whole = long.symbols[symbol]
        opened, joined = resample(parts.opened_at_ms, parts.rows, short.interval, long.interval)
        _, here, there = np.intersect1d(opened, whole.opened_at_ms, return_indices=True)
        bars += len(here)
        differ += int((joined[here].view(np.uint64) != whole.rows[there].view(np.uint64)).sum())
    return bars, differ


@pytest.mark.parametrize(("short", "long", "bars"), [("5m", "15m", 16_663), ("15m", "1h", 3_595), ("5m", "1h", 3_595)])
def test_bars_made_of_real_ones_are_the_venues_own_to_the_bit(shared_data: Path, short: str, long: str, bars: int):
    path = shared_data / "bars" / "binance_usdm_5m_15m_1h_2025_03.parquet"
    assert compared(barfile.read(path, short), barfile.read(path, long)) == (bars, 0)


def test_four_hours_are_the_same_from_hours_as_from_quarters(shared_data: Path):
    path = shared_data / "bars" / "binance_usdm_5m_15m_1h_2025_03.parquet"
    hours, quarters = barfile.read(path, "1h"), barfile.read(path, "15m")
    count = 0
    for symbol, part in hours.symbols.items():
        of_hours = dict(zip(*made(part.opened_at_ms, part.rows, HOUR, FOUR), strict=True))
        fine = quarters.symbols[symbol]
        of_quarters = dict(zip(*made(fine.opened_at_ms, fine.rows, QUARTER, FOUR), strict=True))
        both = of_hours.keys() & of_quarters.keys()
        count += len(both)
        assert all(of_hours[at] == of_quarters[at] for at in both)
    assert count > 700


def made(
    opened: TimeArray, bars: BarArray, short: Interval = HOUR, long: Interval = FOUR
) -> tuple[list[int], list[bytes]]:
    times, joined = resample(opened, bars, short, long)
    return times.tolist(), [row.tobytes() for row in joined]


def hours(count: int, first: int = 0) -> tuple[TimeArray, BarArray]:
    bars = np.random.default_rng(3).uniform(90, 110, (1_000, 5))[first : first + count]
    return (400_000 + first + np.arange(count)) * HOUR.ms, bars


def test_a_longer_bar_opens_with_the_first_and_closes_with_the_last_of_its_parts():
    opened, bars = hours(8)
    times, joined = resample(opened, bars, HOUR, FOUR)
    assert times.tolist() == [opened[0], opened[4]]
    first = bars[:4]
    volume = ((first[0, 4] + first[1, 4]) + first[2, 4]) + first[3, 4]
    assert joined[0].tolist() == [first[0, 0], first[:, 1].max(), first[:, 2].min(), first[3, 3], volume]


@given(st.integers(0, 9), st.integers(0, 40), st.sets(st.integers(0, 39)))
def test_a_bar_is_made_of_whole_parts_only_and_hangs_on_no_other(first: int, count: int, missing: set[int]):
    opened, bars = hours(count, first)
    kept = np.array([at for at in range(count) if at + first not in missing], np.int64)
    times, rows = made(opened[kept], bars[kept])
    whole = dict(zip(*made(*hours(60)), strict=True))
    there = set(opened[kept].tolist())
    assert times == [at for at in whole if all(at + part * HOUR.ms in there for part in range(4))]
    assert rows == [whole[at] for at in times]


def test_decimals_are_added_as_decimals():
    opened, bars = hours(4)
    bars[:, 4] = [0.1, 0.2, 0.3, 0.4]
    assert resample(opened, bars, HOUR, FOUR)[1][0, 4] == 1.0
    bars[:, 4] = [0.1, 0.2, 0.0, 0.0]
    assert resample(opened, bars, HOUR, FOUR)[1][0, 4] == 0.3


def test_weeks_begin_on_a_monday():
    days = np.arange(19_000, 19_030) * DAY.ms
    times, _ = resample(days, np.ones((30, 5)), DAY, WEEK)
    assert ((times - 4 * DAY.ms) % WEEK.ms == 0).all()
    assert len(times) == 4


def test_intervals_that_do_not_fit_are_refused():
    assert parts_of(FIVE, HOUR) == 12
    with pytest.raises(ConfigError, match=r"1h bars are not made of whole 4h bars; try: 15m, 1h"):
        parts_of(FOUR, HOUR)
