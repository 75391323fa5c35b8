"""What predictions were worth once their outcome is known, at one close over all symbols, beside plain baselines. Pure.

One close gives one number of each measure: symbols that move together are no independent witnesses. Comparisons are
from -1 to 1, above zero where the model does better, so that evidence can be gathered without assuming how returns are
distributed. Shapes: N symbols, W numbers of an output, U numbers of its baseline.
"""

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.outputs import Kind, Output

Floats = npt.NDArray[np.float64]

FEWEST: Final = 5
"""Symbols below which a rank correlation says nothing."""
USUAL_BARS: Final = 20
"""Returns of one bar whose deviation a trend is told in."""
BETTER: Final = {
    Kind.RETURN: "skill over zero",
    Kind.QUANTILES: "skill over zero",
    Kind.DIRECTION: "skill over the base rate",
    Kind.PROBABILITY: "skill over the base rate",
    Kind.ORDINAL: "skill over the base rate",
    Kind.TREND: "accuracy over the majority",
    Kind.DEVIATION: "skill over the usual size",
}
"""The comparison by which an output is better than nothing."""
_EVENTS: Final = (Kind.DIRECTION, Kind.PROBABILITY)
_SHARES: Final = ("accuracy", "brier", "ranked probability score")


class Course(msgspec.Struct, frozen=True):
    """Prices of N symbols: the close `then`, when it was said, `now`, as it matured, and as long `before`.

    `highest` of the bars in between; `usual`: deviation of the USUAL_BARS returns up to `then`. NaN: not known.
    """

    then: Floats
    now: Floats
    before: Floats
    highest: Floats
    usual: Floats


class Outcome(msgspec.Struct, frozen=True):
    """`said` (N, W) of an output, what `came` of it (N,) in its own terms, and the log return `before` (N,), or NaN.

    `usual` (U,): the baseline, learned of all outcomes before; NaN before the first.
    """

    said: Floats
    came: Floats
    before: Floats
    usual: Floats


def came(output: Output, course: Course) -> Floats:
    """(N,): what an output foretold, as it came; NaN where that cannot be known or, in a dead zone, is neither."""
    moved_N = np.log(course.now / course.then)
    if output.kind is Kind.DIRECTION:
        dead = output.edges[0] if output.edges else 0.0
        return np.where(np.abs(moved_N) > dead, (moved_N > 0).astype(np.float64), np.nan)
    if output.kind is Kind.PROBABILITY:
        if not output.edges:
            return np.full(len(moved_N), np.nan)
        rose_N = course.highest > course.then * (1 + output.edges[0])
        return np.where(np.isfinite(course.highest), rose_N.astype(np.float64), np.nan)
    if output.kind is Kind.ORDINAL:
        known = len(output.edges) + 1 == output.width
        return np.digitize(moved_N, output.edges).astype(np.float64) if known else np.full(len(moved_N), np.nan)
    if output.kind is Kind.TREND:
        usual_N = course.usual * np.sqrt(output.horizon)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(usual_N > 0, np.tanh(moved_N / usual_N), np.nan)
    return np.asarray(moved_N)


def occurred(output: Output, came_N: Floats) -> Floats:
    """(U,): what one close adds to the baseline: the share of rises, events or each class, or the mean square."""
    if output.kind is Kind.ORDINAL:
        return np.bincount(came_N.astype(np.int64), minlength=output.width) / len(came_N)
    if output.kind is Kind.DEVIATION:
        return np.array([(came_N**2).mean()])
    return np.array([came_N.mean() if output.kind in _EVENTS else (came_N > 0).mean()])


def bounds(measure: str) -> tuple[float, float]:
    """Between what a measure lies; errors of returns lie anywhere."""
    return (0.0, 1.0) if measure in _SHARES or measure.startswith("coverage") else (-1.0, 1.0)


def measures(output: Output, outcome: Outcome) -> dict[str, float]:
    """Every bounded measure of one close."""
    if output.kind is Kind.ORDINAL:
        return _of_classes(outcome)
    if output.kind is Kind.DEVIATION:
        return _of_sizes(outcome)
    said_N = _middle(output, outcome.said)
    centre = 0.5 if output.kind in _EVENTS else 0.0
    up_N = _up(outcome.came - centre)
    base = _base(outcome)
    right = float(_agree(said_N - centre, outcome.came - centre).mean())
    majority = 1.0 if base >= 1 / 2 else 0.0
    told = {"accuracy": right, "accuracy over the majority": right - float(1 - np.abs(up_N - majority).mean())}
    if output.kind in _EVENTS:
        told["brier"] = brier = float(((said_N - up_N) ** 2).mean())
        told["skill over the base rate"] = float(((base - up_N) ** 2).mean()) - brier
    else:
        told |= _of_numbers(output, outcome, said_N)
    if output.kind is Kind.QUANTILES:
        inside_N = (outcome.said[:, 0] <= outcome.came) & (outcome.came <= outcome.said[:, -1])
        told["coverage of the outer quantiles"] = float(inside_N.mean())
    return told | _ranked(said_N, outcome.came)


def errors(output: Output, outcome: Outcome) -> dict[str, float]:
    """Errors in the outcome's own unit, which have no bound: of the model and of its plainest baseline."""
    if output.kind is Kind.DEVIATION:
        size_N, usual = _sizes(outcome)
        return {"crps": _crps(size_N, outcome.came), "crps of the usual size": _crps(usual, outcome.came)}
    if output.kind in (*_EVENTS, Kind.ORDINAL):
        return {}
    said_N = _middle(output, outcome.said)
    return {"mae": float(np.abs(outcome.came - said_N).mean()), "mae of zero": float(np.abs(outcome.came).mean())}


def loss(output: Output, outcome: Outcome) -> float:
    """What two models are compared by: a proper score where an output has one, of a trend the share of wrong signs."""
    if output.kind in _EVENTS:
        return measures(output, outcome)["brier"]
    if output.kind is Kind.ORDINAL:
        return measures(output, outcome)["ranked probability score"]
    if output.kind is Kind.TREND:
        return 1 - measures(output, outcome)["accuracy"]
    return errors(output, outcome)["crps" if output.kind is Kind.DEVIATION else "mae"]


def better(loss_before: float, loss_now: float) -> float:
    """From -1 to 1: how much less the second loss is, as a share of both."""
    return _skill(loss_before, loss_now)


def _of_numbers(output: Output, outcome: Outcome, said_N: Floats) -> dict[str, float]:
    error = float(np.abs(outcome.came - said_N).mean())
    told = {"skill over zero": _skill(float(np.abs(outcome.came).mean()), error)}
    if output.kind is not Kind.TREND and np.isfinite(outcome.before).all():
        told["skill over persistence"] = _skill(float(np.abs(outcome.came - outcome.before).mean()), error)
    return told


def _of_classes(outcome: Outcome) -> dict[str, float]:
    """Of (N, W) probabilities of ordered classes."""
    class_N, width = outcome.came.astype(np.int64), outcome.said.shape[1]
    base_W = outcome.usual if np.isfinite(outcome.usual).all() else np.full(width, 1 / width)
    right = float((outcome.said.argmax(axis=1) == class_N).mean())
    score = _ranked_probability(outcome.said, class_N)
    return {
        "accuracy": right,
        "accuracy over the majority": right - float((class_N == base_W.argmax()).mean()),
        "ranked probability score": score,
        "skill over the base rate": _ranked_probability(base_W[np.newaxis], class_N) - score,
    }


def _of_sizes(outcome: Outcome) -> dict[str, float]:
    """Of (N, 1) deviations, each that of a normal return around zero."""
    size_N, usual = _sizes(outcome)
    skill = _skill(_crps(usual, outcome.came), _crps(size_N, outcome.came))
    inside = float((np.abs(outcome.came) <= size_N).mean())
    told = {"skill over the usual size": skill, "coverage of one deviation": inside}
    return told | _ranked(size_N, np.abs(outcome.came))


def _sizes(outcome: Outcome) -> tuple[Floats, Floats]:
    size_N = np.maximum(outcome.said[:, 0], 1e-12)
    known = bool(np.isfinite(outcome.usual).all()) and float(outcome.usual[0]) > 0
    return size_N, np.full(len(size_N), math.sqrt(float(outcome.usual[0]))) if known else size_N


def _crps(size_N: Floats, came_N: Floats) -> float:
    """Continuous ranked probability score of normal forecasts around zero (Gneiting and Raftery 2007), on average."""
    z_N = came_N / size_N
    inside_N = np.array([math.erf(z / math.sqrt(2)) for z in z_N.tolist()])
    density_N = np.exp(-(z_N**2) / 2) / math.sqrt(2 * math.pi)
    return float((size_N * (z_N * inside_N + 2 * density_N - 1 / math.sqrt(math.pi))).mean())


def _ranked_probability(said_NW: Floats, class_N: npt.NDArray[np.int64]) -> float:
    """Ranked probability score from 0 to 1 (Epstein 1969), on average."""
    below_NW = class_N[:, np.newaxis] <= np.arange(said_NW.shape[1] - 1)
    return float(((said_NW.cumsum(axis=1)[:, :-1] - below_NW) ** 2).mean())


def _base(outcome: Outcome) -> float:
    return float(outcome.usual[0]) if np.isfinite(outcome.usual).all() else 0.5


def _skill(baseline: float, model: float) -> float:
    both = baseline + model
    return (baseline - model) / both if both > 0 else 0.0


def _middle(output: Output, said_NW: Floats) -> Floats:
    middle: Floats = said_NW[:, said_NW.shape[1] // 2] if output.kind is Kind.QUANTILES else said_NW[:, 0]
    return middle


def _up(came_N: Floats) -> Floats:
    """1 where it lies above zero, 0 where below, a half where it is zero."""
    return np.asarray((np.sign(came_N) + 1) / 2)


def _agree(said_N: Floats, came_N: Floats) -> Floats:
    """1 where the signs agree, 0 where they do not, a half where one of them is none."""
    return np.asarray((np.sign(said_N) * np.sign(came_N) + 1) / 2)


def _ranked(first_N: Floats, second_N: Floats) -> dict[str, float]:
    """The rank correlation, where there are symbols to rank."""
    if len(first_N) < FEWEST:
        return {}
    ranks = [_ranks(values) - (len(values) - 1) / 2 for values in (first_N, second_N)]
    scale = float(np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    return {"ic": float((ranks[0] * ranks[1]).sum()) / scale if scale else 0.0}


def _ranks(values_N: Floats) -> Floats:
    """Ranks from 0, equal values sharing the mean of theirs."""
    _, which_N, count = np.unique(values_N, return_inverse=True, return_counts=True)
    last = np.cumsum(count) - 1
    return np.asarray((last - (count - 1) / 2)[which_N])
