"""How far the outcome may lie from what a model says: split-conformal bands of stated coverage.

A margin is a quantile of how far outcomes lay from what the model said on bars it was not trained on. A band is what a
model says with the margin to either side. Of a probability it holds the event's number, 1 or 0, or both; of ordered
classes it goes from the first to the last that is not ruled out; of a deviation it lies around no move, so many
deviations wide.
N predictions, W numbers of an output.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.outputs import Kind, Output

Floats = npt.NDArray[np.float64]

LIMITS: Final[dict[Kind, tuple[float, float]]] = {
    Kind.PROBABILITY: (0.0, 1.0),
    Kind.DIRECTION: (0.0, 1.0),
    Kind.TREND: (-1.0, 1.0),
}
"""Between which an outcome lies anyway."""


# gc=False: plain data holds no cycle, and who reads a burst makes tens of thousands of these.
class Band(msgspec.Struct, frozen=True, gc=False):
    """Of so many outcomes in all, `coverage` lay between `low` and `high` where that was measured."""

    coverage: float
    low: float
    high: float


class Bands(msgspec.Struct, frozen=True):
    """The same of N predictions: (N,) each."""

    coverage: float
    low_N: Floats
    high_N: Floats


class Margin(msgspec.Struct, frozen=True):
    """What makes the bands of one output at one coverage, and of how many outcomes it was learned.

    Of quantiles it lies outside the outer two, and is below zero where those held more than they had to. Of a deviation
    it counts deviations, of ordered classes how much of the probability lies between a class and the middle.
    """

    output: str
    coverage: float
    value: float
    outcomes: int


def beyond(output: Output, said_NW: npt.NDArray[np.floating], came_N: Floats) -> Floats:
    """(N,) or (N, W), and (N,) -> (N,): the margin that would just have held each outcome.

    Of quantiles below zero where the outcome lies inside the outer two.
    """
    wide_NW = _wide(said_NW)
    if output.kind is Kind.DEVIATION:
        return np.asarray(np.abs(came_N) / wide_NW[:, 0])
    if output.kind is Kind.ORDINAL:
        return np.asarray(_from_middle(wide_NW)[np.arange(len(came_N)), came_N.astype(np.int64)])
    return np.maximum(wide_NW[:, 0] - came_N, came_N - wide_NW[:, -1])


def edges(output: Output, said_NW: npt.NDArray[np.floating], margin: float) -> tuple[Floats, Floats]:
    """(N,) or (N, W) -> low and high, (N,) each."""
    wide_NW = _wide(said_NW)
    if output.kind is Kind.ORDINAL:
        return _classes(wide_NW, margin)
    if output.kind is Kind.DEVIATION:
        reach_N = max(margin, 0.0) * wide_NW[:, 0]
        return -reach_N, reach_N
    low_N, high_N = wide_NW[:, 0] - margin, wide_NW[:, -1] + margin
    # Quantiles that are drawn in by more than lies between them meet in the middle.
    crossed_N = low_N > high_N
    middle_N = (low_N + high_N) / 2
    least, most = LIMITS.get(output.kind, (-np.inf, np.inf))
    low_N, high_N = (np.where(crossed_N, middle_N, edge_N).clip(least, most) for edge_N in (low_N, high_N))
    return low_N, high_N


def _classes(chance_NC: Floats, margin: float) -> tuple[Floats, Floats]:
    """The first and the last class that lies so near the middle of the probability; the nearest always does."""
    away_NC = _from_middle(chance_NC)
    inside_NC = away_NC <= np.maximum(margin, away_NC.min(axis=1, keepdims=True))
    last = inside_NC.shape[1] - 1
    return inside_NC.argmax(axis=1).astype(np.float64), (last - inside_NC[:, ::-1].argmax(axis=1)).astype(np.float64)


def _from_middle(chance_NC: Floats) -> Floats:
    """(N, C): how much of the probability lies between the middle of each class and one half."""
    return np.abs(chance_NC.cumsum(axis=1) - chance_NC / 2 - 0.5)


def _wide(said_NW: npt.NDArray[np.floating]) -> Floats:
    return said_NW.astype(np.float64).reshape(len(said_NW), -1)


def bands(
    outputs: Iterable[Output], margins: Sequence[Margin], said: Mapping[str, npt.NDArray[np.floating]]
) -> dict[str, list[Bands]]:
    """What to say of N predictions: the bands of each output that has margins, narrowest first."""
    named = {margin.output for margin in margins}
    return {
        one.name: [
            Bands(margin.coverage, *edges(one, said[one.name], margin.value))
            for margin in margins
            if margin.output == one.name
        ]
        for one in outputs
        if one.name in named
    }
