"""Where the model looked, as messages tell it. Pure."""

import math

import numpy as np
import numpy.typing as npt

from core import attention
from core.bars import Interval, TimeArray
from core.drift.statistics import travels
from core.inputs import Counts
from core.prediction import Gaze, Step
from core.reach import over
from daemon.ports import Float32s


def gazes(
    weights: Float32s, opened_N: TimeArray, top: int, interval: Interval, lag: int, reach_N: Counts
) -> list[Gaze]:
    """(N, ..., T) -> one look for each prediction. `opened_N`: of its bar; `lag`: how many bars before it T ends.

    `reach_N`: how many of the T steps are there, the newest; each look is told over these.
    """
    profile_NT = attention.profile(weights)
    entropy_N = over(attention.normalised_entropy, profile_NT, reach_N).tolist()
    concentration_N = over(attention.concentration, profile_NT, reach_N).tolist()
    shares_NB = over(_shares, profile_NT, reach_N).tolist()
    top_N = _heaviest(profile_NT, top, opened_N, interval, lag, reach_N)
    sent = np.ascontiguousarray(travels(weights), "<f4")
    shape = sent.shape[1:]
    told = zip(entropy_N, concentration_N, map(tuple, shares_NB), top_N, bytes_of(sent), strict=True)
    return [Gaze(*one, shape) for one in told]


def _heaviest(
    profile_NT: Float32s, top: int, opened_N: TimeArray, interval: Interval, lag: int, reach_N: Counts
) -> list[tuple[Step, ...]]:
    """The heaviest steps of each profile, of those that are there."""
    steps = profile_NT.shape[-1]
    top_NK = attention.top_steps(profile_NT, top)
    ago_NK = steps - 1 - top_NK
    weight_NK = np.take_along_axis(profile_NT, top_NK, axis=1)
    opened_NK = np.take_along_axis(interval.backs(opened_N, steps + lag), top_NK, axis=1)
    rows = zip(ago_NK.tolist(), weight_NK.tolist(), opened_NK.tolist(), strict=True)
    told_N = [tuple(map(Step, *row)) for row in rows]
    for row in np.flatnonzero(reach_N < steps).tolist():
        told_N[row] = tuple(step for step in told_N[row] if step.bars_ago < reach_N[row])
    return told_N


def bytes_of(rows: npt.NDArray[np.float32]) -> list[bytes]:
    """(N, ...) -> the bytes of each row, in C order."""
    whole, size = rows.tobytes(), rows.itemsize * math.prod(rows.shape[1:])
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def _shares(profile_NT: Float32s) -> npt.NDArray[np.float64]:
    return attention.shares(profile_NT, attention.bucket_edges(profile_NT.shape[-1]))
