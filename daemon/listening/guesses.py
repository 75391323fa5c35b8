"""Closed bars on nobody's word, until the venue's history confirms them."""

from collections.abc import Iterable

from core.bars import Bar


class Guesses:
    """The last bars of each symbol that the listener closed by itself. `most`: so many of a symbol are remembered."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bars: dict[str, dict[int, Bar]] = {}
        self._told_ms: dict[str, int] = {}

    def adds(self, bar: Bar) -> bool:
        """Whether a guess says something: where history has spoken it does not."""
        return bar.opened_at_ms > self._told_ms.get(bar.symbol, -1)

    def note(self, passed_on: Iterable[Bar]) -> None:
        """Remember bars that were passed on, unless history has spoken meanwhile."""
        for bar in filter(self.adds, passed_on):
            bars = self._bars.setdefault(bar.symbol, {})
            bars[bar.opened_at_ms] = bar
            if len(bars) > self._most:
                del bars[min(bars)]

    def knows(self, symbol: str, opened_at_ms: int) -> bool:
        """Whether this bar was passed on and awaits its confirmation."""
        return opened_at_ms in self._bars.get(symbol, ())

    def confirmed_by(self, bar: Bar) -> bool:
        """Whether history's bar is the one that was passed on; it is forgotten either way."""
        self._told_ms[bar.symbol] = max(bar.opened_at_ms, self._told_ms.get(bar.symbol, -1))
        known = self._bars.get(bar.symbol, {}).pop(bar.opened_at_ms, None)
        return known is not None and known.row == bar.row
