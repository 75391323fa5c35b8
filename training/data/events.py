"""Bars at which something plainly happened: what attention can be asked to look at. T bars."""

from typing import Final

import numpy as np
import numpy.typing as npt

from core.bars import VOLUME, BarArray

BARS: Final = 24


def bursts(bars_T5: BarArray, times: float) -> npt.NDArray[np.bool_]:
    """(T, 5) -> (T,). Whether a bar's volume is at least so many times the mean of the BARS before it."""
    out_T = np.zeros(len(bars_T5), bool)
    if len(bars_T5) > BARS:
        before_T = np.lib.stride_tricks.sliding_window_view(bars_T5[:-1, VOLUME], BARS).mean(axis=1)
        out_T[BARS:] = (bars_T5[BARS:, VOLUME] >= times * before_T) & (before_T > 0)
    return out_T
