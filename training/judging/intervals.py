"""How sure a score is: bootstrap over blocks of time.

Returns of neighbouring bars and of different symbols at one bar are alike, so single samples must not be drawn alone:
blocks of consecutive moments are drawn, all symbols of a moment together. Every measure here is a function of sums
over samples, so a draw only adds up the sums of its blocks. M moments, B blocks, D draws, S sums.
"""

import math
from statistics import NormalDist
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DRAWS: Final = 1_000
COVERAGE: Final = 0.95


class Bootstrap(msgspec.Struct, frozen=True):
    """Which block each moment is in, and how often each draw holds each block. The first draw is the sample itself."""

    block_M: npt.NDArray[np.int64]
    times_DB: Floats

    def sums(self, of_MS: Floats) -> Floats:
        """(M, S) -> (D, S): the sums over the moments of each draw."""
        columns = [np.bincount(self.block_M, weights=column, minlength=self.blocks) for column in of_MS.T]
        return self.times_DB @ np.stack(columns, axis=1)

    @property
    def blocks(self) -> int:
        """How many blocks of time there are."""
        return int(self.times_DB.shape[1])

    def bounds(self, values_D: Floats, blocks: int | None = None) -> tuple[float, float]:
        """The middle 95 % of the draws of a measure, the sample's own first, as much wider as so few blocks ask for.

        Draws in which the measure is not defined are left out. `blocks`: how many hold some of what is measured, where
        not all do.
        """
        tail = (1 - COVERAGE) / 2
        away = np.nanquantile(values_D[1:], (tail, 1 - tail)) - values_D[0]
        low, high = values_D[0] + away * _widening(blocks or self.blocks)
        return float(low), float(high)


def bootstrap(moments: int, horizon: int, seed: int = 0) -> Bootstrap:
    """Draws over `moments` moments of labels that look `horizon` moments ahead.

    A block is as long as there are blocks, and no shorter than five horizons, whose labels overlap; than two where
    moments are so few that there would be less than ten blocks. There are never fewer than two.
    """
    length = max(math.isqrt(moments), min(5 * horizon, max(2 * horizon, moments // 10)))
    blocks = max(moments // length, min(2, moments))
    times_DB = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), size=DRAWS)
    return Bootstrap(np.arange(moments) * blocks // moments, np.concatenate([np.ones((1, blocks)), times_DB]))


def _widening(blocks: int) -> float:
    """What turns the quantiles of draws into those of Student's t, whose deviation is estimated from so few blocks."""
    free = max(blocks - 1, 1)
    z = NormalDist().inv_cdf((1 + COVERAGE) / 2)
    # The quantile of t over that of the normal distribution, by its expansion (Abramowitz and Stegun 26.7.5).
    first = (z**2 + 1) / 4
    second = (5 * z**4 + 16 * z**2 + 3) / 96
    third = (3 * z**6 + 19 * z**4 + 17 * z**2 - 15) / 384
    return (1 + first / free + second / free**2 + third / free**3) * math.sqrt(1 + 1 / free)
