"""Features of a market as a whole, read off one series: an index, VIX or BTC. None needs volume; an index has none."""

import math
from typing import Final

from core.bars import CLOSE
from core.features.feature import Feature
from core.features.kernel import LOG_RETURN, Floats, value
from core.features.parts import deviation, highest, mean


@value
def drawdown(series: Floats, end: int, parameters: Floats) -> float:
    """Log of the close over the highest close of the last n bars: 0 at the peak, negative below."""
    close = series[CLOSE]
    return math.log(close[end] / highest(close, end, int(parameters[0])))


@value
def share_above_average(series: Floats, end: int, parameters: Floats) -> float:
    """Share of the last n closes above their mean: whether a fall was brief or is where the market now lives."""
    close, count = series[CLOSE], int(parameters[0])
    middle = mean(close, end, count)
    above = 0
    for step in range(end - count + 1, end + 1):
        if close[step] > middle:
            above += 1
    return above / count


@value
def shock_share(series: Floats, end: int, parameters: Floats) -> float:
    """Share of the last n one-bar log returns more than two standard deviations from their mean."""
    returns, count = series[LOG_RETURN], int(parameters[0])
    middle, reach = mean(returns, end, count), 2.0 * deviation(returns, end, count)
    shocks = 0
    for step in range(end - count + 1, end + 1):
        if abs(returns[step] - middle) > reach:
            shocks += 1
    return shocks / count


@value
def shock_rank(series: Floats, end: int, parameters: Floats) -> float:
    """Share of the last n absolute one-bar log returns that are smaller than the newest."""
    returns, count = series[LOG_RETURN], int(parameters[0])
    newest, smaller = abs(returns[end]), 0
    for step in range(end - count + 1, end):
        if abs(returns[step]) < newest:
            smaller += 1
    return smaller / (count - 1)


MARKET: Final = (
    Feature("drawdown_60", drawdown, (60,), 60, "log ratio", "log(close / highest close of 60)"),
    Feature("share_above_average_60", share_above_average, (60,), 60, "share", "closes above their mean, of 60"),
    Feature("shock_share_60", shock_share, (60,), 61, "share", "returns beyond two deviations, of 60"),
    Feature("shock_rank_60", shock_rank, (60,), 61, "share", "rank of the newest |return| among 60"),
)
