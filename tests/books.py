"""Bars to try features on: every awkward kind of market, made up."""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from core.bars import CLOSE, HIGH, LOW, OPEN, VOLUME, BarArray, TimeArray

LENGTH = 300
HOUR_MS = 3_600_000


class Book(msgspec.Struct):
    """(N, T, 5) consistent bars and their (N, T) opening times."""

    bars_NT5: BarArray
    opened_at_ms_NT: TimeArray


def bars_around(close_T: npt.NDArray[np.float64], volume_T: Any, seed: int, wick: float = 0.002) -> BarArray:
    """(T, 5): bars with these closes and volumes, opening near the close before, with wicks up to a share `wick`."""
    random = np.random.default_rng(seed)
    bars_T5 = np.empty((len(close_T), 5))
    bars_T5[:, CLOSE] = close_T
    bars_T5[:, OPEN] = np.concatenate([close_T[:1], close_T[:-1]]) * (1 + wick * (random.random(len(close_T)) - 0.5))
    body = bars_T5[:, [OPEN, CLOSE]]
    bars_T5[:, HIGH] = body.max(1) * (1 + wick * random.random(len(close_T)))
    bars_T5[:, LOW] = body.min(1) * (1 - wick * random.random(len(close_T)))
    bars_T5[:, VOLUME] = volume_T
    return bars_T5


def markets() -> Iterator[BarArray]:
    """One (LENGTH, 5) for each kind: lively, wild, flat, idle, spiked, tiny, huge, rising, falling, coarse, halted."""
    random = np.random.default_rng(7)
    steps = np.arange(LENGTH)
    lively = random.lognormal(2, 1, LENGTH)
    walk = 100 * np.exp(np.cumsum(random.normal(0, 0.01, LENGTH)))
    yield bars_around(walk, lively, 0)
    yield bars_around(50 * np.exp(np.cumsum(random.normal(0, 0.2, LENGTH))), lively, 1, wick=0.3)  # wild
    yield bars_around(np.full(LENGTH, 0.1), 0.0, 2, wick=0.0)  # flat and never traded
    yield bars_around(np.full(LENGTH, 1 / 3), lively, 3, wick=0.0)  # flat, yet traded
    yield bars_around(walk, 0.0, 4)  # moving, no volume published
    yield bars_around(100 + 1e-9 * random.normal(0, 1, LENGTH), lively, 5, wick=1e-12)  # near-constant
    yield bars_around(np.where(steps % 97 == 41, 1_000, 1) * walk, np.where(steps % 89 == 7, 1e12, lively), 6)  # spikes
    yield bars_around(walk * 1e-12, lively * 1e12, 7)  # a token with ten zeros
    yield bars_around(walk * 1e7, lively * 1e-9, 8)
    yield bars_around(1.01**steps, 1.02**steps, 9)  # rising for ever, volume too
    yield bars_around(1.01**-steps, 1.02**-steps, 10)  # falling for ever, volume too
    yield bars_around(np.round(walk), np.round(lively), 11, wick=0.0)  # coarse ticks: many equal closes and volumes
    halted = np.arange(LENGTH) % 60 >= 35
    yield bars_around(np.where(halted, walk[0], walk), np.where(halted, 0.0, lively), 12, wick=0.0)
    yield bars_around(np.where(steps < LENGTH - 30, walk, walk[-30]), np.where(steps < LENGTH - 30, lively, 0), 13)
