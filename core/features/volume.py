"""Features of traded volume."""

import math

import numpy as np
import numpy.typing as npt

from core.bars import VOLUME, BarArray
from core.features.kernel import value


@value
def relative_volume(bars: BarArray, end: int, parameters: npt.NDArray[np.float64]) -> float:
    """Log of one plus the volume over its mean of the last `parameters[0]` bars; 0 where nothing was traded."""
    count = int(parameters[0])
    total = 0.0
    for step in range(end - count + 1, end + 1):
        total += bars[step, VOLUME]
    if total == 0.0:
        return 0.0
    return math.log1p(bars[end, VOLUME] * count / total)
