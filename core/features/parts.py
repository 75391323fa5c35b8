"""What features are made of: sums, averages, extremes and lines over the last bars, each in one fixed order.

`values` is one row of a series, `end` the newest step, `count` how many steps to look at, `end` included.

A sum runs in four lanes, because a processor adds four numbers in the time of one when none waits for another. Which
number goes to which lane depends on `count` alone. Averages are taken around the newest value, so that equal values
average to exactly that value and their deviation is exactly zero: nothing flat is ever divided by rounding noise.

An exponential average is windowed: the weights of the last `count` values, renormalised to one. The endless average of
TA-Lib differs from it by at most decay**count times the spread of all values so far.
"""

import math
from typing import Final

from core.bars import CLOSE, HIGH, LOW
from core.features.kernel import Floats, part

LANES: Final = 4


@part
def total(values: Floats, end: int, count: int) -> float:
    """Sum of the last `count` values."""
    first = end - count + 1
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for step in range(first, end - LANES + 2, LANES):
        a += values[step]
        b += values[step + 1]
        c += values[step + 2]
        d += values[step + 3]
    for step in range(first + count // LANES * LANES, end + 1):
        a += values[step]
    return (a + b) + (c + d)


@part
def mean(values: Floats, end: int, count: int) -> float:
    """Average of the last `count` values."""
    newest = values[end]
    first = end - count + 1
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for step in range(first, end - LANES + 2, LANES):
        a += values[step] - newest
        b += values[step + 1] - newest
        c += values[step + 2] - newest
        d += values[step + 3] - newest
    for step in range(first + count // LANES * LANES, end + 1):
        a += values[step] - newest
    return float(newest + ((a + b) + (c + d)) / count)


@part
def squares(values: Floats, end: int, count: int, centre: float) -> float:
    """Sum of the squared distances of the last `count` values from `centre`."""
    first = end - count + 1
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for step in range(first, end - LANES + 2, LANES):
        a += (values[step] - centre) * (values[step] - centre)
        b += (values[step + 1] - centre) * (values[step + 1] - centre)
        c += (values[step + 2] - centre) * (values[step + 2] - centre)
        d += (values[step + 3] - centre) * (values[step + 3] - centre)
    for step in range(first + count // LANES * LANES, end + 1):
        a += (values[step] - centre) * (values[step] - centre)
    return (a + b) + (c + d)


@part
def deviation(values: Floats, end: int, count: int) -> float:
    """Sample standard deviation of the last `count` values."""
    return math.sqrt(squares(values, end, count, mean(values, end, count)) / (count - 1))


@part
def weighted(values: Floats, end: int, count: int, decay: float, centre: float) -> float:
    """Sum of decay**age times the distance from `centre` over the last `count` values; the newest has age 0."""
    leap = decay * decay * decay * decay
    first = end - count + 1
    start = first + count % LANES
    oldest = 0.0
    for step in range(first, start):
        oldest = oldest * decay + (values[step] - centre)
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for step in range(start, end + 1, LANES):
        oldest *= leap
        a = a * leap + (values[step] - centre)
        b = b * leap + (values[step + 1] - centre)
        c = c * leap + (values[step + 2] - centre)
        d = d * leap + (values[step + 3] - centre)
    return oldest + (((a * decay + b) * decay + c) * decay + d)


@part
def weights(decay: float, count: int) -> float:
    """Sum of decay**age over ages 0 .. count - 1: what an exponential average divides by."""
    return (1.0 - math.pow(decay, float(count))) / (1.0 - decay)


@part
def exponential(values: Floats, end: int, count: int, decay: float) -> float:
    """Exponential average of the last `count` values, weights decay**age renormalised to one."""
    newest = values[end]
    return float(newest + weighted(values, end, count, decay, newest) / weights(decay, count))


@part
def decay_of_span(span: float) -> float:
    """The decay of an exponential average of this span, 1 - 2 / (span + 1)."""
    return 1.0 - 2.0 / (span + 1.0)


@part
def highest(values: Floats, end: int, count: int) -> float:
    """The largest of the last `count` values."""
    top = values[end]
    for step in range(end - count + 1, end):
        top = max(top, values[step])
    return float(top)


@part
def lowest(values: Floats, end: int, count: int) -> float:
    """The smallest of the last `count` values."""
    bottom = values[end]
    for step in range(end - count + 1, end):
        bottom = min(bottom, values[step])
    return float(bottom)


@part
def slope(values: Floats, end: int, count: int) -> float:
    """Slope per bar of the least-squares line through the last `count` values."""
    middle = end - 0.5 * (count - 1)
    newest = values[end]
    product = 0.0
    for step in range(end - count + 1, end + 1):
        product += (step - middle) * (values[step] - newest)
    return product * 12.0 / (count * (count * count - 1.0))


@part
def correlation(left: Floats, right: Floats, end: int, count: int) -> float:
    """Pearson's correlation of the last `count` values of two rows; 0 where either is flat."""
    left_mean, right_mean = mean(left, end, count), mean(right, end, count)
    scale = math.sqrt(squares(left, end, count, left_mean)) * math.sqrt(squares(right, end, count, right_mean))
    if scale == 0.0:
        return 0.0
    product = 0.0
    for step in range(end - count + 1, end + 1):
        product += (left[step] - left_mean) * (right[step] - right_mean)
    return product / scale


@part
def ratio(above: float, below: float, otherwise: float) -> float:
    """Above over below, or `otherwise` where below is zero."""
    return above / below if below != 0.0 else otherwise


@part
def typical(series: Floats, step: int) -> float:
    """The typical price of a bar: (high + low + close) / 3."""
    return float((series[HIGH, step] + series[LOW, step] + series[CLOSE, step]) / 3.0)
