"""What several sockets tell of the same bars: the first word counts, a socket's own second word revises it."""

from collections.abc import Collection
from typing import Final

from core.bars import Bar

_KEPT: Final = 4
"""So many bars of a symbol are remembered; of older ones every word is passed on, and the windows judge it."""


class Agreement:
    """Judges closed bars of sockets that carry the same symbols. `disagreements`: bars that two told differently."""

    def __init__(self) -> None:
        self.disagreements = 0
        self._words: dict[str, dict[int, dict[int, Bar]]] = {}
        """Symbol -> opening time -> socket -> its last word."""

    def takes(self, speaker: int, bar: Bar, alive: Collection[int]) -> bool:
        """Whether this closed bar is passed on: not where another socket that is still `alive` has told it."""
        bars = self._words.setdefault(bar.symbol, {})
        words = bars.get(bar.opened_at_ms)
        if words is None:
            bars[bar.opened_at_ms] = {speaker: bar}
            if len(bars) > _KEPT:
                del bars[min(bars)]
            return True
        before = words.get(speaker)
        others = [told.row for other, told in words.items() if other != speaker and other in alive]
        words[speaker] = bar
        if not others:
            return True
        if bar.row in (before and before.row, *others):
            return False
        if before is None:
            self.disagreements += 1
        return before is not None
