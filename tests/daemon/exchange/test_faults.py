"""What goes wrong on purpose is what was asked for, and the same again for the same seed."""

import pytest

from core.bars import Bar
from core.errors import UsageError
from daemon.exchange.faults import Break, Disorder, Faults
from daemon.exchange.market import Update

HOUR_MS = 3_600_000


def a_close(hour: int, symbol: str = "BTCUSDT") -> Update:
    return Update(Bar(symbol, hour * HOUR_MS, 1, 1, 1, 1, 1), (hour + 1) * HOUR_MS + 300)


def hours(faults: Faults, count: int = 400) -> list[int]:
    disorder = Disorder(faults)
    periods = [[a_close(hour)] if hour < count else [] for hour in range(count + 1)]
    return [update.bar.opened_at_ms // HOUR_MS for period in periods for update in disorder(period)]


def test_without_faults_all_is_told_as_it_is():
    assert hours(Faults()) == list(range(400))


def test_a_repeated_bar_is_told_twice_in_a_row():
    told = hours(Faults(repeat=0.1))
    assert sorted(set(told)) == list(range(400))
    assert 20 < len(told) - 400 < 60
    assert told == sorted(told)


def test_a_silent_gap_leaves_bars_out():
    told = hours(Faults(silent_gap=0.1))
    assert told == sorted(set(told))
    assert 340 < len(told) < 380


def test_a_reordered_bar_is_told_after_the_next_and_none_is_lost():
    told = hours(Faults(reorder=0.1))
    assert sorted(told) == list(range(400))
    swapped = [place for place in range(399) if told[place] == told[place + 1] + 1]
    assert 20 < len(swapped) < 60


def test_a_reordered_last_bar_still_comes():
    assert hours(Faults(reorder=1.0), count=3) == [0, 1, 2]


def test_forming_bars_are_left_alone():
    forming = Update(Bar("BTCUSDT", 0, 1, 1, 1, 1, 1, closed=False), 1)
    assert Disorder(Faults(repeat=1, reorder=1, silent_gap=1))([forming]) == [forming]


def test_the_same_seed_brings_the_same_faults_and_another_seed_others():
    assert hours(Faults(1, repeat=0.2, reorder=0.2)) == hours(Faults(1, repeat=0.2, reorder=0.2))
    assert hours(Faults(1, repeat=0.2)) != hours(Faults(2, repeat=0.2))


def test_sockets_drop_within_the_period_about_as_often_as_asked():
    faults = Faults(drop=0.2)
    broken = [faults.breaks(client, hour, 30) for client in range(10) for hour in range(100)]
    dropped = [one for one in broken if one is not None]
    assert 150 < len(dropped) < 250
    assert {way for way, _ in dropped} == {Break.DROP}
    assert {place for _, place in dropped} <= set(range(30))


def test_faults_are_read_from_the_command_line():
    assert Faults.parse(["drop:0.5", "silent-gap:1"], seed=3) == Faults(3, drop=0.5, silent_gap=1.0)


@pytest.mark.parametrize("setting", ["drip:0.1", "drop", "drop:often", "drop:2", "drop:nan", "seed:1"])
def test_a_fault_that_makes_no_sense_is_refused_with_one_that_does(setting: str):
    with pytest.raises(UsageError, match=r"try: \S+:0\.01"):
        Faults.parse([setting])
