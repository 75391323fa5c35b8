"""Statistics of looks at windows of which some lack rows: each over the steps that are there.

N predictions, T steps.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


def over(statistic: Callable[[Floats], npt.NDArray[Any]], weights: Floats, reach_N: Rows) -> npt.NDArray[Any]:
    """(N, ..., T) weights -> (N, ...): the statistic of the newest `reach_N` steps of each, as if there were no others.

    Even attention over 60 rows is even, though the window has room for 720. No reach at all: every step is there.
    """
    steps = weights.shape[-1]
    if not len(reach_N) or (reach_N == steps).all():
        return statistic(weights)
    rows, parts = [], []
    for there in np.unique(reach_N).tolist():
        some = np.flatnonzero(reach_N == there)
        rows.append(some)
        parts.append(statistic(np.ascontiguousarray(weights[some][..., steps - there :])))
    return np.concatenate(parts)[np.argsort(np.concatenate(rows))]
