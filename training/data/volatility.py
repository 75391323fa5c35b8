"""How much a price moves: the measure that trend scores are told in and samples are weighed by. T bars."""

from typing import Final

import numpy as np
import numpy.typing as npt

from core.bars import CLOSE, BarArray

BARS: Final = 20


def volatility(bars_T5: BarArray) -> npt.NDArray[np.float64]:
    """(T, 5) -> (T,). Deviation of the last BARS log returns of one bar; NaN where there are fewer."""
    out_T = np.full(len(bars_T5), np.nan)
    if len(bars_T5) > BARS:
        returns_T = np.diff(np.log(bars_T5[:, CLOSE]))
        out_T[BARS:] = np.lib.stride_tricks.sliding_window_view(returns_T, BARS).std(axis=1)
    return out_T
