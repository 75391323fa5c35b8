"""Unbroken stretches of bars: what windows and labels may span, and what the number of a bar is. T bars, R rows."""

import msgspec
import numpy as np
import numpy.typing as npt

from core.barfile import SymbolBars
from core.bars import CLOSE, HIGH, LOW, OPEN, VOLUME, BarArray, Interval, TimeArray

Rows = npt.NDArray[np.int64]


class Grid(msgspec.Struct, frozen=True):
    """Gives consecutive bars consecutive numbers: those of the clock, or of a venue's sessions."""

    interval: Interval

    def numbers(self, opened_at_ms_T: TimeArray) -> Rows:
        """(T,) -> (T,)."""
        return self.interval.places(opened_at_ms_T)

    def unbroken(self, part: SymbolBars) -> tuple[Rows, Rows]:
        """(T,) and (T,): consecutive good bars that end at each bar, itself included, and those that follow it."""
        good_T = _consistent(part.rows)
        joined_T = np.zeros(len(good_T), bool)
        next_T = self.interval.afters(part.opened_at_ms[:-1]) == part.opened_at_ms[1:]
        joined_T[1:] = good_T[1:] & good_T[:-1] & next_T
        position_T = np.arange(len(good_T))
        start_T = np.maximum.accumulate(np.where(joined_T, 0, position_T))
        last_T = np.where(np.append(joined_T[1:], False), len(good_T), position_T)
        last_T = np.minimum.accumulate(last_T[::-1])[::-1]
        return np.where(good_T, position_T - start_T + 1, 0), last_T - position_T


def _consistent(bars_T5: BarArray) -> npt.NDArray[np.bool_]:
    """(T, 5) -> (T,). As core.bars.inconsistency: a bar the daemon would refuse breaks a window here too."""
    body_low = np.minimum(bars_T5[:, OPEN], bars_T5[:, CLOSE])
    body_high = np.maximum(bars_T5[:, OPEN], bars_T5[:, CLOSE])
    ordered = (bars_T5[:, LOW] <= body_low) & (bars_T5[:, HIGH] >= body_high)
    positive = (bars_T5[:, LOW] > 0) & (bars_T5[:, VOLUME] >= 0)
    return np.isfinite(bars_T5).all(axis=1) & ordered & positive
