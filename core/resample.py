"""Bars of a shorter interval joined to bars of a longer one: 5 m to 15 m, 1 h to 4 h.

A longer bar is there once all of its shorter ones are: none is made of a part, and none before its time. It hangs on
these alone, and its volume is added in the order of time: the same bits wherever a history begins.

Venues count volume in decimals, which floats do not add exactly: where up to 9 decimals tell every part, as many tell
the sum, and it is the very number that the venue publishes for the longer bar.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from core.bars import CLOSE, HIGH, LOW, OPEN, VOLUME, BarArray, Interval, TimeArray
from core.errors import ConfigError

_MOST_DECIMALS: Final = 9

Floats = npt.NDArray[np.float64]


def resample(
    opened_at_ms_T: TimeArray, bars_T5: BarArray, short: Interval, long: Interval
) -> tuple[TimeArray, BarArray]:
    """(T,) and (T, 5) of one symbol, oldest first -> (L,) and (L, 5): the longer bars that are whole.

    Raises: ConfigError: the longer interval is not made of whole shorter ones.
    """
    parts = parts_of(short, long)
    at_ms_T = (opened_at_ms_T - long.anchor_ms) % long.ms
    # A whole bar begins on the long grid, and its last part is as many bars on as it is long.
    starts = np.flatnonzero(at_ms_T == 0)
    starts = starts[starts + parts <= len(opened_at_ms_T)]
    starts = starts[opened_at_ms_T[starts + parts - 1] - opened_at_ms_T[starts] == long.ms - short.ms]
    return opened_at_ms_T[starts], join(bars_T5[starts[:, None] + np.arange(parts)])


def join(pieces_LP5: BarArray) -> BarArray:
    """(L, P, 5) -> (L, 5): each longer bar of its parts; no number where a part is missing."""
    joined_L5 = np.empty((len(pieces_LP5), 5))
    joined_L5[:, OPEN] = pieces_LP5[:, 0, OPEN]
    joined_L5[:, HIGH] = pieces_LP5[..., HIGH].max(axis=1, initial=-np.inf)
    joined_L5[:, LOW] = pieces_LP5[..., LOW].min(axis=1, initial=np.inf)
    joined_L5[:, CLOSE] = pieces_LP5[:, -1, CLOSE]
    joined_L5[:, VOLUME] = _added(pieces_LP5[..., VOLUME])
    joined_L5[np.isnan(pieces_LP5).any(axis=(1, 2))] = np.nan
    return joined_L5


def parts_of(short: Interval, long: Interval) -> int:
    """How many shorter bars a longer one is made of.

    Raises: ConfigError: no whole number.
    """
    if long.ms % short.ms or (long.anchor_ms - short.anchor_ms) % short.ms:
        raise ConfigError(f"{long.name} bars are not made of whole {short.name} bars; try: 15m, 1h, 4h or 1d")
    return long.ms // short.ms


def _added(parts_LP: Floats) -> Floats:
    """(L, P) -> (L,): the sums, each to as many decimals as its parts have, where these are few."""
    sums_L = np.zeros(len(parts_LP))
    for part in range(parts_LP.shape[1]):
        sums_L += parts_LP[:, part]
    told_L = np.zeros(len(parts_LP), bool)
    for decimals in range(_MOST_DECIMALS + 1):
        now_L = ~told_L & (np.round(parts_LP, decimals) == parts_LP).all(axis=1)
        sums_L[now_L] = np.round(sums_L[now_L], decimals)
        told_L |= now_L
    return sums_L
