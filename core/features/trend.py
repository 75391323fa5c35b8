"""Features of direction: where the price stands beside its averages, and how straight it got there."""

import math
from typing import Final

import numpy as np

from core.bars import CLOSE, HIGH, LOW
from core.features.feature import Feature
from core.features.kernel import Floats, Together, value
from core.features.parts import decay_of_span, exponential, mean, ratio, slope, squares, weights


@value
def average_gap(series: Floats, end: int, parameters: Floats) -> float:
    """Log of the close over the mean of the last n closes."""
    close = series[CLOSE]
    return math.log(close[end] / mean(close, end, int(parameters[0])))


@value
def exponential_gap(series: Floats, end: int, parameters: Floats) -> float:
    """Log of the close over its exponential average of span n within K bars."""
    close = series[CLOSE]
    return math.log(close[end] / exponential(close, end, int(parameters[1]), decay_of_span(parameters[0])))


@value
def average_cross(series: Floats, end: int, parameters: Floats) -> float:
    """Log of the mean of the last n closes over that of the last m."""
    close = series[CLOSE]
    return math.log(mean(close, end, int(parameters[0])) / mean(close, end, int(parameters[1])))


@value
def trend_slope(series: Floats, end: int, parameters: Floats) -> float:
    """Slope per bar of the least-squares line through the last n closes, over the close."""
    close = series[CLOSE]
    return float(slope(close, end, int(parameters[0])) / close[end])


@value
def trend_fit(series: Floats, end: int, parameters: Floats) -> float:
    """Share of the variance of the last n closes that their least-squares line explains; 0 where prices are flat."""
    close, count = series[CLOSE], int(parameters[0])
    line = slope(close, end, count)
    explained = line * line * count * (count * count - 1.0) / 12.0
    return float(ratio(explained, squares(close, end, count, mean(close, end, count)), 0.0))


@value
def efficiency(series: Floats, end: int, parameters: Floats) -> float:
    """Net move of n bars over the path walked: 1 is straight, 0 is back where it began or flat."""
    close, count = series[CLOSE], int(parameters[0])
    path = 0.0
    for step in range(end - count + 1, end + 1):
        path += abs(close[step] - close[step - 1])
    return float(ratio(abs(close[end] - close[end - count]), path, 0.0))


@Together
def directional_strength(bars_5TL: Floats, parameters: Floats, out_L: Floats) -> None:
    """ADX: Wilder's average of |DI+ - DI-| / (DI+ + DI-), all begun K bars ago; 0 where prices are flat.

    The true range divides both DIs alike, so it is left out.
    """
    high_TL, low_TL = bars_5TL[HIGH], bars_5TL[LOW]
    decay, count = 1.0 - 1.0 / parameters[0], int(parameters[1]) - 1
    plus_L, minus_L, strength_L = np.zeros_like(out_L), np.zeros_like(out_L), np.zeros_like(out_L)
    for step in range(len(high_TL) - count, len(high_TL)):
        high_L, high_before_L, low_L, low_before_L = high_TL[step], high_TL[step - 1], low_TL[step], low_TL[step - 1]
        for lane in range(len(out_L)):
            up, down = high_L[lane] - high_before_L[lane], low_before_L[lane] - low_L[lane]
            plus = plus_L[lane] * decay + (max(up, 0.0) if up > down else 0.0)
            minus = minus_L[lane] * decay + (max(down, 0.0) if down > up else 0.0)
            both = plus + minus
            strength_L[lane] = strength_L[lane] * decay + abs(plus - minus) / (both if both != 0.0 else 1.0)
            plus_L[lane], minus_L[lane] = plus, minus
    for lane in range(len(out_L)):
        out_L[lane] = 100.0 * strength_L[lane] / weights(decay, count)


@value
def aroon(series: Floats, end: int, parameters: Floats) -> float:
    """Bars since the lowest low less bars since the highest high, of the last n + 1, over n; the newer of equals."""
    count = int(parameters[0])
    top, bottom = end, end
    for step in range(end - 1, end - count - 1, -1):
        if series[HIGH, step] > series[HIGH, top]:
            top = step
        if series[LOW, step] < series[LOW, bottom]:
            bottom = step
    return 100.0 * (top - bottom) / count


TREND: Final = (
    Feature("sma_gap_10", average_gap, (10,), 10, "log ratio", "log(close / SMA of 10)"),
    Feature("sma_gap_20", average_gap, (20,), 20, "log ratio", "log(close / SMA of 20)"),
    Feature("sma_gap_40", average_gap, (40,), 40, "log ratio", "log(close / SMA of 40)"),
    Feature("sma_gap_50", average_gap, (50,), 50, "log ratio", "log(close / SMA of 50)"),
    Feature("ema_gap_9_in_60", exponential_gap, (9, 60), 60, "log ratio", "log(close / EMA of span 9)"),
    Feature(
        "ema_gap_20", exponential_gap, (20, 256), 256, "log ratio", "log(close / EMA of span 20)", log_returns=False
    ),
    Feature("sma_cross_10_40", average_cross, (10, 40), 40, "log ratio", "log(SMA of 10 / SMA of 40)"),
    Feature("sma_cross_20_50", average_cross, (20, 50), 50, "log ratio", "log(SMA of 20 / SMA of 50)"),
    Feature("trend_slope_15", trend_slope, (15,), 15, "per bar", "least squares over 15 closes / close"),
    Feature("trend_slope_20", trend_slope, (20,), 20, "per bar", "least squares over 20 closes / close"),
    Feature("trend_slope_26", trend_slope, (26,), 26, "per bar", "least squares over 26 closes / close"),
    Feature("trend_fit_26", trend_fit, (26,), 26, "share", "R squared of the line through 26 closes"),
    Feature("efficiency_26", efficiency, (26,), 27, "share", "Kaufman 1995, efficiency ratio"),
    Feature("efficiency_30", efficiency, (30,), 31, "share", "Kaufman 1995, efficiency ratio"),
    Feature("adx_14", directional_strength, (14, 256), 256, "0..100", "Wilder 1978", log_returns=False),
    Feature("adx_14_in_52", directional_strength, (14, 52), 52, "0..100", "Wilder 1978"),
    Feature("aroon_25", aroon, (25,), 26, "-100..100", "Chande 1995, Aroon oscillator"),
)
