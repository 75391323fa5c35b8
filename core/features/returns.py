"""Features of price change."""

import math

import numpy as np
import numpy.typing as npt

from core.bars import CLOSE, BarArray
from core.features.kernel import value


@value
def log_return(bars: BarArray, end: int, parameters: npt.NDArray[np.float64]) -> float:
    """Log return of the close over the last `parameters[0]` bars."""
    return math.log(bars[end, CLOSE] / bars[end - int(parameters[0]), CLOSE])
