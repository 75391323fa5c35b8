"""Features of how much the price moves."""

import math

import numpy as np
import numpy.typing as npt

from core.bars import CLOSE, BarArray
from core.features.kernel import value


@value
def realised_volatility(bars: BarArray, end: int, parameters: npt.NDArray[np.float64]) -> float:
    """Sample standard deviation of the last `parameters[0]` one-bar log returns, per square-root bar."""
    count = int(parameters[0])
    total = 0.0
    for step in range(end - count + 1, end + 1):
        total += math.log(bars[step, CLOSE] / bars[step - 1, CLOSE])
    mean = total / count
    squares = 0.0
    for step in range(end - count + 1, end + 1):
        away = math.log(bars[step, CLOSE] / bars[step - 1, CLOSE]) - mean
        squares += away * away
    return math.sqrt(squares / (count - 1))
