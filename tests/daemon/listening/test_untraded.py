from core.bars import Bar, Interval
from daemon.listening.untraded import Untraded, with_untraded

HOUR = Interval.parse("1h")


def a_bar(hour: int) -> Bar:
    return Bar("BTC", hour * HOUR.ms, 1.0, 9.0, 0.5, 2.0 + hour, 5.0)


def test_bars_left_out_between_others_and_behind_the_last_are_flat_at_the_close_before():
    whole = with_untraded([a_bar(1), a_bar(3)], HOUR, 6 * HOUR.ms)
    assert [bar.opened_at_ms // HOUR.ms for bar in whole] == [1, 2, 3, 4, 5]
    assert [bar.opened_at_ms // HOUR.ms for bar in whole if isinstance(bar, Untraded)] == [2, 4, 5]
    assert whole[1].row == (3.0, 3.0, 3.0, 3.0, 0.0)
    assert whole[4].row == (5.0, 5.0, 5.0, 5.0, 0.0)


def test_nothing_is_built_before_the_first_bar_nor_after_the_time_that_is_certain():
    assert with_untraded([], HOUR, 6 * HOUR.ms) == []
    assert with_untraded([a_bar(3)], HOUR, 2 * HOUR.ms) == [a_bar(3)]
