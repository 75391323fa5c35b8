"""Features of how strongly the price has been moving, and where it stands in its recent range."""

import math
from typing import Final

import numpy as np

from core.bars import CLOSE, HIGH, LOW
from core.features.feature import Feature
from core.features.kernel import Floats, Together, part, value
from core.features.parts import decay_of_span, exponential, highest, lowest, ratio, typical


@Together
def relative_strength(bars_5TL: Floats, parameters: Floats, out_L: Floats) -> None:
    """Wilder's averaged gains over gains and losses, n changes within K bars; 50 where prices are flat."""
    close_TL, decay = bars_5TL[CLOSE], 1.0 - 1.0 / parameters[0]
    gain_L, loss_L = np.zeros_like(out_L), np.zeros_like(out_L)
    for step in range(len(close_TL) - int(parameters[1]) + 1, len(close_TL)):
        now_L, before_L = close_TL[step], close_TL[step - 1]
        for lane in range(len(out_L)):
            change = now_L[lane] - before_L[lane]
            gain_L[lane] = gain_L[lane] * decay + max(change, 0.0)
            loss_L[lane] = loss_L[lane] * decay + max(-change, 0.0)
    for lane in range(len(out_L)):
        out_L[lane] = 100.0 * ratio(gain_L[lane], gain_L[lane] + loss_L[lane], 0.5)


@value
def macd_line(series: Floats, end: int, parameters: Floats) -> float:
    """Fast less slow exponential average of the close, both within K bars, over the close."""
    close, count = series[CLOSE], int(parameters[2])
    fast = exponential(close, end, count, decay_of_span(parameters[0]))
    slow = exponential(close, end, count, decay_of_span(parameters[1]))
    return float((fast - slow) / close[end])


@part
def _macd(bars_5TL: Floats, parameters: Floats, line_L: Floats, signal_L: Floats) -> None:
    """The newest MACD line and its signal over the close: each step's averages begin K bars before the newest."""
    close_TL, count = bars_5TL[CLOSE], int(parameters[3])
    fast_decay, slow_decay = decay_of_span(parameters[0]), decay_of_span(parameters[1])
    signal_decay = decay_of_span(parameters[2])
    fast_L, slow_L = np.zeros_like(line_L), np.zeros_like(line_L)
    signal_L[:] = 0.0
    fast_weight, slow_weight, signal_weight = 0.0, 0.0, 0.0
    newest_L = close_TL[-1]
    for step in range(len(close_TL) - count, len(close_TL)):
        close_L = close_TL[step]
        fast_weight, slow_weight = fast_weight * fast_decay + 1.0, slow_weight * slow_decay + 1.0
        signal_weight = signal_weight * signal_decay + 1.0
        for lane in range(len(line_L)):
            price = close_L[lane] - newest_L[lane]
            fast_L[lane] = fast_L[lane] * fast_decay + price
            slow_L[lane] = slow_L[lane] * slow_decay + price
            line_L[lane] = fast_L[lane] / fast_weight - slow_L[lane] / slow_weight
            signal_L[lane] = signal_L[lane] * signal_decay + line_L[lane]
    for lane in range(len(line_L)):
        line_L[lane] = line_L[lane] / newest_L[lane]
        signal_L[lane] = signal_L[lane] / signal_weight / newest_L[lane]


@Together
def macd_signal(bars_5TL: Floats, parameters: Floats, out_L: Floats) -> None:
    """Exponential average of the MACD line within K bars, over the close."""
    _macd(bars_5TL, parameters, np.empty_like(out_L), out_L)


@Together
def macd_histogram(bars_5TL: Floats, parameters: Floats, out_L: Floats) -> None:
    """MACD line less its signal, both within K bars, over the close."""
    signal_L = np.empty_like(out_L)
    _macd(bars_5TL, parameters, out_L, signal_L)
    for lane in range(len(out_L)):
        out_L[lane] -= signal_L[lane]


@value
def stochastic(series: Floats, end: int, parameters: Floats) -> float:
    """Where the close lies between the lowest low and the highest high of n bars; 50 where they are equal."""
    count = int(parameters[0])
    low = lowest(series[LOW], end, count)
    return 100.0 * ratio(series[CLOSE, end] - low, highest(series[HIGH], end, count) - low, 0.5)


@value
def commodity_channel(series: Floats, end: int, parameters: Floats) -> float:
    """Distance of the typical price from its mean of n bars, over 0.015 mean distances; 0 where prices are flat."""
    count = int(parameters[0])
    newest = typical(series, end)
    offset = 0.0
    for step in range(end - count + 1, end + 1):
        offset += typical(series, step) - newest
    middle = newest + offset / count
    distance = 0.0
    for step in range(end - count + 1, end + 1):
        distance += abs(typical(series, step) - middle)
    return float(ratio(newest - middle, 0.015 * distance / count, 0.0))


@value
def gap_to_high(series: Floats, end: int, parameters: Floats) -> float:
    """Log of the close over the highest high of n bars: 0 at the high, negative below."""
    return math.log(series[CLOSE, end] / highest(series[HIGH], end, int(parameters[0])))


@value
def gap_to_low(series: Floats, end: int, parameters: Floats) -> float:
    """Log of the close over the lowest low of n bars: 0 at the low, positive above."""
    return math.log(series[CLOSE, end] / lowest(series[LOW], end, int(parameters[0])))


@value
def acceleration(series: Floats, end: int, parameters: Floats) -> float:
    """Log return of the last n bars less that of the n before."""
    close, count = series[CLOSE], int(parameters[0])
    return math.log(close[end] / close[end - count]) - math.log(close[end - count] / close[end - 2 * count])


@value
def stochastic_average(series: Floats, end: int, parameters: Floats) -> float:
    """%D: mean of the last m stochastics of n bars."""
    count = int(parameters[1])
    average = 0.0
    for step in range(end - count + 1, end + 1):
        average += stochastic(series, step, parameters)
    return average / count


_PRICE = "share of the close"
_NEAR_HIGH = "George and Hwang 2004, the 52-week high"

MOMENTUM: Final = (
    Feature("rsi_14", relative_strength, (14, 256), 256, "0..100", "Wilder 1978", log_returns=False),
    Feature("rsi_14_in_60", relative_strength, (14, 60), 60, "0..100", "Wilder 1978"),
    Feature("rsi_14_in_52", relative_strength, (14, 52), 52, "0..100", "Wilder 1978"),
    Feature("macd", macd_line, (12, 26, 256), 256, _PRICE, "Appel 1979, 12/26", log_returns=False),
    Feature("macd_in_60", macd_line, (12, 26, 60), 60, _PRICE, "Appel 1979, 12/26"),
    Feature("macd_in_52", macd_line, (12, 26, 52), 52, _PRICE, "Appel 1979, 12/26"),
    Feature("macd_signal", macd_signal, (12, 26, 9, 256), 256, _PRICE, "Appel 1979, 12/26/9", log_returns=False),
    Feature("macd_histogram", macd_histogram, (12, 26, 9, 256), 256, _PRICE, "Aspray 1986, 12/26/9", log_returns=False),
    Feature("macd_histogram_in_60", macd_histogram, (12, 26, 9, 60), 60, _PRICE, "Aspray 1986, 12/26/9"),
    Feature("macd_histogram_in_52", macd_histogram, (12, 26, 9, 52), 52, _PRICE, "Aspray 1986, 12/26/9"),
    Feature("stochastic_14", stochastic, (14,), 14, "0..100", "Lane, %K"),
    Feature("stochastic_14_3", stochastic_average, (14, 3), 16, "0..100", "Lane, %D"),
    Feature("range_position_20", stochastic, (20,), 20, "0..100", "Lane, %K: the Donchian channel of 20 bars"),
    Feature("range_position_52", stochastic, (52,), 52, "0..100", "Lane, %K: the range of 52 weeks"),
    Feature("range_position_60", stochastic, (60,), 60, "0..100", "Lane, %K: the Donchian channel of 60 bars"),
    Feature("cci_20", commodity_channel, (20,), 20, "ratio", "Lambert 1980"),
    Feature("gap_to_high_52", gap_to_high, (52,), 52, "log ratio", _NEAR_HIGH),
    Feature("gap_to_high_252", gap_to_high, (252,), 252, "log ratio", _NEAR_HIGH, log_returns=False),
    Feature("gap_to_low_52", gap_to_low, (52,), 52, "log ratio", "log(close / lowest low of 52)"),
    Feature("acceleration_5", acceleration, (5,), 11, "log return", "log_return_5 less that of 5 bars ago"),
)
