"""The market beside every symbol: one series of the file, aligned by the number of the bar.

At a bar the model knows the market up to `lag` bars before, one by default: the market's own bar may arrive later than
the symbol's, and must not change what is said of it. Where the market has no whole window, neither has the symbol: its
bars are never filled in.
"""

import msgspec
import numpy as np
import numpy.typing as npt

from core.barfile import SymbolBars
from core.bars import BarArray, TimeArray
from core.features import FeatureSet
from training.stretches import Grid, Rows


class Market(msgspec.Struct, frozen=True):
    """The second input. `row_R`: for each row of the panel the last of the market's window, -1 if that is not whole."""

    symbol: str
    features: FeatureSet
    features_MF: npt.NDArray[np.float32]
    row_R: Rows
    lag: int
    bars_M5: BarArray
    opened_at_ms_M: TimeArray

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
