from core.bars import Bar, Interval
from daemon.listening.closing import Closer

HOUR = Interval.parse("1h")


def a_bar(hour: int, close: float = 1.0, *, closed: bool = False, symbol: str = "BTC") -> Bar:
    return Bar(symbol, hour * HOUR.ms, 1.0, 9.0, 0.5, close, 5.0, closed)


def test_a_bar_closes_when_the_next_one_opens():
    closer = Closer(HOUR, 5_000)
    assert closer.take([a_bar(0)]) == [a_bar(0)]
    assert closer.take([a_bar(0, 2.0)]) == [a_bar(0, 2.0)]
    assert closer.take([a_bar(1)]) == [a_bar(0, 2.0, closed=True), a_bar(1)]


def test_a_bar_closes_once_its_grace_is_over_and_only_once():
    closer = Closer(HOUR, 5_000)
    closer.take([a_bar(0), a_bar(0, symbol="ETH")])
    assert closer.due(HOUR.ms + 4_999) == []
    assert closer.due(HOUR.ms + 5_000) == [a_bar(0, closed=True), a_bar(0, closed=True, symbol="ETH")]
    assert closer.due(HOUR.ms + 9_000) == []
    assert closer.take([a_bar(1)]) == [a_bar(1)]


def test_what_comes_of_a_closed_bar_is_its_revision_and_a_repeat_is_nothing():
    closer = Closer(HOUR, 5_000)
    closer.take([a_bar(0)])
    closer.due(HOUR.ms + 5_000)
    assert closer.take([a_bar(0)]) == []
    assert closer.take([a_bar(0, 2.0)]) == [a_bar(0, 2.0, closed=True)]
    closer.take([a_bar(1)])
    assert closer.take([a_bar(0, 3.0)]) == [a_bar(0, 3.0, closed=True)]
    assert closer.due(2 * HOUR.ms + 5_000) == [a_bar(1, closed=True)]


def test_a_snapshot_of_several_bars_closes_all_but_the_last():
    closer = Closer(HOUR, 5_000)
    told = closer.take([a_bar(0), a_bar(1), a_bar(3)])
    assert [(bar.opened_at_ms // HOUR.ms, bar.closed) for bar in told] == [
        (0, False), (0, True), (1, False), (1, True), (3, False),
    ]  # fmt: skip
