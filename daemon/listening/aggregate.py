"""Longer bars from shorter ones, for venues that stream only those."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from core.bars import Bar, Interval, inconsistency


def whole(bars: Sequence[Bar], interval: Interval) -> Bar:
    """One bar of the longer interval from the shorter bars in it, oldest first; it is told as still forming.

    Volumes are added as the decimals they were told in: the sum is the venue's own to the last bit. What cannot be
    true of a part is told of the whole, which is then refused as that would be.
    """
    first = bars[0]
    for bar in bars:
        if inconsistency(bar) is not None:
            return Bar(first.symbol, interval.floor(first.opened_at_ms), *bar.row, closed=False)
    return Bar(
        first.symbol,
        interval.floor(first.opened_at_ms),
        first.open,
        max(bar.high for bar in bars),
        min(bar.low for bar in bars),
        bars[-1].close,
        float(sum(Decimal(repr(bar.volume)) for bar in bars)),
        closed=False,
    )


class Aggregator:
    """Builds longer bars from the shorter ones of one socket, anew with each that comes.

    A longer bar that had begun before the first shorter one was told is left to history: its beginning is not known.
    """

    def __init__(self, interval: Interval) -> None:
        self._interval = interval
        self._parts: dict[str, dict[int, Bar]] = {}
        self._since_ms: dict[str, int] = {}

    def take(self, bars: Iterable[Bar]) -> list[Bar]:
        """The longer bars as they stand after each of these shorter ones; late ones change the bar before, too."""
        built: list[Bar] = []
        for bar in bars:
            parts = self._parts.setdefault(bar.symbol, {})
            parts[bar.opened_at_ms] = bar
            opened_at_ms = self._interval.floor(bar.opened_at_ms)
            if opened_at_ms >= self._since(bar):
                inside = [at_ms for at_ms in sorted(parts) if self._interval.floor(at_ms) == opened_at_ms]
                built.append(whole([parts[at_ms] for at_ms in inside], self._interval))
            for at_ms in [at_ms for at_ms in parts if at_ms < opened_at_ms - self._interval.ms]:
                del parts[at_ms]
        return built

    def _since(self, bar: Bar) -> int:
        """The first longer bar of its symbol whose beginning is known."""
        begun_ms = self._interval.floor(bar.opened_at_ms)
        known_ms = begun_ms if begun_ms == bar.opened_at_ms else begun_ms + self._interval.ms
        return self._since_ms.setdefault(bar.symbol, known_ms)
