"""Where the model looked, as messages tell it. Pure.

N predictions, B buckets, K heaviest steps, T window steps.
"""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from core import attention
from core.bars import Interval
from core.drift.statistics import travels
from core.inputs import Counts
from core.prediction import Gaze, Step
from core.reach import over
from daemon.ports import Float32s
from daemon.predicting.words import Form, raw

Floats = npt.NDArray[np.float64]


class Looks(msgspec.Struct, frozen=True):
    """How N predictions looked at their windows: what core.prediction.Gaze tells of each in numbers."""

    entropy_N: Floats
    concentration_N: Floats
    shares_NB: Floats

    def of(self, some: list[bool]) -> "Looks":
        """Those of them that are marked so."""
        return Looks(self.entropy_N[some], self.concentration_N[some], self.shares_NB[some])


def gazes(
    form: Form, weights: Float32s, opened_at_ms: list[int], top: int, interval: Interval, lag: int, reach_N: Counts
) -> tuple[Gaze, Looks]:
    """(N, ..., T) -> one look for each prediction. `opened_at_ms`: its bar; `lag`: how many bars before it T ends.

    `reach_N`: how many of the T steps are there, the newest, where not all are; each look is told over these.
    """
    profile_NT = attention.profile(weights)
    looks = Looks(
        over(attention.normalised_entropy, profile_NT, reach_N),
        over(attention.concentration, profile_NT, reach_N),
        over(_shares, profile_NT, reach_N),
    )
    sent = travels(weights)
    shares: Any = tuple(map(form.numbers, looks.shares_NB.T.tolist()))
    gaze = Gaze(
        entropy=form.numbers(looks.entropy_N.tolist()),
        concentration=form.numbers(looks.concentration_N.tolist()),
        shares=shares,
        top=_heaviest(form, profile_NT, top, opened_at_ms, interval, lag, reach_N),
        weights=form.base64(raw(sent)),
        shape=sent.shape[1:],
    )
    return gaze, looks


def _heaviest(
    form: Form, profile_NT: Float32s, top: int, opened_at_ms: list[int], interval: Interval, lag: int, reach_N: Counts
) -> Any:
    """The heaviest steps of each profile, of those that are there."""
    steps = profile_NT.shape[-1]
    top_NK = attention.top_steps(profile_NT, top)
    ago_NK = steps - 1 - top_NK
    row_N1 = np.arange(len(top_NK))[:, None]
    weight_NK = profile_NT[row_N1, top_NK]
    together = opened_at_ms.count(opened_at_ms[0]) == len(opened_at_ms)
    opened_nT = interval.backs(np.array(opened_at_ms[:1] if together else opened_at_ms), steps + lag)
    there = not len(reach_N) or (ago_NK < reach_N[:, None]).all()
    if there and together:
        # As a burst has them: so many steps, so many times.
        ago_K, opened_K = form.some_of(list(range(steps)), ago_NK.T), form.some_of(opened_nT[0].tolist(), top_NK.T)
        return tuple(map(Step, ago_K, map(form.numbers, weight_NK.T.tolist()), opened_K))
    opened_NK = np.broadcast_to(opened_nT, (len(top_NK), steps + lag))[row_N1, top_NK]
    if there:
        columns = zip(ago_NK.T.tolist(), weight_NK.T.tolist(), opened_NK.T.tolist(), strict=True)
        return tuple(Step(*map(form.numbers, column)) for column in columns)
    rows = zip(ago_NK.tolist(), weight_NK.tolist(), opened_NK.tolist(), reach_N.tolist(), strict=True)
    return form.each([tuple(step for step in map(Step, *row) if step.bars_ago < reach) for *row, reach in rows])


def _shares(profile_NT: Float32s) -> Floats:
    return attention.shares(profile_NT, attention.bucket_edges(profile_NT.shape[-1]))
