"""The market beside every symbol: one series of the file, aligned by the number of the bar.

At a bar the model knows the market up to `lag` bars before, one by default: the market's own bar may arrive later than
the symbol's, and must not change what is said of it. Where the market has no whole window, neither has the symbol: its
bars are never filled in.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from core.barfile import SymbolBars
from core.bars import BarArray, TimeArray
from core.breadth import Breadth
from core.features import FeatureSet
from training.data.stretches import Grid, Rows


class Market(msgspec.Struct, frozen=True):
    """The second input: a series, or breadth over `members`, whose bars are then the mean of their closes' moves.

    `row_R`: for each row of the panel the last of the market's window, -1 if that is not whole.
    """

    symbol: str
    features: FeatureSet | Breadth
    features_MF: npt.NDArray[np.float32]
    row_R: Rows
    lag: int
    bars_M5: BarArray
    opened_at_ms_M: TimeArray
    members: tuple[str, ...] = ()

    @classmethod
    def beside(
        cls, series: SymbolBars, features: FeatureSet, grid: Grid, number_R: Rows, length: int, lag: int
    ) -> "Market":
        """Align a market with rows of these numbers."""
        numbers_M = grid.numbers(series.opened_at_ms)
        before_M, _ = grid.unbroken(series)
        place_R = np.searchsorted(numbers_M, number_R - lag)
        there_R = place_R < len(numbers_M)
        there_R[there_R] = numbers_M[place_R[there_R]] == number_R[there_R] - lag
        whole_R = there_R & (before_M[np.minimum(place_R, len(numbers_M) - 1)] >= length + features.lookback - 1)
        rows_MF = features.history(series.rows, series.opened_at_ms).astype(np.float32)
        last_R = np.where(whole_R, place_R, -1)
        return cls(series.symbol, features, rows_MF, last_R, lag, series.rows, series.opened_at_ms)

    @classmethod
    def breadth(
        cls, symbols: Sequence[SymbolBars], known: Breadth, grid: Grid, number_R: Rows, length: int, lag: int
    ) -> "Market":
        """Align the breadth of these symbols with rows of these numbers."""
        times_M = np.unique(np.concatenate([part.opened_at_ms for part in symbols]))
        numbers_M = grid.numbers(times_M)
        first, count = int(numbers_M[0]), int(numbers_M[-1] - numbers_M[0]) + 1
        bars_SM5 = np.full((len(symbols), count, 5), np.nan)
        for bars_M5, part in zip(bars_SM5, symbols, strict=True):
            bars_M5[grid.numbers(part.opened_at_ms) - first] = part.rows
        rows_MF, there_M = known.history(bars_SM5)
        whole_M = np.convolve(there_M, np.ones(length, np.int64))[:count] == length
        place_R = number_R - lag - first
        whole_R = (place_R >= 0) & (place_R < count) & whole_M[np.clip(place_R, 0, count - 1)]
        opened_M = np.full(count, times_M[0])
        opened_M[numbers_M - first] = times_M
        moved_MF, _ = Breadth(("mean_return_1",)).history(bars_SM5)
        level_M5 = np.repeat(np.exp(moved_MF.astype(np.float64).cumsum(axis=0)), 5, axis=1)
        names = tuple(part.symbol for part in symbols)
        return cls("", known, rows_MF, np.where(whole_R, place_R, -1), lag, level_M5, opened_M, names)
