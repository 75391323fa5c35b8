"""Where the model looked, as messages tell it. Pure."""

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
    steps = profile_NT.shape[-1]
    entropy_N = over(attention.normalised_entropy, profile_NT, reach_N).tolist()
    concentration_N = over(attention.concentration, profile_NT, reach_N).tolist()
    shares_NB = over(_shares, profile_NT, reach_N).tolist()
    top_NK = attention.top_steps(profile_NT, top)
    heaviest_NK = np.take_along_axis(profile_NT, top_NK, axis=1).tolist()
    ago_NK = steps - 1 - top_NK
    opened_NT = interval.backs(opened_N, steps + lag)
    ago, opened = ago_NK.tolist(), np.take_along_axis(opened_NT, top_NK, axis=1).tolist()
    sent = np.ascontiguousarray(travels(weights), "<f4")
    return [
        Gaze(
            entropy=entropy_N[row],
            concentration=concentration_N[row],
            shares=tuple(shares_NB[row]),
            top=tuple(
                Step(*one) for one in zip(ago[row], heaviest_NK[row], opened[row], strict=True) if one[0] < reach_N[row]
            ),
            weights=sent[row].tobytes(),
            shape=sent.shape[1:],
        )
        for row in range(len(sent))
    ]


def _shares(profile_NT: Float32s) -> npt.NDArray[np.float64]:
    return attention.shares(profile_NT, attention.bucket_edges(profile_NT.shape[-1]))
