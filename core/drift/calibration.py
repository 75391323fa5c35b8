"""How far is too far? Limits drawn from the reference itself, so that false alarms come as rarely as was promised.

What is usual for a distance is drawn from the reference in blocks (stationary bootstrap, Politis and Romano 1994),
which keeps the autocorrelation of overlapping windows. All distances of all statistics go into one number, the worst in
units of what is usual for it, so the promise holds over all of them together. Then each stretch of the reference is
watched as it came, by all that is not that stretch, as if it were the future: a level that alarmed k times in Q
quarters which it did not know is expected to alarm k/Q times a quarter, whatever the process (an order statistic's
exceedances).

C observations of the reference, K statistics, A heads, P parts, J distances, Q quarters, L levels.
"""

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.drift.detector import Scale, binned, distances_of, measured, walk

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

VERSION: Final = 2
"""Of distances and of how limits are made: those of another are made anew from the reference."""
WINDOWS: Final = (24, 120)
"""Observations in a sliding window: of hours a day, and five."""
FEWEST: Final = 8
"""The reference must hold so many windows; a longer window is not watched."""
STRETCHES: Final = 8
"""Each of so many parts of the reference is watched by the rest of it."""
BLOCK: Final = 4
"""Longest windows in a block: shorter ones would cut what a slow process remembers into pieces."""
_DRAWN: Final = 8
"""Quarters drawn to learn what is usual."""
_FEWEST_DRAWN: Final = 3
_LEVELS: Final = 1_024
_BUDGET: Final = 20_000_000
"""Statistics times windows times observations to draw: under ten seconds."""
_HALF: Final = 0.5
"""An alarm more or less makes the same difference to either side of a level."""


class Limits(msgspec.Struct, frozen=True):
    """What alarms: a distance over `usual_J` times a level. `rate_L`: alarms a quarter at each of `level_L`."""

    windows: tuple[int, ...]
    usual_J: Floats
    level_L: Floats
    rate_L: Floats
    supported: float
    """The fewest alarms a quarter that the reference can promise: one in its own length."""


def episodes(worst_N: Floats, level: float, quiet: int) -> int:
    """How many alarms: each begins above the level, and is over after so many observations that are not."""
    above = np.flatnonzero(worst_N >= level)
    return int((np.diff(above) > quiet).sum()) + 1 if len(above) else 0


def drawn(chance: np.random.Generator, length: int, wanted: int, block: int) -> Ints:
    """(wanted,): rows of a circular series of this length, in blocks of geometric length with this mean."""
    anew_N = chance.random(wanted) < 1 / block
    anew_N[0] = True
    starts = np.flatnonzero(anew_N)
    first = chance.integers(0, length, len(starts))
    which_N = np.cumsum(anew_N) - 1
    rows: Ints = (first[which_N] + np.arange(wanted) - starts[which_N]) % length
    return rows


def windows_for(length: int) -> tuple[int, ...]:
    """The windows that a reference of so many observations can be watched by; none where it is too short for any."""
    return tuple(window for window in WINDOWS if length >= FEWEST * window)


def block_for(length: int, windows: tuple[int, ...]) -> int:
    """The mean length of a block: so many of the longest window, or as much as a stretch."""
    return max(1, min(BLOCK * max(windows), length // STRETCHES))


def calibrated(values_CK: Floats, parts_CAP: Floats, quarter: int, seed: int = 7) -> Limits | None:
    """Limits from a reference; `quarter`: observations in one. None where the reference is too short to watch by."""
    length = len(values_CK)
    windows = windows_for(length)
    if not windows:
        return None
    made = _Making(values_CK, parts_CAP, windows, quarter, seed)
    warmup = 2 * max(windows)
    worst: list[Floats] = []
    for stretch in range(STRETCHES):
        first, last = stretch * length // STRETCHES, (stretch + 1) * length // STRETCHES
        scale, usual_J = made.of(np.concatenate([np.arange(last, length), np.arange(first)]))
        # What lies before fills the windows; before the first stretch, the end of the last.
        path_N = np.arange(first - warmup, last) % length
        worst_N, _ = walk(scale, binned(values_CK, scale.edges_KE), made.parts_CAP, path_N, usual_J)
        worst.append(worst_N[warmup:])
    worst_C = np.concatenate(worst)
    level_L = np.linspace(worst_C.min(), 1.05 * worst_C.max(), _LEVELS)
    alarms_L = np.array([episodes(worst_C, level, max(windows)) for level in level_L])
    _, usual_J = made.of(np.arange(length))
    return Limits(windows, usual_J, level_L, (alarms_L + _HALF) * quarter / length, quarter / length)


class _Making:
    """Scales of some of a reference, and what is usual beside each."""

    def __init__(self, values_CK: Floats, parts_CAP: Floats, windows: tuple[int, ...], quarter: int, seed: int) -> None:
        self._values_CK = values_CK
        self.parts_CAP = np.ascontiguousarray(parts_CAP)
        self._windows = windows
        self._block = block_for(len(values_CK), windows)
        self._chance = np.random.default_rng(seed)
        self._warmup = 2 * max(windows)
        self._wanted = quarter + self._warmup
        most = _BUDGET / (values_CK.shape[1] * len(windows) * self._wanted * (STRETCHES + 1))
        self._count = int(np.clip(most, _FEWEST_DRAWN, _DRAWN))

    def of(self, rows_R: Ints) -> tuple[Scale, Floats]:
        """Measured by these rows alone; (J,): the median of the largest of each distance in a quarter of them."""
        scale = measured(self._values_CK[rows_R], self.parts_CAP[rows_R], self._windows)
        bins_CK, ones_J = binned(self._values_CK, scale.edges_KE), np.ones(distances_of(scale))
        highest = []
        for _ in range(self._count):
            path_N = rows_R[drawn(self._chance, len(rows_R), self._wanted, self._block)]
            highest.append(walk(scale, bins_CK, self.parts_CAP, path_N, ones_J, self._warmup)[1])
        return scale, np.maximum(np.median(highest, axis=0), 1e-9)


def level(limits: Limits, rate: float) -> float:
    """The level that alarms so often a quarter; beyond what was seen, that of the rarest, or of the most.

    There is a most, since alarms become one where the level is low enough.
    """
    above = np.flatnonzero(limits.rate_L > rate)
    most = np.flatnonzero(limits.rate_L == limits.rate_L.max())
    at = above[-1] + 1 if len(above) else most[-1]
    return float(limits.level_L[min(at, len(limits.level_L) - 1)])
