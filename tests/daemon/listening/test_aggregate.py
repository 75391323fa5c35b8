"""Longer bars from shorter ones, against those that the venue itself has of the same time."""

import math
from pathlib import Path

import pytest
from msgspec.structs import replace

from core import barfile
from core.bars import Bar, Interval, inconsistency
from daemon.listening.aggregate import Aggregator
from daemon.listening.closing import Closer

FIVE = Interval.parse("5m")
HOUR = Interval.parse("1h")


def a_bar(minute: int, close: float = 1.0, volume: float = 0.1) -> Bar:
    return Bar("BTC", minute * 60_000, 1.0, close + 1, 0.5, close, volume, closed=False)


@pytest.mark.parametrize("length", ["15m", "1h"])
def test_real_five_minutes_build_the_venues_own_longer_bars_to_the_last_bit(shared_data: Path, length: str):
    path = shared_data / "bars" / "binance_usdm_5m_15m_1h_2025_03.parquet"
    shorter, longer = barfile.read(path, "5m"), barfile.read(path, length)
    interval = longer.interval
    compared = 0
    for symbol, part in shorter.symbols.items():
        closer = Closer(interval, 5_000, carries=FIVE)
        told = closer.take(
            Bar(symbol, opened_at_ms, *row, closed=False)
            for opened_at_ms, row in zip(part.opened_at_ms.tolist(), part.rows.tolist(), strict=True)
        )
        built = {bar.opened_at_ms: bar.row for bar in told if bar.closed}
        own = longer.symbols[symbol]
        for opened_at_ms, row in zip(own.opened_at_ms.tolist(), own.rows.tolist(), strict=True):
            if opened_at_ms in built:
                assert built[opened_at_ms] == tuple(row)
                compared += 1
    assert compared > {"15m": 10_000, "1h": 3_000}[length]


def test_a_bar_whose_beginning_was_not_told_is_left_to_history():
    built = Aggregator(HOUR).take(a_bar(minute) for minute in (25, 30, 60, 65))
    assert [(bar.opened_at_ms // 60_000, bar.volume) for bar in built] == [(60, 0.1), (60, 0.2)]


def test_five_minutes_without_a_trade_are_no_hindrance_and_a_late_word_changes_the_bar_before():
    aggregator = Aggregator(HOUR)
    built = aggregator.take([a_bar(0), a_bar(55, close=3.0), a_bar(60), a_bar(55, close=5.0)])
    assert [(bar.opened_at_ms, bar.high, bar.close) for bar in built] == [
        (0, 2.0, 1.0), (0, 4.0, 3.0), (HOUR.ms, 2.0, 1.0), (0, 6.0, 5.0),
    ]  # fmt: skip


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    "wrong", [{"high": math.nan}, {"volume": math.inf}, {"volume": -math.inf}, {"low": 9.0}, {"close": -1.0}]
)
def test_an_hour_of_which_a_part_cannot_be_true_cannot_be_true_until_it_is_told_anew(
    wrong: dict[str, float], place: int
):
    told = [a_bar(minute) for minute in (0, 5, 10)]
    spoiled = [replace(bar, **wrong) if number == place else bar for number, bar in enumerate(told)]
    # Two infinities of either sign have no sum.
    spoiled = [replace(spoiled[0], volume=math.inf), *spoiled[1:]] if "volume" in wrong else spoiled
    aggregator = Aggregator(HOUR)
    assert inconsistency(aggregator.take(spoiled)[-1]) is not None
    assert inconsistency(aggregator.take(told)[-1]) is None
