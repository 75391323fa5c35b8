"""Two features that meet where a model looks: one unusual at the heaviest step, another at the bar before.

Of so many pairs some meet by chance: a pair is chosen on the first half of the time and told only if the second half
confirms it. n predictions, T steps, C conditions: each feature high, then each feature low.
"""

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core import attention
from training.explain.estimate import Draws, Estimate
from training.explain.reads import Doubles, Floats, Rows

UNUSUAL: Final = 1.0
"""Deviations from usual, beyond which a feature is high or low."""
FEWEST: Final = 20
"""Predictions of a half in which a pair must meet."""


class Together(msgspec.Struct, frozen=True):
    """The pair. `elsewhere`: how often the two meet at any two steps in a row; `meets` is of the second half alone."""

    at_heaviest: str
    before: str
    meets: Estimate
    elsewhere: float

    @property
    def sentence(self) -> str:
        """In words."""
        return (
            f"Where it looks most, {self.at_heaviest} and, one bar before, {self.before}: in "
            f"{100 * self.meets.value:.1f} % of predictions, {self.meets.value / self.elsewhere:.1f} times as often as "
            f"elsewhere (chosen on the first half of time, confirmed on the second: n = {self.meets.predictions:,})."
        )


def find(names: tuple[str, ...], weights_nT: Floats, away_nTF: Floats, reach_n: Rows, draws: Draws) -> Together | None:
    """The pair that meets at the heaviest step most times as often as elsewhere; None if no pair is confirmed."""
    rows, steps = weights_nT.shape
    top_n = attention.top_steps(weights_nT, 1)[:, 0]
    there_n = top_n > steps - reach_n
    met_nTC = np.concatenate([away_nTF > UNUSUAL, away_nTF < -UNUSUAL], axis=2)
    at_nC = met_nTC[np.arange(rows), top_n]
    before_nC = met_nTC[np.arange(rows), np.maximum(top_n - 1, 0)] & there_n[:, None]
    first_n = (np.arange(rows) < rows // 2) & there_n
    count_CC = _pairs(at_nC[first_n], before_nC[first_n])
    elsewhere_CC = _elsewhere(met_nTC, reach_n)
    share_CC = count_CC / max(int(first_n.sum()), 1)
    lift_CC = np.divide(share_CC, elsewhere_CC, out=np.zeros_like(share_CC), where=elsewhere_CC > 0)
    lift_CC[count_CC < FEWEST] = 0.0
    if not (lift_CC > 1).any():
        return None
    at, before = np.unravel_index(int(lift_CC.argmax()), lift_CC.shape)
    second_n = ~(np.arange(rows) < rows // 2) & there_n
    meets = draws.mean((at_nC[:, at] & before_nC[:, before]).astype(np.float64), second_n)
    usual = float(elsewhere_CC[at, before])
    if meets.low is None or meets.low <= usual:
        return None
    said = [f"{name} is high" for name in names] + [f"{name} is low" for name in names]
    return Together(said[at], said[before], meets, usual)


def _pairs(at: npt.NDArray[np.bool_], before: npt.NDArray[np.bool_]) -> Doubles:
    """(m, C) twice -> (C, C): how often each two conditions hold together."""
    return np.asarray(at.T.astype(np.float32) @ before.astype(np.float32), np.float64)


def _elsewhere(met_nTC: npt.NDArray[np.bool_], reach_n: Rows) -> Doubles:
    """(C, C): the share of steps in a row at which each two conditions hold."""
    steps = met_nTC.shape[1]
    there_nT = np.arange(1, steps) > steps - reach_n[:, None]
    return _pairs(met_nTC[:, 1:][there_nT], met_nTC[:, :-1][there_nT]) / max(int(there_nT.sum()), 1)
