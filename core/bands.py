"""How far the outcome may lie from what a model says: split-conformal bands of stated coverage.

A margin is a quantile of how far outcomes lay from what the model said on bars it was not trained on. A band is what a
model says with the margin to either side. Of a probability it holds the event's number, 1 or 0, or both.
N predictions, W numbers of an output, C coverages.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.outputs import Kind, Output

LIMITS: Final[dict[Kind, tuple[float, float]]] = {
    Kind.PROBABILITY: (0.0, 1.0),
    Kind.DIRECTION: (0.0, 1.0),
    Kind.TREND: (-1.0, 1.0),
}
"""Between which an outcome lies anyway."""

BANDED: Final = frozenset({Kind.RETURN, Kind.QUANTILES, *LIMITS})
"""The kinds of output that have bands."""


# gc=False: plain data holds no cycle, and a burst makes tens of thousands of these.
class Band(msgspec.Struct, frozen=True, gc=False):
    """Of so many outcomes in all, `coverage` lay between `low` and `high` where that was measured."""

    coverage: float
    low: float
    high: float


class Margin(msgspec.Struct, frozen=True):
    """What makes the bands of one output at one coverage, and of how many outcomes it was learned.

    Of quantiles it lies outside the outer two, and is below zero where those held more than they had to.
    """

    output: str
    coverage: float
    value: float
    outcomes: int


def edges(
    output: Output, said_NW: npt.NDArray[np.floating], margin: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(N,) or (N, W) -> low and high, (N,) each."""
    wide_NW = said_NW.astype(np.float64).reshape(len(said_NW), -1)
    low_N, high_N = wide_NW[:, 0] - margin, wide_NW[:, -1] + margin
    # Quantiles that are drawn in by more than lies between them meet in the middle.
    crossed_N = low_N > high_N
    middle_N = (low_N + high_N) / 2
    least, most = LIMITS.get(output.kind, (-np.inf, np.inf))
    low_N, high_N = (np.where(crossed_N, middle_N, edge_N).clip(least, most) for edge_N in (low_N, high_N))
    return low_N, high_N


def bands(
    outputs: Iterable[Output], margins: Sequence[Margin], said: Mapping[str, npt.NDArray[np.floating]]
) -> list[dict[str, tuple[Band, ...]]]:
    """What to say of N predictions: the bands of each output that has margins, narrowest first."""
    named = {one.name: [margin for margin in margins if margin.output == one.name] for one in outputs}
    banded = [(one, named[one.name]) for one in outputs if named[one.name]]
    rows = zip(*(_of_one(one, said[one.name], few) for one, few in banded), strict=True)
    return [dict(zip((one.name for one, _ in banded), row, strict=True)) for row in rows]


def _of_one(output: Output, said_NW: npt.NDArray[np.floating], margins: Sequence[Margin]) -> Iterable[tuple[Band, ...]]:
    each = []
    for margin in margins:
        low_N, high_N = edges(output, said_NW, margin.value)
        coverage = margin.coverage
        each.append([Band(coverage, low, high) for low, high in zip(low_N.tolist(), high_N.tolist(), strict=True)])
    return zip(*each, strict=True)
