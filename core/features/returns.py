"""Features of price change and of the shape of a bar."""

import math
from typing import Final

from core.bars import CLOSE, HIGH, LOW, OPEN
from core.features.feature import Feature
from core.features.kernel import LOG_RETURN, Floats, value
from core.features.parts import highest, mean, ratio, squares


@value
def log_return(series: Floats, end: int, parameters: Floats) -> float:
    """Log return of the close over the last n bars."""
    close = series[CLOSE]
    return math.log(close[end] / close[end - int(parameters[0])])


@value
def skipped_return(series: Floats, end: int, parameters: Floats) -> float:
    """Log return from n bars ago to m bars ago, leaving out the newest m, which tend to reverse."""
    close = series[CLOSE]
    return math.log(close[end - int(parameters[1])] / close[end - int(parameters[0])])


@value
def opening_gap(series: Floats, end: int, _parameters: Floats) -> float:
    """Log return from the close before to the open."""
    return math.log(series[OPEN, end] / series[CLOSE, end - 1])


@value
def bar_return(series: Floats, end: int, _parameters: Floats) -> float:
    """Log return from the open to the close of the bar."""
    return math.log(series[CLOSE, end] / series[OPEN, end])


@value
def close_location(series: Floats, end: int, _parameters: Floats) -> float:
    """Where the close lies in the bar: -1 at the low, 1 at the high; 0 in a bar without range."""
    high, low, close = series[HIGH, end], series[LOW, end], series[CLOSE, end]
    return ratio((close - low) - (high - close), high - low, 0.0)


@value
def upper_shadow(series: Floats, end: int, _parameters: Floats) -> float:
    """Share of the bar's range above its body; 0 in a bar without range."""
    high, low = series[HIGH, end], series[LOW, end]
    return ratio(high - max(series[OPEN, end], series[CLOSE, end]), high - low, 0.0)


@value
def lower_shadow(series: Floats, end: int, _parameters: Floats) -> float:
    """Share of the bar's range below its body; 0 in a bar without range."""
    high, low = series[HIGH, end], series[LOW, end]
    return ratio(min(series[OPEN, end], series[CLOSE, end]) - low, high - low, 0.0)


@value
def up_share(series: Floats, end: int, parameters: Floats) -> float:
    """Share of the last n bars that closed above the bar before."""
    close, count = series[CLOSE], int(parameters[0])
    ups = 0
    for step in range(end - count + 1, end + 1):
        if close[step] > close[step - 1]:
            ups += 1
    return ups / count


@value
def streak(series: Floats, end: int, parameters: Floats) -> float:
    """Bars in a row that closed higher (positive) or lower (negative), counted up to n; an unchanged close ends it."""
    close = series[CLOSE]
    if close[end] == close[end - 1]:
        return 0.0
    rising = close[end] > close[end - 1]
    length = 1
    for step in range(end - 1, end - int(parameters[0]), -1):
        if close[step] == close[step - 1] or (close[step] > close[step - 1]) != rising:
            break
        length += 1
    return float(length) if rising else -float(length)


@value
def largest_return(series: Floats, end: int, parameters: Floats) -> float:
    """The largest one-bar log return of the last n bars."""
    return float(highest(series[LOG_RETURN], end, int(parameters[0])))


@value
def return_over_risk(series: Floats, end: int, parameters: Floats) -> float:
    """Mean of the last n one-bar log returns over their deviation, at least a millionth, times the root of n."""
    returns, count = series[LOG_RETURN], int(parameters[0])
    centre = mean(returns, end, count)
    risk = math.sqrt(squares(returns, end, count, centre) / (count - 1))
    return centre * math.sqrt(count) / max(risk, 1e-6)


@value
def skewness(series: Floats, end: int, parameters: Floats) -> float:
    """Third standardised moment of the last n one-bar log returns; 0 where all are equal."""
    returns, count = series[LOG_RETURN], int(parameters[0])
    centre = mean(returns, end, count)
    scale = math.sqrt(squares(returns, end, count, centre) / count)
    if scale == 0.0:
        return 0.0
    cubes = 0.0
    for step in range(end - count + 1, end + 1):
        away = (returns[step] - centre) / scale
        cubes += away * away * away
    return cubes / count


@value
def kurtosis(series: Floats, end: int, parameters: Floats) -> float:
    """Fourth standardised moment of the last n one-bar log returns, less the 3 of a normal; 0 where all are equal."""
    returns, count = series[LOG_RETURN], int(parameters[0])
    centre = mean(returns, end, count)
    scale = math.sqrt(squares(returns, end, count, centre) / count)
    if scale == 0.0:
        return 0.0
    fourths = 0.0
    for step in range(end - count + 1, end + 1):
        away = (returns[step] - centre) / scale
        fourths += away * away * away * away
    return fourths / count - 3.0


@value
def autocorrelation(series: Floats, end: int, parameters: Floats) -> float:
    """Correlation of each of the last n one-bar log returns with the one before, one mean for both; 0 where flat."""
    returns, count = series[LOG_RETURN], int(parameters[0])
    centre = mean(returns, end, count)
    product = 0.0
    for step in range(end - count + 2, end + 1):
        product += (returns[step] - centre) * (returns[step - 1] - centre)
    return float(ratio(product, squares(returns, end, count, centre), 0.0))


_LOG, _SHARE = "log return", "share"
_CHANGE = "log(close[t] / close[t-n])"
_CANDLE = "Nison 1991, Japanese Candlestick Charting Techniques"

RETURNS: Final = (
    *(Feature(f"log_return_{n}", log_return, (n,), n + 1, _LOG, _CHANGE) for n in (1, 2, 3, 4, 5, 8, 10, 13, 15, 20)),
    *(Feature(f"log_return_{n}", log_return, (n,), n + 1, _LOG, _CHANGE) for n in (24, 26, 30, 52, 60)),
    Feature("momentum_52_4", skipped_return, (52, 4), 53, _LOG, "Jegadeesh and Titman 1993, skipping the last month"),
    Feature("opening_gap", opening_gap, (), 2, _LOG, "log(open[t] / close[t-1])"),
    Feature("bar_return", bar_return, (), 1, _LOG, "log(close[t] / open[t])"),
    Feature("close_location", close_location, (), 1, "-1..1", "Chaikin's close location value"),
    Feature("upper_shadow", upper_shadow, (), 1, _SHARE, _CANDLE),
    Feature("lower_shadow", lower_shadow, (), 1, _SHARE, _CANDLE),
    Feature("up_share_10", up_share, (10,), 11, _SHARE, "Psychological line of 10 bars"),
    Feature("up_share_12", up_share, (12,), 13, _SHARE, "Psychological line of 12 bars"),
    Feature("up_share_26", up_share, (26,), 27, _SHARE, "Psychological line of 26 bars"),
    Feature("streak_10", streak, (10,), 11, "bars", "Connors RSI's streak, capped at 10"),
    Feature("largest_return_12", largest_return, (12,), 13, _LOG, "Bali, Cakici and Whitelaw 2011, MAX"),
    Feature("largest_return_20", largest_return, (20,), 21, _LOG, "Bali, Cakici and Whitelaw 2011, MAX"),
    Feature("return_over_risk_12", return_over_risk, (12,), 13, "ratio", "Sharpe 1994, no risk-free rate"),
    Feature("return_over_risk_26", return_over_risk, (26,), 27, "ratio", "Sharpe 1994, no risk-free rate"),
    Feature("skewness_20", skewness, (20,), 21, "ratio", "Amaya et al. 2015, realised skewness, centred"),
    Feature("skewness_26", skewness, (26,), 27, "ratio", "Amaya et al. 2015, realised skewness, centred"),
    Feature("kurtosis_26", kurtosis, (26,), 27, "ratio", "Amaya et al. 2015, realised kurtosis, centred"),
    Feature("autocorrelation_26", autocorrelation, (26,), 27, "-1..1", "Lo and MacKinlay 1988, lag 1"),
)
