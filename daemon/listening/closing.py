"""Closing bars at a venue that never says that one has closed."""

from collections.abc import Iterable

import msgspec

from core.bars import Bar, Interval
from daemon.listening.aggregate import Aggregator


class Closer:
    """Closes the bars of one socket: each when the next of its symbol opens, or `grace_ms` after its end.

    Whichever comes first counts; what a venue still tells of a closed bar is a revision of it. A socket that was lost
    may have missed the last of a bar, so that each socket has a closer of its own. `carries`: the interval of the bars
    it takes where that is a shorter one.
    """

    def __init__(self, interval: Interval, grace_ms: int, carries: Interval | None = None) -> None:
        self._interval = interval
        self._aggregator = None if carries is None or carries.name == interval.name else Aggregator(interval)
        self._grace_ms = grace_ms
        self._last: dict[str, Bar] = {}

    def take(self, bars: Iterable[Bar]) -> list[Bar]:
        """The same bars, or the longer ones that they are part of, with those closed by them in between."""
        told: list[Bar] = []
        for bar in self._aggregator.take(bars) if self._aggregator else bars:
            told += self._take(bar)
        return told

    def due(self, venue_now_ms: int) -> list[Bar]:
        """The bars whose end is past by the grace period, each once. `venue_now_ms`: by the venue's clock."""
        ended_ms = venue_now_ms - self._grace_ms - self._interval.ms
        due = [_closed(bar) for bar in self._last.values() if not bar.closed and bar.opened_at_ms <= ended_ms]
        self._last.update((bar.symbol, bar) for bar in due)
        return due

    def _take(self, bar: Bar) -> list[Bar]:
        last = self._last.get(bar.symbol)
        if last is None or bar.opened_at_ms > last.opened_at_ms:
            self._last[bar.symbol] = bar
            return [bar] if last is None or last.closed else [_closed(last), bar]
        if bar.opened_at_ms < last.opened_at_ms:
            return [_closed(bar)]
        if last.closed:
            if bar.row == last.row:
                return []
            bar = _closed(bar)
        self._last[bar.symbol] = bar
        return [bar]


def _closed(bar: Bar) -> Bar:
    return msgspec.structs.replace(bar, closed=True)
