"""stock_41 as polars computes it."""

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.features.in_numpy import slope_weights
from core.bars import COLUMNS, BarArray
from core.features import FeatureSet

Floats = npt.NDArray[np.float64]


def polars_features() -> list[pl.Expr]:
    """stock_41 as polars expressions, in its order."""
    opened, high, low, close, volume = (pl.col(name) for name in COLUMNS)
    before = close.shift(1)
    change = close - before
    returns = (close / before).log()
    spread, typical = high - low, (high + low + close) / 3
    location = (2 * close - high - low) / spread
    moved = typical.diff()
    flow = typical * volume
    fast, slow = close.ewm_mean(span=12, adjust=False), close.ewm_mean(span=26, adjust=False)
    line = fast - slow
    ranges = pl.max_horizontal(high, before) - pl.min_horizontal(low, before)
    up, down = high.diff(), -low.diff()
    gain, loss = (
        change.clip(0).ewm_mean(alpha=1 / 14, adjust=False),
        (-change).clip(0).ewm_mean(alpha=1 / 14, adjust=False),
    )
    plus = pl.when((up > down) & (up > 0)).then(up).otherwise(0.0).ewm_mean(alpha=1 / 14, adjust=False)
    minus = pl.when((down > up) & (down > 0)).then(down).otherwise(0.0).ewm_mean(alpha=1 / 14, adjust=False)
    mean20, deviation20 = close.rolling_mean(20), close.rolling_std(20, ddof=0)
    balance = (change.sign().fill_null(0) * volume).cum_sum()
    stochastic = 100 * (close - low.rolling_min(14)) / (high.rolling_max(14) - low.rolling_min(14))
    weights = slope_weights(20)
    expressions = [(close / close.shift(count)).log() for count in (1, 2, 3, 5, 10, 20, 60)]
    expressions += [
        (close / close.shift(5)).log() - (close.shift(5) / close.shift(10)).log(),
        (opened / before).log(),
        (close / opened).log(),
        location,
        (change > 0).cast(pl.Float64).rolling_mean(10),
        returns.rolling_max(20),
        returns.rolling_skew(20),
        *(returns.rolling_std(count) for count in (5, 20, 60)),
        (returns.rolling_std(5) / returns.rolling_std(20)).log(),
        (returns.clip(upper_bound=0) ** 2).rolling_mean(20).sqrt(),
        (((high / low).log() ** 2).rolling_mean(20) / (4 * np.log(2))).sqrt(),
        ranges.ewm_mean(alpha=1 / 14, adjust=False) / close,
        4 * deviation20 / mean20,
        0.5 + (close - mean20) / (4 * deviation20),
        (volume / volume.rolling_mean(20)).log1p(),
        volume.rolling_mean(5) / volume.rolling_mean(60),
        (volume - volume.rolling_mean(20)) / volume.rolling_std(20),
        balance.rolling_sum(20, weights=weights) / volume.rolling_mean(20),
        (location * volume).rolling_sum(20) / volume.rolling_sum(20),
        100 * pl.when(moved > 0).then(flow).otherwise(0.0).rolling_sum(14) / flow.rolling_sum(14),
        (1e6 * returns.abs().rolling_mean(20) / (close * volume).rolling_mean(20)).log1p(),
        pl.rolling_corr(close, volume, window_size=20),
        100 * gain / (gain + loss),
        line / close,
        (line - line.ewm_mean(span=9, adjust=False)) / close,
        stochastic.rolling_mean(3),
        (close / mean20).log(),
        (close / close.rolling_mean(50)).log(),
        (mean20 / close.rolling_mean(50)).log(),
        close.rolling_sum(20, weights=weights) / close,
        100 * ((plus - minus).abs() / (plus + minus)).fill_nan(0.0).ewm_mean(alpha=1 / 14, adjust=False),
        (close / high.rolling_max(252)).log(),
    ]
    return expressions


def polars_history(bars_T5: BarArray) -> Floats:
    """(T, 5) -> (T, 41), all of polars' threads."""
    frame = pl.DataFrame(bars_T5, schema=list(COLUMNS)).lazy()
    names = FeatureSet.named("stock_41").names
    return frame.select(e.alias(name) for e, name in zip(polars_features(), names, strict=True)).collect().to_numpy()


def polars_newest(frame: pl.DataFrame) -> Floats:
    """A frame of all symbols' bars -> (N, 41)."""
    names = FeatureSet.named("stock_41").names
    features = [e.last().alias(name) for e, name in zip(polars_features(), names, strict=True)]
    return frame.lazy().group_by("symbol", maintain_order=True).agg(features).drop("symbol").collect().to_numpy()
