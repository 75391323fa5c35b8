"""What is told when, and what history says."""

from collections import Counter

import numpy as np
import pytest

from core.barfile import BarFile, SymbolBars
from core.bars import Bar, Interval, inconsistency
from core.errors import DataError, UsageError
from daemon.exchange.market import Digits, Market

HOUR = Interval.parse("1h")


def a_file(rows: list[list[float]], hours: list[int] | None = None) -> BarFile:
    times = np.array(hours or range(len(rows)), np.int64) * HOUR.ms
    return BarFile(HOUR, {"BTCUSDT": SymbolBars("BTCUSDT", times, np.array(rows))}, "made")


def told(market: Market) -> list[Bar]:
    periods = range(market.first_ms, market.last_ms + 2 * HOUR.ms, HOUR.ms)
    return [update.bar for period in periods for update in market.period(period)]


def test_every_bar_of_the_week_closes_once_and_equals_the_file(week: BarFile):
    closed = [bar for bar in told(Market(week)) if bar.closed]
    for symbol, part in week.symbols.items():
        mine = [bar for bar in closed if bar.symbol == symbol]
        assert [bar.opened_at_ms for bar in mine] == part.opened_at_ms.tolist()
        assert [list(bar.row) for bar in mine] == part.rows.tolist()


def test_an_hour_that_the_file_lacks_is_not_told(week: BarFile):
    outage_ms = 1_679_662_800_000
    symbols = {bar.symbol for bar in told(Market(week)) if bar.opened_at_ms == outage_ms}
    assert symbols == set(week.symbols) - {"SHIBUSDT"}


def test_updates_come_before_the_close_and_could_be_true(week: BarFile):
    market = Market(week, ["BTCUSDT", "SHIBUSDT"], updates=3)
    bars = told(market)
    counts = Counter((bar.symbol, bar.opened_at_ms, bar.closed) for bar in bars)
    assert {count for (*_, closed), count in counts.items() if not closed} == {3}
    assert [inconsistency(bar) for bar in bars if inconsistency(bar)] == []
    seen: set[tuple[str, int]] = set()
    for bar in bars:
        assert (bar.symbol, bar.opened_at_ms) not in seen
        if bar.closed:
            seen.add((bar.symbol, bar.opened_at_ms))


def test_the_word_that_a_bar_closed_comes_late_by_a_drawn_delay(week: BarFile):
    def delays(seed: int) -> list[int]:
        market = Market(week, close_delay_ms=(200, 2_000), seed=seed)
        periods = range(market.first_ms, market.last_ms + 2 * HOUR.ms, HOUR.ms)
        updates = [update for period in periods for update in market.period(period) if update.bar.closed]
        return [update.at_ms - update.bar.opened_at_ms - HOUR.ms for update in updates]

    assert min(delays(0)) < 250
    assert 1_950 < max(delays(0)) <= 2_000
    assert delays(0) == delays(0)
    assert delays(0) != delays(1)


def test_events_are_told_in_the_order_of_their_time(week: BarFile):
    market = Market(week)
    times = [update.at_ms for update in market.period(market.first_ms + HOUR.ms)]
    assert times == sorted(times)


def test_history_has_the_forming_bar_last():
    market = Market(a_file([[10, 14, 8, 12, 6]] * 3))
    bars = market.history("BTCUSDT", HOUR.ms * 3 // 2, 10, None, None)
    assert bars == [
        Bar("BTCUSDT", 0, 10, 14, 8, 12, 6),
        Bar("BTCUSDT", HOUR.ms, 10, 11, 10, 11, 3, closed=False),
    ]


@pytest.mark.parametrize(
    ("limit", "from_h", "to_h", "expected"),
    [
        (10, None, None, [0, 1, 2, 4, 5]),
        (2, None, None, [4, 5]),
        (2, 1, None, [1, 2]),
        (10, 2, 4, [2, 4]),
        (2, None, 2, [1, 2]),
        (10, 6, None, []),
        (10, 3, 3, []),
    ],
)
def test_history_is_cut_as_the_venue_cuts_it(limit: int, from_h: int | None, to_h: int | None, expected: list[int]):
    market = Market(a_file([[10, 14, 8, 12, 6]] * 7, [0, 1, 2, 4, 5, 6, 7]))
    edges = [None if edge is None else edge * HOUR.ms for edge in (from_h, to_h)]
    bars = market.history("BTCUSDT", 6 * HOUR.ms - 1, limit, *edges)
    assert [bar.opened_at_ms // HOUR.ms for bar in bars] == expected


def test_digits_are_as_few_as_tell_every_number_exactly(week: BarFile):
    assert Market(week).digits["BTCUSDT"] == Digits(1, 3)
    assert Market(a_file([[1 / 3, 1 / 3, 1 / 3, 1 / 3, 7.0]])).digits["BTCUSDT"] == Digits(None, 0)


def test_what_cannot_be_replayed_is_refused(week: BarFile):
    with pytest.raises(DataError, match="no bars of NOPE"):
        Market(week, ["BTCUSDT", "NOPE"])
    with pytest.raises(UsageError, match="no span within a bar"):
        Market(week, close_delay_ms=(0, HOUR.ms))
