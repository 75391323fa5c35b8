"""The bars behind predictions: which bars can be predicted now, and from what. Pure.

Shapes: N predictions, L bars needed.
"""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.bars import CLOSE, VOLUME, Arrival, BarArray, TimeArray
from core.breadth import Breadth
from core.bundle import Input
from core.inputs import Bools, Counts, Inputs, unbroken
from core.rows import RowMemory
from core.windows import Windows
from daemon.ports import Float32s

MOST_FILLED: Final = 8
"""A window that lacks more bars than this says too little of its symbol to be held flat."""


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A bar that has its place in the windows, not yet in the store. `filled`: bars of its window held flat."""

    arrival: Arrival
    revision: int
    filled: int = 0


class Cut(msgspec.Struct, frozen=True):
    """Bars to be predicted, their own rows (N, T, F) by input, and bars of each market, or rows of breadth, by name.

    `reach_N`: how many rows each window has, where windows expand; else (0,).
    """

    predicted: list[Stored]
    own: dict[str, Float32s]
    markets: dict[str, npt.NDArray[np.floating]]
    reach_N: Counts


class Behind:
    """Cuts windows. `fill`: windows that lack up to MOST_FILLED bars are held flat instead of left out.

    `gone`: members of a breadth that no longer trade, and are not waited for.
    """

    def __init__(self, inputs: Inputs, *, fill: bool, gone: Collection[str] = ()) -> None:
        self._inputs = inputs
        self._memory = RowMemory(inputs)
        self._gone = frozenset(gone)
        self._fill = fill

    def cut(self, windows: Windows, asked: Sequence[Stored]) -> Cut:
        """Those of these bars that can be predicted, in their order, and what is behind them."""
        positions_N = np.array([windows.index[one.arrival.bar.symbol] for one in asked], np.int64)
        opened_N = np.array([one.arrival.bar.opened_at_ms for one in asked], np.int64)
        follows_N = self._memory.follows(windows, positions_N, opened_N)
        others = np.flatnonzero(~follows_N)
        bars_ML5, unbroken_M = windows.gather(positions_N[others], opened_N[others], self._inputs.bars_needed)
        filled_M = np.zeros(len(others), np.int64)
        if self._fill:
            self._hold_flat(windows, positions_N[others], opened_N[others], bars_ML5, unbroken_M, filled_M)
        ready_N, filled_N, unbroken_N = follows_N.copy(), np.zeros_like(positions_N), np.zeros_like(positions_N)
        ready_N[others], filled_N[others], unbroken_N[others] = self._inputs.enough(unbroken_M), filled_M, unbroken_M
        markets: dict[str, npt.NDArray[np.floating]] = {}
        for one in self._inputs.markets:
            market_N = np.full(len(asked), windows.index[one.symbol], np.int64)
            before_N = windows.interval.afters(opened_N, -one.lag)
            markets[one.name], whole_N = windows.gather(market_N, before_N, one.bars_needed)
            ready_N &= whole_N >= one.bars_needed
        for one, known in self._inputs.breadths:
            before_N = windows.interval.afters(opened_N, -one.lag)
            markets[one.name], there_N = self._breadth(windows, one, known, before_N)
            ready_N &= there_N
        predicted = [
            msgspec.structs.replace(one, filled=filled) if filled else one
            for one, filled, ready in zip(asked, filled_N.tolist(), ready_N, strict=True)
            if ready
        ]
        ready_M = ready_N[others]
        if not ready_N.all():
            # As a burst has them: where all are ready, windows of a few kilobytes each are not copied once more.
            bars_ML5, markets = bars_ML5[ready_M], {name: bars[ready_N] for name, bars in markets.items()}
        own = self._memory.rows(
            positions_N[ready_N], opened_N[ready_N], follows_N[ready_N], bars_ML5, filled_M[ready_M] == 0
        )
        return Cut(predicted, own, markets, self._inputs.reach(unbroken_N[ready_N]))

    def complete_ms(self, windows: Windows) -> int:
        """The last bar that every member of every breadth has come to; the newest of all where none is read."""
        members = [name for one, _ in self._inputs.breadths for name in one.members if name not in self._gone]
        newest_M = windows.newest_ms_S[[windows.index[name] for name in members]] if members else windows.newest_ms_S
        return int(newest_M.min())

    def _breadth(
        self, windows: Windows, one: Input, known: Breadth, before_N: TimeArray
    ) -> tuple[npt.NDArray[np.floating], Bools]:
        """(N, T, F) up to these bars, and (N,): whether all members have come so far, and enough of them count."""
        length, steps = one.window.length + one.lookback - 1, one.window.length
        rows_NTF = np.zeros((len(before_N), steps, len(known.names)), np.float32)
        there_N = before_N <= self.complete_ms(windows)
        places_M = np.array([windows.index[name] if name not in self._gone else -1 for name in one.members], np.int64)
        bars_ML5 = np.full((len(places_M), length, 5), np.nan)
        for at_ms in np.unique(before_N[there_N]).tolist():
            some_M = places_M[places_M >= 0]
            bars_ML5[places_M >= 0], _ = windows.gather(some_M, np.full(len(some_M), at_ms), length)
            rows_TF, enough_T = known.rows(bars_ML5, steps)
            rows_NTF[before_N == at_ms] = rows_TF
            there_N[before_N == at_ms] = enough_T.all()
        return rows_NTF, there_N

    def reached(self, windows: Windows, symbol: str, opened_at_ms: TimeArray, filler_ms: int) -> npt.NDArray[np.bool_]:
        """(N,): which of these later bars have a window of unbroken bars that reaches back to `filler_ms`."""
        positions_N = np.full(len(opened_at_ms), windows.index[symbol], np.int64)
        _, unbroken_N = windows.gather(positions_N, opened_at_ms, self._inputs.bars_needed)
        back_N = windows.interval.places(opened_at_ms) - windows.interval.places(np.array(filler_ms))
        return self._inputs.enough(unbroken_N) & (back_N < unbroken_N)

    def _hold_flat(
        self,
        windows: Windows,
        positions_N: npt.NDArray[np.int64],
        opened_N: TimeArray,
        bars_NL5: BarArray,
        unbroken_N: Counts,
        filled_N: Counts,
    ) -> None:
        """Fill the holes of some windows in place: every price the last close before, volume 0."""
        holed = np.flatnonzero(unbroken_N < self._inputs.bars_needed)
        if not len(holed):
            return
        # The close to hold may be older than the window.
        longer_nM5, _ = windows.gather(positions_N[holed], opened_N[holed], self._inputs.bars_needed + MOST_FILLED)
        made_nM = _held_flat(longer_nM5)[:, MOST_FILLED:]
        few = made_nM.sum(axis=1) <= MOST_FILLED
        rows = holed[few]
        bars_NL5[rows] = longer_nM5[few, MOST_FILLED:]
        unbroken_N[rows] = unbroken(bars_NL5[rows])
        filled_N[rows] = made_nM[few].sum(axis=1)


def _held_flat(bars_NL5: BarArray) -> npt.NDArray[np.bool_]:
    """Fill every hole after a bar, in place; returns (N, L): where."""
    there_NL = ~np.isnan(bars_NL5[..., CLOSE])
    last_NL = np.maximum.accumulate(np.where(there_NL, np.arange(there_NL.shape[1]), -1), axis=1)
    made_NL = ~there_NL & (last_NL >= 0)
    close_NL = np.take_along_axis(bars_NL5[..., CLOSE], np.maximum(last_NL, 0), axis=1)
    bars_NL5[made_NL] = close_NL[made_NL][:, None]
    bars_NL5[made_NL, VOLUME] = 0.0
    return made_NL
