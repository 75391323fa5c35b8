"""The feature rows of the windows made last: a bar that follows them costs one new row, not a window of rows.

Shapes: N windows, L bars, T rows, F features, S symbols. A feature is a pure function of the last bars, so rows of bars
that nothing has touched since are the same rows, bit for bit; `Windows.changes_S` counts whatever touches them.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from core.bars import BarArray, TimeArray
from core.inputs import Bools, Inputs
from core.windows import Windows

Rows = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]

_SYMBOLS_AT_ONCE: Final = 64
"""The bars of so many stay in the cache while every row is made of them."""
_NONE: Final = -1
"""The opening time of the next bar where no rows are remembered."""


@njit(cache=True, error_model="numpy", nogil=True)
def _go_on(rows_STF, positions_N, steps_N, newest_N1F, out_NTF):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Put the newest row over the oldest of each ring, and the ring into `out_NTF`, oldest first."""
    count = rows_STF.shape[1]
    for row in range(len(positions_N)):
        rows_TF, out_TF, oldest = rows_STF[positions_N[row]], out_NTF[row], steps_N[row] % count
        rows_TF[oldest] = newest_N1F[row, 0]
        out_TF[: count - 1 - oldest] = rows_TF[oldest + 1 :]
        out_TF[count - 1 - oldest :] = rows_TF[: oldest + 1]


class RowMemory:
    """Makes all rows of a symbol's own inputs, and remembers them, in rings; where not all of these roll, none."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs
        self._windows: Windows | None = None

    def follows(self, windows: Windows, positions_N: Positions, opened_at_ms_N: TimeArray) -> Bools:
        """(N,): whether this bar is the next after those remembered, and all that came to its symbol since."""
        if windows is not self._windows:
            self._forget(windows)
        came_N = windows.changes_S[positions_N] - self._looked_S[positions_N]
        follows_N: Bools = (self._next_ms_S[positions_N] == opened_at_ms_N) & (came_N == 1)
        return follows_N

    def rows(
        self, positions_N: Positions, opened_at_ms_N: TimeArray, follows_N: Bools, bars_ML5: BarArray, whole_M: Bools
    ) -> dict[str, Rows]:
        """By input, (N, T, F), after follows() told which of these bars follow.

        Of the M others, `bars_ML5` are those behind each, and `whole_M` says where the windows have them all.
        """
        others_N = ~follows_N
        if others_N.all():
            return self._make(bars_ML5, positions_N, opened_at_ms_N, whole_M)
        if follows_N.all():
            return self._follow(positions_N, opened_at_ms_N)
        made = self._make(bars_ML5, positions_N[others_N], opened_at_ms_N[others_N], whole_M)
        followed = self._follow(positions_N[follows_N], opened_at_ms_N[follows_N])
        both = {name: np.empty((len(positions_N), *row), np.float32) for name, row in self._inputs.own.items()}
        for name, rows_NTF in both.items():
            rows_NTF[follows_N], rows_NTF[others_N] = followed[name], made[name]
        return both

    def _follow(self, positions_N: Positions, opened_at_ms_N: TimeArray) -> dict[str, Rows]:
        assert self._windows is not None, "follows() was asked before"
        newest = self._inputs.newest(self._windows, positions_N, opened_at_ms_N)
        made = {name: np.empty((len(positions_N), *row), np.float32) for name, row in self._inputs.own.items()}
        for name, rows_NTF in made.items():
            _go_on(self._rows[name], positions_N, self._steps_S[positions_N], newest[name], rows_NTF)
        self._steps_S[positions_N] += 1
        self._mark(positions_N, opened_at_ms_N)
        return made

    def _make(
        self, bars_NL5: BarArray, positions_N: Positions, opened_at_ms_N: TimeArray, whole_N: Bools
    ) -> dict[str, Rows]:
        assert self._windows is not None, "follows() was asked before"
        made = {name: np.empty((len(bars_NL5), *row), np.float32) for name, row in self._inputs.own.items()}
        for first in range(0, len(bars_NL5), _SYMBOLS_AT_ONCE):
            some = slice(first, first + _SYMBOLS_AT_ONCE)
            for name, rows_NTF in self._inputs.own_rows(bars_NL5[some], opened_at_ms_N[some]).items():
                made[name][some] = rows_NTF
        # Of a bar that others came after, the next is there already: whatever changes then, it need not be that one.
        kept_N = whole_N & (opened_at_ms_N == self._windows.newest_ms_S[positions_N]) & self._inputs.rolls
        for name, rows_STF in self._rows.items():
            rows_STF[positions_N[kept_N]] = made[name][kept_N]
        self._steps_S[positions_N[kept_N]] = 0
        self._mark(positions_N[kept_N], opened_at_ms_N[kept_N])
        return made

    def _mark(self, positions_N: Positions, opened_at_ms_N: TimeArray) -> None:
        assert self._windows is not None
        self._next_ms_S[positions_N] = self._windows.interval.afters(opened_at_ms_N)
        self._looked_S[positions_N] = self._windows.changes_S[positions_N]

    def _forget(self, windows: Windows) -> None:
        symbols = len(windows.symbols)
        self._windows = windows
        self._next_ms_S: TimeArray = np.full(symbols, _NONE, np.int64)
        self._looked_S = np.zeros(symbols, np.int64)
        self._steps_S = np.zeros(symbols, np.int64)
        # Of memory that nothing was written to there is none.
        own = self._inputs.own.items() if self._inputs.rolls else ()
        self._rows = {name: np.empty((symbols, *row), np.float32) for name, row in own}
