"""How far is too far? Limits drawn from the reference itself, so that false alarms come as rarely as was promised.

The reference is drawn anew in blocks (stationary bootstrap, Politis and Romano 1994), which keeps the autocorrelation
of overlapping windows: once as the reference, and from a stretch left out of that, as the quarter that is watched. All
distances of all statistics go into one number, the worst in units of what is usual for it, so the promise holds over
all of them together.

C observations of the reference, K statistics, A heads, P parts, J distances, Q quarters drawn.
"""

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.drift.detector import binned, distances_of, measured, walk

Floats = npt.NDArray[np.float64]

WINDOWS: Final = (24, 120)
"""Observations in a sliding window: of hours a day, and five."""
FEWEST: Final = 8
"""The reference must hold so many windows; a longer window is not watched."""
HELD_OUT: Final = 8
"""What is watched is drawn from one part in so many of the reference, and held to the rest of it."""
BLOCK: Final = 4
"""Longest windows in a block: shorter ones would cut what a slow process remembers into pieces."""
_A_REFERENCE: Final = 4
"""Quarters watched by one drawn reference."""
_PILOT: Final = 40
_LEVELS: Final = 64
_BUDGET: Final = 30_000_000
"""Statistics times windows times observations to draw: under ten seconds."""


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


def drawn(chance: np.random.Generator, length: int, wanted: int, block: int) -> npt.NDArray[np.int64]:
    """(wanted,): rows of a circular series of this length, in blocks of geometric length with this mean."""
    anew_N = chance.random(wanted) < 1 / block
    anew_N[0] = True
    starts = np.flatnonzero(anew_N)
    first = chance.integers(0, length, len(starts))
    which_N = np.cumsum(anew_N) - 1
    rows: npt.NDArray[np.int64] = (first[which_N] + np.arange(wanted) - starts[which_N]) % length
    return rows


def windows_for(length: int) -> tuple[int, ...]:
    """The windows that a reference of so many observations can be watched by; none where it is too short for any."""
    return tuple(window for window in WINDOWS if length >= FEWEST * window)


def block_for(length: int, windows: tuple[int, ...]) -> int:
    """The mean length of a block: so many of the longest window, or all of what is held out."""
    return max(1, min(BLOCK * max(windows), length // HELD_OUT))


def calibrated(values_CK: Floats, parts_CAP: Floats, quarter: int, quarters: int = 300, seed: int = 7) -> Limits | None:
    """Limits from a reference; `quarter`: observations in one. None where the reference is too short to watch by."""
    length = len(values_CK)
    windows = windows_for(length)
    if not windows:
        return None
    draw = _Draw(values_CK, parts_CAP, windows, quarter, seed)
    usual_J = np.ones(draw.distances)
    highest_QJ = np.array([draw.quarter(usual_J)[1] for _ in range(_PILOT)])
    usual_J = np.maximum(np.median(highest_QJ, axis=0), 1e-9)
    most = min(_BUDGET / (values_CK.shape[1] * len(windows) * draw.watched), quarters * length / quarter)
    count = int(np.clip(most, _PILOT, quarters))
    worst_QN = [draw.quarter(usual_J)[0] for _ in range(count)]
    peaks_Q = np.array([worst_N.max() for worst_N in worst_QN])
    level_L = np.linspace(peaks_Q.min(), peaks_Q.max(), _LEVELS)
    rate_L = np.array([np.mean([episodes(one, level, max(windows)) for one in worst_QN]) for level in level_L])
    return Limits(windows, usual_J, level_L, rate_L, quarter / length)


def redrawn(values_CK: Floats, parts_CAP: Floats, limits: Limits, quarter: int, seed: int) -> Floats:
    """The worst ratio after each observation of a quarter drawn by another chance, beside a reference drawn too."""
    worst_N, _ = _Draw(values_CK, parts_CAP, limits.windows, quarter, seed).quarter(limits.usual_J)
    return worst_N


class _Draw:
    """Quarters drawn from a reference, each measured against a reference that is drawn too."""

    def __init__(self, values_CK: Floats, parts_CAP: Floats, windows: tuple[int, ...], quarter: int, seed: int) -> None:
        self._values_CK = values_CK
        self._parts_CAP = np.ascontiguousarray(parts_CAP)
        self._windows = windows
        self._block = block_for(len(values_CK), windows)
        self._chance = np.random.default_rng(seed)
        self._warmup = 2 * max(windows)
        self._left = 0
        self.watched = quarter + self._warmup
        self._draw_reference()
        self.distances = distances_of(self._scale)

    def quarter(self, usual_J: Floats) -> tuple[Floats, Floats]:
        """What walk() tells of one, from where the windows are full."""
        if not self._left:
            self._draw_reference()
        self._left -= 1
        path_N = drawn(self._chance, self._apart, self.watched, self._block)
        rows_N = (self._first + path_N) % len(self._values_CK)
        worst_N, highest_J = walk(self._scale, self._bins_CK, self._parts_CAP, rows_N, usual_J, self._warmup)
        return worst_N[self._warmup :], highest_J

    def _draw_reference(self) -> None:
        """What is watched later is no part of the reference: so it is not here."""
        length = len(self._values_CK)
        self._apart = length // HELD_OUT
        self._first = int(self._chance.integers(length))
        rest_C = self._apart + drawn(self._chance, length - self._apart, length, self._block)
        known_C = (self._first + rest_C) % length
        self._scale = measured(self._values_CK[known_C], self._parts_CAP[known_C], self._windows)
        self._bins_CK = binned(self._values_CK, self._scale.edges_KE)
        self._left = _A_REFERENCE


def level(limits: Limits, rate: float) -> float:
    """The level that alarms so often a quarter; beyond what was drawn, that of the rarest."""
    below = np.flatnonzero(limits.rate_L <= rate)
    if not len(below):
        return float(limits.level_L[-1])
    at = int(below[0])
    if at == 0:
        return float(limits.level_L[0])
    high, low = limits.rate_L[at - 1], limits.rate_L[at]
    share = (high - rate) / (high - low) if high > low else 1.0
    return float(limits.level_L[at - 1] + share * (limits.level_L[at] - limits.level_L[at - 1]))
