"""What happens on the replayed market, purely: from a file of bars, what is told when, and what history says."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from core.barfile import BarFile, SymbolBars
from core.bars import VOLUME, Bar, BarArray
from core.errors import DataError, UsageError
from daemon.exchange.chance import chance

_MOST_DIGITS: Final = 10
_UNFINISHED_MS: Final = 4_000


class Update(msgspec.Struct, frozen=True, gc=False):
    """A bar as it stood at `at_ms`: still forming, or closed."""

    bar: Bar
    at_ms: int


class Digits(msgspec.Struct, frozen=True):
    """Decimals that tell every price and volume of a symbol exactly; None where only the shortest float does."""

    price: int | None
    volume: int | None


class Market:
    """The bars of a file as a venue lives through them. Missing bars are never told, as on the venue.

    `updates`: how often a bar is told before it closes. `close_delay_ms`: the least and the most time between a
    bar's end and the word that it closed, drawn for each bar by `seed`. `unclosed`: the share of bars that history
    shows unfinished for some seconds after their end.
    """

    def __init__(
        self,
        bars: BarFile,
        symbols: Sequence[str] = (),
        *,
        updates: int = 2,
        close_delay_ms: tuple[int, int] = (200, 2_000),
        seed: int = 0,
        unclosed: float = 0.0,
    ) -> None:
        unknown = sorted(set(symbols) - set(bars.symbols))
        if unknown:
            raise DataError(f"no bars of {', '.join(unknown)} in the file; try: {', '.join(sorted(bars.symbols)[:5])}")
        if not 0 <= close_delay_ms[0] <= close_delay_ms[1] < bars.interval.ms:
            raise UsageError(f"close delay {close_delay_ms} is no span within a bar of {bars.interval.name}")
        self.interval = bars.interval
        self.symbols: dict[str, SymbolBars] = {name: bars.symbols[name] for name in symbols or bars.symbols}
        self.digits = {name: _digits(part.rows) for name, part in self.symbols.items()}
        self.first_ms = min(int(part.opened_at_ms[0]) for part in self.symbols.values())
        self.last_ms = max(int(part.opened_at_ms[-1]) for part in self.symbols.values())
        self._updates = updates
        self._close_delay_ms = close_delay_ms
        self._seed = seed
        self._unclosed = unclosed
        self.skew_ms = 0
        """The clock by which history is asked is so far ahead of the bars."""

    def period(self, opened_at_ms: int) -> list[Update]:
        """All that is told from this opening time until the next: late closes of the bars before, then updates."""
        told: list[Update] = []
        length = self.interval.ms
        for symbol in self.symbols:
            before = self._place(symbol, opened_at_ms - length)
            if before is not None:
                told.append(Update(self._bar(symbol, before), opened_at_ms + self._delay_ms(symbol, opened_at_ms)))
            forming = self._place(symbol, opened_at_ms)
            if forming is not None:
                for number in range(1, self._updates + 1):
                    at_ms = opened_at_ms + number * length // (self._updates + 1)
                    told.append(Update(self._bar(symbol, forming, at_ms), at_ms))
        # Stable: a bar that closes as the next is told goes first.
        return sorted(told, key=lambda update: update.at_ms)

    def history(self, symbol: str, now_ms: int, limit: int, from_ms: int | None, to_ms: int | None) -> list[Bar]:
        """Bars that open within [from_ms, to_ms], oldest first, the forming one last; without `from_ms` the newest."""
        times = self.symbols[symbol].opened_at_ms
        now_ms -= self.skew_ms
        end = int(np.searchsorted(times, now_ms if to_ms is None else min(to_ms, now_ms), side="right"))
        if from_ms is None:
            start = max(0, end - limit)
        else:
            start = int(np.searchsorted(times, from_ms))
            end = min(end, start + limit)
        return [
            self._bar(symbol, place, self._shown_at_ms(symbol, int(times[place]), now_ms))
            for place in range(start, end)
        ]

    def _shown_at_ms(self, symbol: str, opened_at_ms: int, now_ms: int) -> int:
        """As of when history shows a bar: now, or the moment before its end."""
        end_ms = opened_at_ms + self.interval.ms
        late = end_ms <= now_ms < end_ms + _UNFINISHED_MS
        return end_ms - 1 if late and chance(self._seed, "unclosed", symbol, opened_at_ms) < self._unclosed else now_ms

    def _place(self, symbol: str, opened_at_ms: int) -> int | None:
        times = self.symbols[symbol].opened_at_ms
        place = int(np.searchsorted(times, opened_at_ms))
        return place if place < len(times) and times[place] == opened_at_ms else None

    def _delay_ms(self, symbol: str, at_ms: int) -> int:
        least, most = self._close_delay_ms
        return least + int(chance(self._seed, "close", symbol, at_ms) * (most - least + 1))

    def _bar(self, symbol: str, place: int, now_ms: int | None = None) -> Bar:
        """The bar as it stands at `now_ms`: whole, or on a straight way from its open to its close."""
        part = self.symbols[symbol]
        opened_at_ms = int(part.opened_at_ms[place])
        opened, high, low, close, volume = part.rows[place].tolist()
        if now_ms is None or now_ms >= opened_at_ms + self.interval.ms:
            return Bar(symbol, opened_at_ms, opened, high, low, close, volume)
        share = (now_ms - opened_at_ms) / self.interval.ms
        digits = self.digits[symbol]
        last = _rounded(opened + (close - opened) * share, digits.price)
        so_far = _rounded(volume * share, digits.volume)
        return Bar(symbol, opened_at_ms, opened, max(opened, last), min(opened, last), last, so_far, closed=False)


def _digits(rows: BarArray) -> Digits:
    return Digits(_decimals(rows[:, :VOLUME]), _decimals(rows[:, VOLUME]))


def _decimals(numbers: BarArray) -> int | None:
    for count in range(_MOST_DIGITS + 1):
        if np.array_equal(np.round(numbers, count), numbers):
            return count
    return None


def _rounded(value: float, digits: int | None) -> float:
    return value if digits is None else round(value, digits)
