"""How sure a score is: bootstrap over blocks of time.

Returns of neighbouring bars and of different symbols at one bar are alike, so single samples must not be drawn alone:
blocks of consecutive moments are drawn, all symbols of a moment together. Every measure here is a function of sums
over samples, so a draw only adds up the sums of its blocks. M moments, B blocks, D draws, S sums.
"""

import math
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
        blocks = self.times_DB.shape[1]
        columns = [np.bincount(self.block_M, weights=column, minlength=blocks) for column in of_MS.T]
        return self.times_DB @ np.stack(columns, axis=1)


def bootstrap(moments: int, horizon: int, seed: int = 0) -> Bootstrap:
    """Draws over `moments` moments of labels that look `horizon` moments ahead.

    A block is as long as there are blocks, and no shorter than five horizons, whose labels overlap; than two where
    moments are so few that there would be less than ten blocks.
    """
    length = max(math.isqrt(moments), min(5 * horizon, max(2 * horizon, moments // 10)))
    block_M = np.arange(moments) // length
    blocks = int(block_M[-1]) + 1
    times_DB = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), size=DRAWS)
    return Bootstrap(block_M, np.concatenate([np.ones((1, blocks)), times_DB]))


def bounds(values_D: Floats) -> tuple[float, float]:
    """The interval that holds the middle 95 % of the draws; draws in which the measure is not defined are left out."""
    tail = (1 - COVERAGE) / 2
    low, high = np.nanquantile(values_D, (tail, 1 - tail))
    return float(low), float(high)
