"""Predictions gathered by the close of their bars, in the order of time, whatever order they were published in. Pure.

A close is settled once a later one has begun and as many symbols have spoken as did at the one before, or when it is
LAG closes old. A daemon that comes back publishes what it missed symbol by symbol, and what comes to a close after it
was settled is left out; but it is remembered how much of the stream held it, and who reads the stream again with that
knowledge waits for it. So what is settled in the end hangs on what is in the stream, and not on its order.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from core.prediction import Prediction

LAG: Final = 24


class Close(msgspec.Struct, frozen=True):
    """All that was said of the bars that opened together: one prediction of each symbol, its newest revision."""

    opened_at_ms: int
    predictions: tuple[Prediction, ...]


class Waiting(msgspec.Struct, frozen=True):
    """All that is remembered between two closes: what was said of those that are open, and what they wait for."""

    open: dict[int, dict[str, Prediction]]
    waits: dict[int, int]
    awaited: list[tuple[int, int]]
    late: int
    taken: int
    settled_ms: int
    newest_ms: int
    usual: int


class Closes:
    """Gathers the predictions of one bundle; `interval_ms`: the length of its bars.

    `waits`: of closes that once were settled too early, how many predictions of the stream hold all of each.
    """

    def __init__(self, interval_ms: int, waits: Mapping[int, int] | None = None) -> None:
        self.waits: dict[int, int] = dict(waits or {})
        """With those that were settled too early this time."""
        self._awaited = deque(sorted(self.waits.items()))
        self.late = 0
        """Predictions that came after their close was settled."""
        self._interval_ms = interval_ms
        self._open: dict[int, dict[str, Prediction]] = {}
        self._taken = 0
        self._settled_ms = -1
        self._newest_ms = -1
        self._usual = 0

    def take(self, predictions: Iterable[Prediction]) -> list[Close]:
        """Take in what was published, in that order; returns the closes that this settles, oldest first."""
        settled: list[Close] = []
        for prediction in predictions:
            self._taken += 1
            opened_at_ms = prediction.opened_at_ms
            if opened_at_ms <= self._settled_ms:
                self.late += 1
                self.waits[opened_at_ms] = self._taken
                continue
            self._newest_ms = max(self._newest_ms, opened_at_ms)
            said = self._open.setdefault(opened_at_ms, {})
            known = said.get(prediction.symbol)
            if known is None or known.revision <= prediction.revision:
                said[prediction.symbol] = prediction
            settled += self._settle()
        return settled

    def wait_no_more(self) -> None:
        """The stream is read to its end: what has not come to a close that once was late is gone."""
        self._awaited.clear()

    def state(self) -> Waiting:
        """All that it remembers."""
        return Waiting(
            self._open,
            self.waits,
            list(self._awaited),
            self.late,
            self._taken,
            self._settled_ms,
            self._newest_ms,
            self._usual,
        )

    def restore(self, state: Waiting) -> None:
        """Go on from there."""
        self._open, self.waits, self.late = dict(state.open), dict(state.waits), state.late
        self._awaited = deque(state.awaited)
        self._taken, self._usual = state.taken, state.usual
        self._settled_ms, self._newest_ms = state.settled_ms, state.newest_ms

    def _settle(self) -> list[Close]:
        settled: list[Close] = []
        while self._open:
            oldest_ms = min(self._open)
            behind = (self._newest_ms - oldest_ms) // self._interval_ms
            whole = behind >= 1 and len(self._open[oldest_ms]) >= self._usual
            if not (whole or behind >= LAG) or self._awaits(oldest_ms):
                break
            said = self._open.pop(oldest_ms)
            self._settled_ms, self._usual = oldest_ms, len(said)
            settled.append(Close(oldest_ms, tuple(said[symbol] for symbol in sorted(said))))
        return settled

    def _awaits(self, opened_at_ms: int) -> bool:
        """Whether more is to come to this close, or to one before it."""
        while self._awaited and self._awaited[0][1] <= self._taken:
            self._awaited.popleft()
        return bool(self._awaited) and self._awaited[0][0] <= opened_at_ms
