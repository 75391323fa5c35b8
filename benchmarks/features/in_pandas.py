"""stock_41 as pandas computes it, where it is installed."""

from typing import Any

import numpy as np
import numpy.typing as npt

from core.bars import COLUMNS, BarArray

Floats = npt.NDArray[np.float64]


def pandas_history(bars_T5: BarArray) -> Floats:
    """(T, 5) -> (T, 41)."""
    import pandas as pd  # noqa: PLC0415 - not everyone has it

    frame = pd.DataFrame(bars_T5, columns=list(COLUMNS))
    opened, high, low, close, volume = (frame[name] for name in COLUMNS)
    before, logs = close.shift(1), np.log(close)
    change, returns = close - before, logs.diff()
    spread, typical = high - low, (high + low + close) / 3
    location = (2 * close - high - low) / spread
    moved, flow = typical.diff(), typical * volume

    def wilder(column: Any) -> Any:
        return column.ewm(alpha=1 / 14, adjust=False).mean()

    fast, slow = close.ewm(span=12, adjust=False).mean(), close.ewm(span=26, adjust=False).mean()
    line = fast - slow
    ranges = np.maximum(high, before) - np.minimum(low, before)
    up, down = high.diff(), -low.diff()
    gain, loss = wilder(change.clip(lower=0)), wilder((-change).clip(lower=0))
    plus, minus = wilder(up.where((up > down) & (up > 0), 0.0)), wilder(down.where((down > up) & (down > 0), 0.0))
    mean20, deviation20 = close.rolling(20).mean(), close.rolling(20).std(ddof=0)
    balance = (np.sign(change).fillna(0) * volume).cumsum()
    stochastic = 100 * (close - low.rolling(14).min()) / (high.rolling(14).max() - low.rolling(14).min())
    columns = [logs - logs.shift(count) for count in (1, 2, 3, 5, 10, 20, 60)]
    columns += [
        logs - 2 * logs.shift(5) + logs.shift(10),
        np.log(opened / before),
        np.log(close / opened),
        location,
        (change > 0).astype(float).rolling(10).mean(),
        returns.rolling(20).max(),
        returns.rolling(20).skew() * 18 / np.sqrt(20 * 19),
        *(returns.rolling(count).std() for count in (5, 20, 60)),
        np.log(returns.rolling(5).std() / returns.rolling(20).std()),
        np.sqrt((returns.clip(upper=0) ** 2).rolling(20).mean()),
        np.sqrt((np.log(high / low) ** 2).rolling(20).mean() / (4 * np.log(2))),
        wilder(ranges) / close,
        4 * deviation20 / mean20,
        0.5 + (close - mean20) / (4 * deviation20),
        np.log1p(volume / volume.rolling(20).mean()),
        volume.rolling(5).mean() / volume.rolling(60).mean(),
        (volume - volume.rolling(20).mean()) / volume.rolling(20).std(),
        _slope(balance) / volume.rolling(20).mean(),
        (location * volume).rolling(20).sum() / volume.rolling(20).sum(),
        100 * flow.where(moved > 0, 0.0).rolling(14).sum() / flow.rolling(14).sum(),
        np.log1p(1e6 * returns.abs().rolling(20).mean() / (close * volume).rolling(20).mean()),
        close.rolling(20).corr(volume),
        100 * gain / (gain + loss),
        line / close,
        (line - line.ewm(span=9, adjust=False).mean()) / close,
        stochastic.rolling(3).mean(),
        np.log(close / mean20),
        np.log(close / close.rolling(50).mean()),
        np.log(mean20 / close.rolling(50).mean()),
        _slope(close) / close,
        wilder(100 * ((plus - minus).abs() / (plus + minus)).fillna(0.0)),
        np.log(close / high.rolling(252).max()),
    ]
    return np.column_stack(columns)


def _slope(column: Any) -> Any:
    """The slope of the line through the last 20 values, as a difference of weighted rolling sums."""
    place = np.arange(len(column))
    away = (column * place).rolling(20).sum() - column.rolling(20).sum() * (place - 9.5)
    return away / 665.0
