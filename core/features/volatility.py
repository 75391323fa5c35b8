"""Features of how much the price moves, each per square-root bar unless its unit says otherwise."""

import math
from typing import Final

from core.bars import CLOSE, HIGH, LOW, OPEN
from core.features.feature import Feature
from core.features.kernel import LOG_RETURN, Floats, Together, value
from core.features.parts import deviation, mean, ratio, squares, weights


@value
def realised_volatility(series: Floats, end: int, parameters: Floats) -> float:
    """Sample standard deviation of the last n one-bar log returns."""
    return float(deviation(series[LOG_RETURN], end, int(parameters[0])))


@value
def downside_volatility(series: Floats, end: int, parameters: Floats) -> float:
    """Root mean square of the last n one-bar log returns, gains counted as zero."""
    returns, count = series[LOG_RETURN], int(parameters[0])
    losses = 0.0
    for step in range(end - count + 1, end + 1):
        loss = min(returns[step], 0.0)
        losses += loss * loss
    return math.sqrt(losses / count)


@value
def volatility_ratio(series: Floats, end: int, parameters: Floats) -> float:
    """Log of the realised volatility of the last n bars over that of the last m, each at least a millionth."""
    returns = series[LOG_RETURN]
    short = deviation(returns, end, int(parameters[0]))
    long = deviation(returns, end, int(parameters[1]))
    return math.log(max(short, 1e-6) / max(long, 1e-6))


@value
def ewma_volatility(series: Floats, end: int, parameters: Floats) -> float:
    """Root of the exponential average of the squared one-bar log returns within K bars; parameters decay and K."""
    returns, decay, count = series[LOG_RETURN], parameters[0], int(parameters[1]) - 1
    variance = 0.0
    for step in range(end - count + 1, end + 1):
        variance = variance * decay + returns[step] * returns[step]
    return math.sqrt(variance / weights(decay, count))


@value
def bar_range(series: Floats, end: int, _parameters: Floats) -> float:
    """Log of the bar's high over its low."""
    return math.log(series[HIGH, end] / series[LOW, end])


@value
def parkinson(series: Floats, end: int, parameters: Floats) -> float:
    """Volatility of n bars from their ranges."""
    count = int(parameters[0])
    ranges = 0.0
    for step in range(end - count + 1, end + 1):
        log_range = math.log(series[HIGH, step] / series[LOW, step])
        ranges += log_range * log_range
    return math.sqrt(ranges / (4.0 * math.log(2.0) * count))


@value
def garman_klass(series: Floats, end: int, parameters: Floats) -> float:
    """Volatility of n bars from their ranges and bodies."""
    count = int(parameters[0])
    variance = 0.0
    for step in range(end - count + 1, end + 1):
        log_range = math.log(series[HIGH, step] / series[LOW, step])
        log_body = math.log(series[CLOSE, step] / series[OPEN, step])
        variance += 0.5 * log_range * log_range - (2.0 * math.log(2.0) - 1.0) * log_body * log_body
    return math.sqrt(max(variance, 0.0) / count)


@value
def yang_zhang(series: Floats, end: int, parameters: Floats) -> float:
    """Volatility of n bars from gaps, bodies and ranges, whatever the drift."""
    count = int(parameters[0])
    gap_sum, body_sum = 0.0, 0.0
    for step in range(end - count + 1, end + 1):
        gap_sum += math.log(series[OPEN, step] / series[CLOSE, step - 1])
        body_sum += math.log(series[CLOSE, step] / series[OPEN, step])
    gap_mean, body_mean = gap_sum / count, body_sum / count
    gaps, bodies, ranges = 0.0, 0.0, 0.0
    for step in range(end - count + 1, end + 1):
        opening, high, low, close = series[OPEN, step], series[HIGH, step], series[LOW, step], series[CLOSE, step]
        gap = math.log(opening / series[CLOSE, step - 1]) - gap_mean
        body = math.log(close / opening) - body_mean
        gaps += gap * gap
        bodies += body * body
        ranges += math.log(high / close) * math.log(high / opening) + math.log(low / close) * math.log(low / opening)
    share = 0.34 / (1.34 + (count + 1.0) / (count - 1.0))
    variance = gaps / (count - 1) + share * bodies / (count - 1) + (1.0 - share) * max(ranges, 0.0) / count
    return math.sqrt(variance)


@Together
def average_true_range(bars_5TL: Floats, parameters: Floats, out_L: Floats) -> None:
    """Wilder's average of n true ranges within K bars, over the close."""
    high_TL, low_TL, close_TL = bars_5TL[HIGH], bars_5TL[LOW], bars_5TL[CLOSE]
    decay, count = 1.0 - 1.0 / parameters[0], int(parameters[1]) - 1
    out_L[:] = 0.0
    for step in range(len(close_TL) - count, len(close_TL)):
        high_L, low_L, before_L = high_TL[step], low_TL[step], close_TL[step - 1]
        for lane in range(len(out_L)):
            reach = max(high_L[lane], before_L[lane]) - min(low_L[lane], before_L[lane])
            out_L[lane] = out_L[lane] * decay + reach
    for lane in range(len(out_L)):
        out_L[lane] = out_L[lane] / weights(decay, count) / close_TL[-1, lane]


@value
def bollinger_width(series: Floats, end: int, parameters: Floats) -> float:
    """Upper less lower Bollinger band over the middle one: four standard deviations of n closes over their mean."""
    close, count = series[CLOSE], int(parameters[0])
    middle = mean(close, end, count)
    return 4.0 * math.sqrt(squares(close, end, count, middle) / count) / middle


@value
def bollinger_position(series: Floats, end: int, parameters: Floats) -> float:
    """Where the close lies between the Bollinger bands of n bars: 0 lower, 1 upper; 0.5 where prices are flat."""
    close, count = series[CLOSE], int(parameters[0])
    middle = mean(close, end, count)
    return 0.5 + ratio(close[end] - middle, 4.0 * math.sqrt(squares(close, end, count, middle) / count), 0.0)


_RISK = "log return"
_REALISED = "standard deviation of log returns"

VOLATILITY: Final = (
    *(
        Feature(f"realised_volatility_{n}", realised_volatility, (n,), n + 1, _RISK, _REALISED)
        for n in (4, 5, 12, 15, 20, 24, 26, 30, 52, 60)
    ),
    Feature("downside_volatility_20", downside_volatility, (20,), 21, _RISK, "Sortino and Price 1994, target 0"),
    Feature("downside_volatility_26", downside_volatility, (26,), 27, _RISK, "Sortino and Price 1994, target 0"),
    Feature("volatility_ratio_4_26", volatility_ratio, (4, 26), 27, "log ratio", "realised volatilities"),
    Feature("volatility_ratio_5_20", volatility_ratio, (5, 20), 21, "log ratio", "realised volatilities"),
    Feature("ewma_volatility", ewma_volatility, (0.94, 256), 256, _RISK, "J.P. Morgan 1996, RiskMetrics, decay 0.94"),
    Feature("bar_range", bar_range, (), 1, _RISK, "log(high / low)"),
    Feature("parkinson_12", parkinson, (12,), 12, _RISK, "Parkinson 1980"),
    Feature("parkinson_15", parkinson, (15,), 15, _RISK, "Parkinson 1980"),
    Feature("parkinson_20", parkinson, (20,), 20, _RISK, "Parkinson 1980"),
    Feature("garman_klass_12", garman_klass, (12,), 12, _RISK, "Garman and Klass 1980"),
    Feature("yang_zhang_12", yang_zhang, (12,), 13, _RISK, "Yang and Zhang 2000"),
    Feature("atr_14", average_true_range, (14, 256), 256, "share of the close", "Wilder 1978", log_returns=False),
    Feature("atr_14_in_60", average_true_range, (14, 60), 60, "share of the close", "Wilder 1978"),
    Feature("atr_14_in_52", average_true_range, (14, 52), 52, "share of the close", "Wilder 1978"),
    Feature("bbw_20", bollinger_width, (20,), 20, "share of the mean", "Bollinger 2001, BandWidth, 2 deviations"),
    Feature("percent_b_20", bollinger_position, (20,), 20, "0..1 inside", "Bollinger 2001, %b, 2 deviations"),
)
