"""Means over predictions with their interval: bootstrap over blocks of time, as for scores.

N predictions, M moments, D draws, B blocks.
"""

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.bars import Interval, TimeArray
from training.judging.intervals import bootstrap

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

FEWEST_BLOCKS: Final = 6
"""With fewer blocks of time than these, an interval would be a guess: there is none."""


class Estimate(msgspec.Struct, frozen=True):
    """A mean, its 95 % interval where there is one, and how many predictions it is of."""

    value: float
    low: float | None
    high: float | None
    predictions: int

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low is not None and self.low > 0

    @property
    def apart_from_zero(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.above_zero or (self.high is not None and self.high < 0)

    def told(self, digits: int = 2, *, signed: bool = False) -> str:
        """In words: value (low to high)."""
        form = f"{'+' if signed else ''}.{digits}f"
        if self.low is None or self.high is None:
            return f"{self.value:{form}} (too little time for an interval)"
        return f"{self.value:{form}} ({self.low:{form}} to {self.high:{form}})"


class Draws:
    """The bootstrap over the moments of some predictions, shared by everything that is said of them.

    Windows that lie close share most of their bars: a block is no shorter than a window, or, where moments are so few
    that there would be less than ten blocks, than two fifths of one.
    """

    def __init__(self, opened_at_ms_N: TimeArray, interval: Interval, steps: int, horizon: int) -> None:
        self._moment_N = (opened_at_ms_N - opened_at_ms_N.min()) // interval.ms
        self._moments = int(self._moment_N.max()) + 1
        self._bootstrap = bootstrap(self._moments, max(horizon, math.ceil(steps / 5)))
        self.blocks = self._bootstrap.times_DB.shape[1]

    def mean(self, values_N: Floats, where_N: Mask | None = None) -> Estimate:
        """The mean of the values, of all predictions or of some."""
        where_N = np.ones(len(values_N), bool) if where_N is None else where_N
        return self._estimate(self._means(values_N, where_N), int(where_N.sum()))

    def difference(self, values_N: Floats, one_N: Mask, other_N: Mask) -> Estimate:
        """The mean of one group less that of another, both over the same draws."""
        apart_D = self._means(values_N, one_N) - self._means(values_N, other_N)
        return self._estimate(apart_D, int(one_N.sum() + other_N.sum()))

    def _means(self, values_N: Floats, where_N: Mask) -> Floats:
        at_n = self._moment_N[where_N]
        total_M = np.bincount(at_n, values_N[where_N], self._moments)
        count_M = np.bincount(at_n, minlength=self._moments).astype(np.float64)
        sums_D2 = self._bootstrap.sums(np.stack([total_M, count_M], axis=1))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(sums_D2[:, 0] / sums_D2[:, 1])

    def _estimate(self, values_D: Floats, predictions: int) -> Estimate:
        if self.blocks < FEWEST_BLOCKS or not np.isfinite(values_D[1:]).any():
            return Estimate(float(values_D[0]), None, None, predictions)
        return Estimate(float(values_D[0]), *self._bootstrap.bounds(values_D), predictions)
