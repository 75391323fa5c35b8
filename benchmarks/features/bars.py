"""Bars that are made up."""

import numpy as np

from core.bars import BarArray


def random_bars(symbols: int, length: int, seed: int = 1) -> BarArray:
    """(N, T, 5): walks of one percent a bar, with wicks and volume."""
    random = np.random.default_rng(seed)
    bars_NT5 = np.empty((symbols, length, 5))
    bars_NT5[..., 3] = 100 * np.exp(np.cumsum(random.normal(0, 0.01, (symbols, length)), axis=1) % 4)
    bars_NT5[..., 0] = bars_NT5[..., 3] * np.exp(random.normal(0, 0.005, (symbols, length)))
    body = bars_NT5[..., [0, 3]]
    bars_NT5[..., 1] = body.max(-1) * (1 + 0.01 * random.random((symbols, length)))
    bars_NT5[..., 2] = body.min(-1) * (1 - 0.01 * random.random((symbols, length)))
    bars_NT5[..., 4] = random.lognormal(10, 1, (symbols, length))
    return bars_NT5
