"""Where the model looked, as messages tell it. Pure.

N predictions, B buckets, K heaviest steps, T window steps.
"""

from typing import Any, Final

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

_FEW: Final = 16
"""Steps of so few predictions are sooner made one by one than from columns."""


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
    every_N1 = np.arange(len(top_NK))[:, None]
    weight_NK = profile_NT[every_N1, top_NK]
    ago_NK = steps - 1 - top_NK
    there = not len(reach_N) or (ago_NK < reach_N[:, None]).all()
    if there and len(top_NK) > _FEW and opened_at_ms.count(opened_at_ms[0]) == len(opened_at_ms):
        # As a burst has them: so many steps, so many times.
        opened_T = interval.backs(np.array(opened_at_ms[:1]), steps + lag)[0].tolist()
        ago_K, opened_K = form.some_of(list(range(steps)), ago_NK.T), form.some_of(opened_T, top_NK.T)
        return tuple(map(Step, ago_K, map(form.numbers, weight_NK.T.tolist()), opened_K))
    opened_NK = interval.backs(np.array(opened_at_ms), steps + lag)[every_N1, top_NK]
    rows = zip(ago_NK.tolist(), weight_NK.tolist(), opened_NK.tolist(), strict=True)
    told = [tuple(map(Step, *row)) for row in rows]
    if not there:
        reaches = reach_N.tolist()
        told = [tuple(one for one in row if one.bars_ago < reach) for row, reach in zip(told, reaches, strict=True)]
    return form.each(told)


def _shares(profile_NT: Float32s) -> Floats:
    return attention.shares(profile_NT, attention.bucket_edges(profile_NT.shape[-1]))
