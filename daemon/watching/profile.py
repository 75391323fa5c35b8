"""Where a model has been looking lately, on average over all symbols, and how far that is from its reference."""

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from core.drift.distances import jensen_shannon
from daemon.ports import Float32s

HALF_LIFE: Final = 1_000.0
"""Predictions after which an old one counts half."""


@njit(cache=True, error_model="numpy", nogil=True)
def _fade(weights_NT, keep, mean_T):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for row in range(weights_NT.shape[0]):
        for step in range(weights_NT.shape[1]):
            weight = np.float64(weights_NT[row, step])
            # One broken prediction must not spoil the mean for good.
            if np.isfinite(weight):
                mean_T[step] = weight + keep * (mean_T[step] - weight)


class RunningProfile:
    """An exponentially weighted mean of attention profiles. It starts at the reference: no news until some is shown."""

    def __init__(self, reference_T: npt.NDArray[np.floating], half_life: float = HALF_LIFE) -> None:
        self.reference_T = np.array(reference_T, np.float64)
        self.mean_T = self.reference_T.copy()
        self._keep = 0.5 ** (1.0 / half_life)

    def update(self, profile_NT: Float32s) -> None:
        """Take in N profiles in their order; the bits do not depend on how they were cut into batches."""
        _fade(np.ascontiguousarray(profile_NT), self._keep, self.mean_T)

    def distance(self) -> float:
        """The Jensen-Shannon distance of the running mean from the reference: 0 the same, 1 disjoint."""
        return jensen_shannon(self.mean_T, self.reference_T)
