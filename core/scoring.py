"""What predictions were worth once their outcome is known, at one close over all symbols, beside plain baselines. Pure.

One close gives one number of each measure: symbols that move together are no independent witnesses. Comparisons are
from -1 to 1, above zero where the model does better, so that evidence can be gathered without assuming how returns are
distributed. Shapes: N symbols, W numbers of an output.
"""

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.outputs import Kind, Output

Floats = npt.NDArray[np.float64]

FEWEST: Final = 5
"""Symbols below which a rank correlation says nothing."""
SCORED: Final = (Kind.RETURN, Kind.DIRECTION, Kind.TREND, Kind.QUANTILES)
"""The kinds whose outcome the closes alone tell."""
BETTER: Final = {
    Kind.RETURN: "skill over zero",
    Kind.QUANTILES: "skill over zero",
    Kind.DIRECTION: "skill over the base rate",
    Kind.TREND: "accuracy over the majority",
}
"""The comparison by which an output is better than nothing."""
_RANGES: Final = {"accuracy": (0.0, 1.0), "brier": (0.0, 1.0)}


class Outcome(msgspec.Struct, frozen=True):
    """`said` (N, W) of an output, the log return that came of it `came` (N,), and the one before it `before` (N,).

    `rising`: how often the close had risen in all outcomes before. NaN where the return before is not known.
    """

    said: Floats
    came: Floats
    before: Floats
    rising: float


def bounds(measure: str) -> tuple[float, float]:
    """Between what a measure lies; errors of returns lie anywhere."""
    return _RANGES.get(measure, (0.0, 1.0) if measure.startswith("coverage") else (-1.0, 1.0))


def measures(output: Output, outcome: Outcome) -> dict[str, float]:
    """Every bounded measure of one close."""
    said_N = _middle(output, outcome.said)
    up_N = _up(outcome.came)
    majority = 1.0 if outcome.rising >= 1 / 2 else 0.0
    centre = 0.5 if output.kind is Kind.DIRECTION else 0.0
    right = float(_agree(said_N - centre, outcome.came).mean())
    told = {"accuracy": right, "accuracy over the majority": right - float(1 - np.abs(up_N - majority).mean())}
    if output.kind is Kind.DIRECTION:
        brier = float(((said_N - up_N) ** 2).mean())
        told["brier"] = brier
        told["skill over the base rate"] = float(((outcome.rising - up_N) ** 2).mean()) - brier
    elif output.kind in (Kind.RETURN, Kind.QUANTILES):
        error = float(np.abs(outcome.came - said_N).mean())
        told["skill over zero"] = _skill(float(np.abs(outcome.came).mean()), error)
        known_N = np.isfinite(outcome.before)
        if known_N.all():
            told["skill over persistence"] = _skill(float(np.abs(outcome.came - outcome.before).mean()), error)
    if len(said_N) >= FEWEST:
        told["ic"] = _rank_correlation(said_N, outcome.came)
    return told


def errors(output: Output, outcome: Outcome) -> dict[str, float]:
    """Mean absolute errors, which have no bound, of the model and of forecasting zero."""
    if output.kind not in (Kind.RETURN, Kind.QUANTILES):
        return {}
    said_N = _middle(output, outcome.said)
    return {"mae": float(np.abs(outcome.came - said_N).mean()), "mae of zero": float(np.abs(outcome.came).mean())}


def loss(output: Output, outcome: Outcome) -> float:
    """What two models are compared by: Brier's score of a direction, the share of wrong signs of a trend, else MAE."""
    if output.kind is Kind.DIRECTION:
        return measures(output, outcome)["brier"]
    if output.kind is Kind.TREND:
        return 1 - measures(output, outcome)["accuracy"]
    return errors(output, outcome)["mae"]


def better(loss_before: float, loss_now: float) -> float:
    """From -1 to 1: how much less the second loss is, as a share of both."""
    return _skill(loss_before, loss_now)


def _skill(baseline: float, model: float) -> float:
    both = baseline + model
    return (baseline - model) / both if both > 0 else 0.0


def _middle(output: Output, said_NW: Floats) -> Floats:
    middle: Floats = said_NW[:, said_NW.shape[1] // 2] if output.kind is Kind.QUANTILES else said_NW[:, 0]
    return middle


def _up(came_N: Floats) -> Floats:
    """1 where the close rose, 0 where it fell, a half where it stayed."""
    return np.asarray((np.sign(came_N) + 1) / 2)


def _agree(said_N: Floats, came_N: Floats) -> Floats:
    """1 where the signs agree, 0 where they do not, a half where one of them is none."""
    return np.asarray((np.sign(said_N) * np.sign(came_N) + 1) / 2)


def _rank_correlation(first_N: Floats, second_N: Floats) -> float:
    ranks = [_ranks(values) - (len(values) - 1) / 2 for values in (first_N, second_N)]
    scale = float(np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    return float((ranks[0] * ranks[1]).sum()) / scale if scale else 0.0


def _ranks(values_N: Floats) -> Floats:
    """Ranks from 0, equal values sharing the mean of theirs."""
    _, which_N, count = np.unique(values_N, return_inverse=True, return_counts=True)
    last = np.cumsum(count) - 1
    return np.asarray((last - (count - 1) / 2)[which_N])
