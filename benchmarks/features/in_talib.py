"""The 13 of stock_41 that TA-Lib has; its averages never end, ours end after K bars."""

from typing import Final

import numpy as np
import numpy.typing as npt

from core.bars import CLOSE, HIGH, LOW, VOLUME, BarArray
from core.features import FeatureSet

Floats = npt.NDArray[np.float64]
IN_TALIB: Final = (
    *("log_return_1", "log_return_5", "log_return_60", "atr_14", "bbw_20", "percent_b_20", "mfi_14"),
    *("price_volume_correlation_20", "rsi_14", "stochastic_14_3", "sma_gap_20", "trend_slope_20", "adx_14"),
)


def talib_history(bars_T5: BarArray) -> Floats:
    """(T, 5) -> (T, 13), those of IN_TALIB."""
    import talib  # noqa: PLC0415 - not everyone has it

    high, low, close, volume = (np.ascontiguousarray(bars_T5[:, place]) for place in (HIGH, LOW, CLOSE, VOLUME))
    upper, middle, lower = talib.BBANDS(close, 20)
    _, stochastic = talib.STOCHF(high, low, close, 14, 3)
    columns = (
        *(np.log(talib.ROCR(close, count)) for count in (1, 5, 60)),
        talib.ATR(high, low, close, 14) / close,
        (upper - lower) / middle,
        (close - lower) / (upper - lower),
        talib.MFI(high, low, close, volume, 14),
        talib.CORREL(close, volume, 20),
        talib.RSI(close, 14),
        stochastic,
        np.log(close / talib.SMA(close, 20)),
        talib.LINEARREG_SLOPE(close, 20) / close,
        talib.ADX(high, low, close, 14),
    )
    return np.column_stack(columns)


def ours_in_talib() -> FeatureSet:
    """The same 13."""
    return FeatureSet(IN_TALIB)
