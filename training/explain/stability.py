"""Trained again from another seed, does it look at the same steps? N predictions, T steps, S runs.

Each prediction's look in one run is held against the same prediction's in another; the yardstick is the look at another
prediction, for two looks are alike already where both usually lie at the newest bars.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from core import attention
from core.errors import DataError
from training.data.dataset import Samples, spread
from training.explain.estimate import Estimate
from training.explain.predictions import Predictions, Watch, predict
from training.explain.reliability import rank_correlation
from training.explain.subject import Subject

PREDICTIONS: Final = 2_000


class Stability(msgspec.Struct, frozen=True):
    """One attention over runs that differ in their seed. `overlaps`: of every two runs, the mean over predictions."""

    attention: str
    runs: tuple[str, ...]
    overlap: Estimate
    another: Estimate
    rank_correlation: Estimate
    same_heaviest_step: Estimate
    forecast_correlation: float
    overlaps: tuple[tuple[float, ...], ...]
    profiles: tuple[tuple[float, ...], ...]

    @property
    def sentence(self) -> str:
        """In words."""
        gained = self.overlap.value - self.another.value
        steady = gained > (1 - self.another.value) / 2
        verdict = "is the same whatever the seed" if steady else "hangs on the seed"
        return (
            f"Where single predictions look {verdict}: over {len(self.runs)} trainings two looks at one prediction "
            f"share {100 * self.overlap.value:.0f} % of their weight, looks at two predictions "
            f"{100 * self.another.value:.0f} %; rank correlation {self.rank_correlation.told()}, the same heaviest "
            f"step in {100 * self.same_heaviest_step.value:.0f} % (n = {self.overlap.predictions:,}); "
            f"their forecasts correlate by {self.forecast_correlation:.2f}."
        )


def compare(of: Predictions, others: Sequence[Subject], watch: Watch) -> tuple[Stability, ...]:
    """Every attention of this run beside those of others on the same windows.

    Raises: DataError: another run is of other inputs, outputs or attentions.
    """
    rows = spread(len(of), PREDICTIONS)
    some = Samples(of.panel, of.samples.ends_N[rows])
    told = [_some(of, some)]
    for done, other in enumerate(others, 1):
        if (other.inputs, other.attentions, other.outputs) != (
            of.subject.inputs,
            of.subject.attentions,
            of.subject.outputs,
        ):
            raise DataError(
                f"{other.folder} is not of the same recipe as {of.subject.folder}; try: runs of other seeds"
            )
        told.append(predict(other, some, of.output, lambda _: None))
        watch(done / len(others))
    return tuple(_stability(told, number) for number in range(len(of.looks)))


def _some(of: Predictions, some: Samples) -> Predictions:
    return of if len(some) == len(of) else predict(of.subject, some, of.output, lambda _: None)


def _stability(told: Sequence[Predictions], number: int) -> Stability:
    looks = [one.looks[number] for one in told]
    pairs = [(one, other) for other in range(len(told)) for one in range(other)]
    draws, half = told[0].draws(), len(told[0]) // 2
    same, apart, ranks, tops, matrix = [], [], [], [], np.eye(len(told))
    for one, other in pairs:
        first, second = looks[one].profile_NT, looks[other].profile_NT
        overlap_N = attention.overlap(first, second)
        same.append(overlap_N)
        # Half the predictions away, another's window shares no bar with this one, or few.
        apart.append(attention.overlap(first, np.roll(second, half, axis=0)))
        ranks.append(rank_correlation(first, second.astype(np.float64)))
        tops.append(attention.top_steps(first, 1)[:, 0] == attention.top_steps(second, 1)[:, 0])
        matrix[one, other] = matrix[other, one] = overlap_N.mean()
    forecasts = np.atleast_2d(np.corrcoef(np.stack([one.forecast_N for one in told])))
    return Stability(
        looks[0].attention.name,
        tuple(one.subject.folder.name for one in told),
        draws.mean(np.mean(same, axis=0)),
        draws.mean(np.mean(apart, axis=0)),
        draws.mean(np.mean(ranks, axis=0)),
        draws.mean(np.mean(tops, axis=0)),
        float(np.mean([forecasts[pair] for pair in pairs])),
        tuple(map(tuple, matrix.tolist())),
        tuple(tuple(look.profile_NT.mean(axis=0, dtype=np.float64).tolist()) for look in looks),
    )
