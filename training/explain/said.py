"""What a model says through each of its outputs, and whether it is as sure as it should be.

N predictions, C classes, W numbers of an output.
"""

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.outputs import Kind, Output
from training.explain.estimate import Draws, Estimate
from training.explain.predictions import Predictions
from training.explain.reads import Doubles, Floats
from training.explain.upward import CHANCES, upward
from training.network.model import PLAIN

BINS: Final = 10
CLAIM: Final = (0.75, 0.85)
"""Claims that say about 80 %."""
QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


class Bin(msgspec.Struct, frozen=True):
    """Predictions that claim about as much: their mean claim, and how often it came."""

    claimed: float
    came: Estimate


class Calibration(msgspec.Struct, frozen=True):
    """Claims beside what came. `predictor`: the model, or the model before its calibration.

    `error`: mean distance of the bins from the diagonal, by their size. `too_sure`: mean claim less the share right.
    """

    predictor: str
    bins: tuple[Bin, ...]
    error: float
    too_sure: Estimate
    about_80: Estimate | None


class Class(msgspec.Struct, frozen=True):
    """One class of an output: how often it was named, came, and both."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int
    named: int


class Said(msgspec.Struct, frozen=True):
    """One output over all predictions. `entropy`: of its probabilities, over the largest there can be.

    `cumulative` and `came_cumulative`: of ordered classes, mean probability and share of lying above each but the last.
    `monotone`: the share of predictions whose cumulative probabilities never rise.
    """

    output: str
    kind: str
    horizon: int
    predictions: int
    mean: float
    deviation: float
    quantiles: dict[str, float]
    right: Estimate | None
    classes: tuple[Class, ...] = ()
    macro_f1: float | None = None
    weighted_f1: float | None = None
    area: float | None = None
    entropy: Estimate | None = None
    cumulative: tuple[float, ...] = ()
    came_cumulative: tuple[float, ...] = ()
    monotone: float | None = None
    covered: dict[str, Estimate] = {}
    calibrations: tuple[Calibration, ...] = ()
    sentences: tuple[str, ...] = ()


def analyse(of: Predictions) -> tuple[Said, ...]:
    """Every output of the model."""
    return tuple(_told(of, output) for output in of.subject.outputs)


def _told(of: Predictions, output: Output) -> Said:
    values, label_N, draws = of.said[output.name], of.samples.target(output), of.draws()
    level_N = values.astype(np.float64) if output.width == 1 else upward(output, values)
    known_N = np.isfinite(label_N)
    quantiles = dict(zip(map(str, QUANTILES), np.quantile(level_N, QUANTILES).tolist(), strict=True))
    kind = str(output.kind)
    one = Said(output.name, kind, output.horizon, len(of), float(level_N.mean()), float(level_N.std()), quantiles, None)
    chances_NC = chances(output, values)
    if chances_NC is not None:
        one = _classes(one, of, output, chances_NC, label_N)
    elif output.kind is Kind.QUANTILES:
        below_NW = label_N[:, None] <= values
        covered = {
            f"{level:g}": draws.mean(below_NW[:, place].astype(np.float64), known_N)
            for place, level in enumerate(output.levels)
        }
        one = msgspec.structs.replace(one, covered=covered if known_N.any() else {})
    elif output.kind is not Kind.DEVIATION:
        moved_N = known_N & (label_N != 0)
        right_N = np.sign(level_N) == np.sign(np.nan_to_num(label_N))
        right = draws.mean(right_N.astype(np.float64), moved_N) if moved_N.any() else None
        one = msgspec.structs.replace(one, right=right)
    return msgspec.structs.replace(one, sentences=_sentences(one))


def chances(output: Output, values: Floats) -> Doubles | None:
    """(N, C): the probability of each class; None where the output claims none."""
    if output.kind is Kind.ORDINAL:
        return values.astype(np.float64)
    if output.kind in CHANCES:
        return np.stack([1 - values.astype(np.float64), values.astype(np.float64)], axis=1)
    return None


def class_names(output: Output) -> tuple[str, ...]:
    """What the classes are called."""
    if output.kind is Kind.ORDINAL:
        return tuple(f"class {level:g}" for level in output.levels)
    return ("down", "up") if output.kind is Kind.DIRECTION else ("no", "yes")


def entropy(chances_NC: Doubles) -> Doubles:
    """(N, C) -> (N,): Shannon entropy over its largest, log C."""
    safe_NC = np.clip(chances_NC, 1e-12, 1.0)
    return np.asarray(-(safe_NC * np.log(safe_NC)).sum(axis=1) / np.log(chances_NC.shape[1]))


def _classes(one: Said, of: Predictions, output: Output, chances_NC: Doubles, label_N: Doubles) -> Said:
    draws, known_N = of.draws(), np.isfinite(label_N)
    one = msgspec.structs.replace(one, entropy=draws.mean(entropy(chances_NC)))
    if output.kind is Kind.ORDINAL:
        above_NC = _above(chances_NC)
        falls_N = (np.diff(above_NC, axis=1) <= 1e-6).all(axis=1)  # noqa: PLR2004 - the rounding of float32
        one = msgspec.structs.replace(
            one, cumulative=tuple(above_NC.mean(axis=0).tolist()), monotone=float(falls_N.mean())
        )
    if not known_N.any():
        return one
    named_N, came_N = chances_NC.argmax(axis=1), np.nan_to_num(label_N).astype(np.int64)
    classes = tuple(
        _class(name, named_N[known_N] == number, came_N[known_N] == number)
        for number, name in enumerate(class_names(output))
    )
    total = sum(known.support for known in classes)
    plain = of.said.get(PLAIN + output.name)
    both = {"model": chances_NC} | ({} if plain is None else {"uncalibrated": chances(output, plain)})
    return msgspec.structs.replace(
        one,
        right=draws.mean((named_N == came_N).astype(np.float64), known_N),
        classes=classes,
        macro_f1=float(np.mean([known.f1 for known in classes])),
        weighted_f1=sum(known.f1 * known.support for known in classes) / total,
        area=_area(chances_NC[known_N, 1], label_N[known_N]) if len(classes) == 2 else None,  # noqa: PLR2004 - yes, no
        came_cumulative=tuple(float((came_N[known_N] > number).mean()) for number in range(len(classes) - 1))
        if output.kind is Kind.ORDINAL
        else (),
        calibrations=tuple(
            _calibration(name, made, came_N, known_N, draws) for name, made in both.items() if made is not None
        ),
    )


def _above(chances_NC: Doubles) -> Doubles:
    """(N, C) -> (N, C - 1): the probability of lying above each class but the last."""
    return np.asarray(1 - chances_NC.cumsum(axis=1)[:, :-1])


def _class(name: str, named_n: npt.NDArray[np.bool_], came_n: npt.NDArray[np.bool_]) -> Class:
    both = int((named_n & came_n).sum())
    precision = both / int(named_n.sum()) if named_n.any() else 0.0
    recall = both / int(came_n.sum()) if came_n.any() else 0.0
    f1 = 2 * precision * recall / (precision + recall) if both else 0.0
    return Class(name, precision, recall, f1, int(came_n.sum()), int(named_n.sum()))


def _area(said_n: Doubles, label_n: Doubles) -> float | None:
    """Chance that an event that came was given more than one that did not; equal ones count half."""
    yes, no = np.sort(said_n[label_n > 0]), np.sort(said_n[label_n == 0])
    if not len(yes) or not len(no):
        return None
    below = np.searchsorted(no, yes, side="left") + np.searchsorted(no, yes, side="right")
    return float(below.mean() / 2 / len(no))


def _calibration(
    name: str, chances_NC: Doubles, came_N: npt.NDArray[np.int64], known_N: npt.NDArray[np.bool_], draws: Draws
) -> Calibration:
    claim_N = chances_NC.max(axis=1)
    right_N = (chances_NC.argmax(axis=1) == came_N).astype(np.float64)
    least = 1 / chances_NC.shape[1]
    place_N = np.clip(((claim_N - least) / (1 - least) * BINS).astype(np.int64), 0, BINS - 1)
    bins, error = [], 0.0
    for number in np.unique(place_N[known_N]).tolist():
        in_N = known_N & (place_N == number)
        one = Bin(float(claim_N[in_N].mean()), draws.mean(right_N, in_N))
        bins.append(one)
        error += abs(one.claimed - one.came.value) * in_N.sum() / known_N.sum()
    about_N = known_N & (claim_N >= CLAIM[0]) & (claim_N < CLAIM[1])
    about = draws.mean(right_N, about_N) if about_N.any() else None
    return Calibration(name, tuple(bins), float(error), draws.mean(claim_N - right_N, known_N), about)


def _sentences(of: Said) -> tuple[str, ...]:
    told = [sentence for one in of.calibrations for sentence in _sure(of.output, one)]
    if of.monotone is not None:
        told.append(
            f"{of.output}: probabilities of lying above a class never rise in {100 * of.monotone:.0f} % of predictions."
        )
    if of.entropy:
        told.append(
            f"{of.output}: entropy is {of.entropy.told(3)} of its largest, 1.000 says that every class is as likely."
        )
    if of.covered:
        shares = ", ".join(f"{level} holds {one.told()}" for level, one in of.covered.items())
        told.append(f"{of.output}: below level {shares}.")
    return tuple(told)


def _sure(output: str, of: Calibration) -> list[str]:
    who = f"{output}, {of.predictor}"
    if not of.too_sure.apart_from_zero:
        word = "is not shown to be surer, or less sure, than it should be"
    else:
        word = "is too sure" if of.too_sure.value > 0 else "is less sure than it could be"
    gap = of.too_sure.told(3, signed=True)
    claims = f"claims {gap} more than it is right, calibration error {of.error:.3f}, n = {of.too_sure.predictions:,}"
    told = [f"{who}: {word}: it {claims}."]
    if of.about_80:
        told.append(
            f"{who}: where it claims about 80 % it is right in {100 * of.about_80.value:.0f} % "
            f"(n = {of.about_80.predictions:,})."
        )
    elif of.predictor == "model":
        told.append(f"{who}: it never claims about 80 %.")
    return told
