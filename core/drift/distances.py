"""How far apart two ways of looking are."""

import numpy as np
import numpy.typing as npt


def jensen_shannon(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    """Jensen-Shannon distance (base 2, Lin 1991) between two distributions of equal length: 0 the same, 1 disjoint."""
    p, q = first / first.sum(), second / second.sum()
    middle = (p + q) / 2

    def divergence(of: npt.NDArray[np.float64]) -> float:
        there = of > 0
        return float((of[there] * np.log2(of[there] / middle[there])).sum())

    return float(np.sqrt(max(0.0, (divergence(p) + divergence(q)) / 2)))
