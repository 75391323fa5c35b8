"""The feature rows of the windows made last: a bar that follows them costs one new row, not a window of rows.

Shapes: N windows, L bars, T rows, F features, S symbols. A feature is a pure function of the last bars, so a row that
was made of the same bars at the same times is the same row, bit for bit; both are compared before it is used again.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from core.bars import BarArray, Interval, TimeArray
from core.features import FeatureSet

Rows = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]

_SYMBOLS_AT_ONCE = 64
"""The bars of so many stay in the cache while they are compared, read and remembered."""
_NONE = -1
"""The opening time of a symbol without a window."""


@njit(cache=True, error_model="numpy", nogil=True)
def _follows(bars_NL5, before_SL5, symbols_N, out_N):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    length = bars_NL5.shape[1]
    for row in range(len(symbols_N)):
        before_L5 = before_SL5[symbols_N[row]]
        same = True
        for step in range(length - 1):
            for column in range(5):
                # A missing bar is no number, and so the same as none.
                same &= bars_NL5[row, step, column] == before_L5[step + 1, column]
            if not same:
                break
        out_N[row] = same


@njit(cache=True, error_model="numpy", nogil=True)
def _move_on(rows_STF, symbols_N, follows_N, out_NTF):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for row in range(len(symbols_N)):
        if follows_N[row]:
            out_NTF[row, :-1] = rows_STF[symbols_N[row], 1:]


class RowMemory:
    """Makes the last `count` rows of every window, of one set of features, and remembers them by symbol."""

    def __init__(self, features: FeatureSet, count: int, interval: Interval) -> None:
        self._features = features
        self._count = count
        self._interval = interval
        self._length = count + features.lookback - 1
        self._numbers: dict[str, int] = {}
        self._opened_at_ms_S = np.full(0, _NONE, np.int64)
        self._bars_SL5 = np.empty((0, self._length, 5))
        self._rows_STF = np.empty((0, count, len(features.names)), np.float32)

    def rows(self, bars_NL5: BarArray, opened_at_ms_NL: TimeArray, symbols: Sequence[str]) -> Rows:
        """(N, L, 5) bars, (N, L) opening times and whose they are -> (N, T, F)."""
        bars_NL5, opened_at_ms_NL = bars_NL5[:, -self._length :], opened_at_ms_NL[:, -self._length :]
        symbols_N = np.array([self._numbers.setdefault(symbol, len(self._numbers)) for symbol in symbols], np.int64)
        self._make_room(len(self._numbers))
        rows_NTF = np.empty((len(symbols_N), *self._rows_STF.shape[1:]), np.float32)
        for first in range(0, len(symbols_N), _SYMBOLS_AT_ONCE):
            some = slice(first, first + _SYMBOLS_AT_ONCE)
            self._put(bars_NL5[some], opened_at_ms_NL[some], symbols_N[some], rows_NTF[some])
        return rows_NTF

    def _put(self, bars_NL5: BarArray, opened_at_ms_NL: TimeArray, symbols_N: Positions, rows_NTF: Rows) -> None:
        """Into `rows_NTF` what rows() gives, and into the memory."""
        follows_N = self._following(bars_NL5, opened_at_ms_NL[:, -1], symbols_N)
        _move_on(self._rows_STF, symbols_N, follows_N, rows_NTF)
        for some_N, count in ((follows_N, 1), (~follows_N, self._count)):
            if some_N.all():
                rows_NTF[:, -count:] = self._features.rows(bars_NL5, count, opened_at_ms_NL)
            elif some_N.any():
                rows_NTF[some_N, -count:] = self._features.rows(bars_NL5[some_N], count, opened_at_ms_NL[some_N])
        self._opened_at_ms_S[symbols_N] = opened_at_ms_NL[:, -1]
        self._bars_SL5[symbols_N] = bars_NL5
        self._rows_STF[symbols_N] = rows_NTF

    def _following(self, bars_NL5: BarArray, opened_at_ms_N: TimeArray, symbols_N: Positions) -> npt.NDArray[np.bool_]:
        """(N,): whether this window is the remembered one of its symbol and one bar more."""
        same_N = np.empty(len(symbols_N), np.bool_)
        _follows(bars_NL5, self._bars_SL5, symbols_N, same_N)
        before_N = self._opened_at_ms_S[symbols_N]
        follows_N: npt.NDArray[np.bool_] = same_N & (opened_at_ms_N == self._interval.afters(before_N))
        return follows_N

    def _make_room(self, symbols: int) -> None:
        more = symbols - len(self._opened_at_ms_S)
        if more > 0:
            self._opened_at_ms_S = np.append(self._opened_at_ms_S, np.full(more, _NONE))
            for name in ("_bars_SL5", "_rows_STF"):
                kept = getattr(self, name)
                setattr(self, name, np.concatenate([kept, np.empty((more, *kept.shape[1:]), kept.dtype)]))
