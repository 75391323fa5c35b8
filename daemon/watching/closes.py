"""Predictions gathered by the close of their bars, in the order of time, whatever order they were published in. Pure.

A close is settled once a later one has begun and as many symbols have spoken as did at the one before, or when it is
LAG closes old: a daemon that comes back publishes what it missed symbol by symbol. What comes later still is left out.
It all hangs on the order of the stream alone, so that whoever reads it again finds the same.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from core.prediction import Prediction

LAG: Final = 24


class Close(msgspec.Struct, frozen=True):
    """All that was said of the bars that opened together: one prediction of each symbol, its newest revision."""

    opened_at_ms: int
    predictions: tuple[Prediction, ...]


class Closes:
    """Gathers the predictions of one bundle; `interval_ms`: the length of its bars."""

    def __init__(self, interval_ms: int) -> None:
        self.late = 0
        """Predictions that came after their close was settled."""
        self._interval_ms = interval_ms
        self._open: dict[int, dict[str, Prediction]] = {}
        self._settled_ms = -1
        self._newest_ms = -1
        self._usual = 0

    def take(self, predictions: Iterable[Prediction]) -> list[Close]:
        """Take in what was published, in that order; returns the closes that this settles, oldest first."""
        settled: list[Close] = []
        for prediction in predictions:
            opened_at_ms = prediction.opened_at_ms
            if opened_at_ms <= self._settled_ms:
                self.late += 1
                continue
            self._newest_ms = max(self._newest_ms, opened_at_ms)
            self._open.setdefault(opened_at_ms, {})[prediction.symbol] = prediction
            settled += self._settle()
        return settled

    def _settle(self) -> list[Close]:
        settled: list[Close] = []
        while self._open:
            oldest_ms = min(self._open)
            behind = (self._newest_ms - oldest_ms) // self._interval_ms
            whole = behind >= 1 and len(self._open[oldest_ms]) >= self._usual
            if not (whole or behind >= LAG):
                break
            said = self._open.pop(oldest_ms)
            self._settled_ms, self._usual = oldest_ms, len(said)
            settled.append(Close(oldest_ms, tuple(said[symbol] for symbol in sorted(said))))
        return settled
