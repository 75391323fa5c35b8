"""What several sockets tell of the same bars: the first word counts, a socket's own second word revises it."""

from collections import deque
from collections.abc import Collection, Sequence
from typing import Final

from core.bars import Bar

_KEPT: Final = 4
"""So many bars of a symbol are remembered; of older ones every word is passed on, and the windows judge it."""


class Agreement:
    """Judges closed bars of sockets that carry the same symbols. `disagreements`: bars that two told differently.

    Nearly always one socket is alone, and all it tells is passed on: that is kept as it came, until another speaks.
    `symbols`: so many they carry.
    """

    def __init__(self, symbols: int) -> None:
        self.disagreements = 0
        self._alone: deque[tuple[int, Sequence[Bar]]] = deque()
        self._alone_bars = 0
        self._most_alone = symbols * _KEPT
        self._words: dict[str, dict[int, dict[int, Bar]]] = {}
        """Symbol -> opening time -> socket -> its last word."""

    def hear_alone(self, speaker: int, bars: Sequence[Bar]) -> None:
        """Remember what the only socket alive tells."""
        closed = [bar for bar in bars if bar.closed]
        if not closed:
            return
        self._alone.append((speaker, closed))
        self._alone_bars += len(closed)
        while self._alone_bars - len(self._alone[0][1]) >= self._most_alone:
            self._alone_bars -= len(self._alone.popleft()[1])

    def takes(self, speaker: int, bar: Bar, alive: Collection[int]) -> bool:
        """Whether this closed bar is passed on: not where another socket that is still `alive` has told it."""
        if self._alone:
            self._recall()
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

    def _recall(self) -> None:
        """Sort in what sockets told alone."""
        alone, self._alone, self._alone_bars = self._alone, deque(), 0
        for speaker, told in alone:
            for bar in told:
                self.takes(speaker, bar, ())
