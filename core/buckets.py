"""Windows that expand, cut to the smallest of several lengths that holds what is there of each.

Shapes: N windows, T steps of the longest, B steps of a bucket, F features. What is lacking comes first and is NaN; in a
bucket rows are there from the left, zeros behind them, and how many there are is an input of its own.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

LENGTHS: Final = "lengths"
"""The graph's input that says how many rows of each window are there, (N,) int64."""

Outputs = dict[str, npt.NDArray[np.float32]]
Graph = Callable[[dict[str, npt.NDArray[Any]]], Outputs]


def buckets_of(length: int, minimum: int) -> tuple[int, ...]:
    """An eighth, a quarter, half and the whole of the longest window, but for those that none would fit in."""
    return tuple(length // share for share in (8, 4, 2, 1) if length // share >= minimum)


def lengths(x_NTF: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """(N,): how many rows are there, counted back from the newest; one at the least."""
    lacking_NT: npt.NDArray[np.bool_] = np.logical_or.reduce(np.isnan(x_NTF), axis=2)
    there_N: npt.NDArray[np.int64] = np.argmax(np.flip(lacking_NT, axis=1), axis=1).astype(np.int64)
    return np.maximum(np.where(lacking_NT[:, 0], there_N, x_NTF.shape[1]), 1)


def run(graphs: Mapping[int, Graph], name: str, looks: Collection[str], inputs: Mapping[str, Any]) -> Outputs:
    """What the graphs of each bucket, by its length, make of windows (N, T, F) of the input of this name.

    Each window goes to the smallest bucket that holds it, whatever is beside it: its bits hang on nothing else. Looks,
    over the newest B steps, become looks over T: at what is lacking nothing looks.
    """
    x_NTF = inputs[name]
    length_N = lengths(x_NTF)
    sizes = sorted(graphs)
    place_N = np.searchsorted(sizes, length_N)
    made: Outputs = {}
    for place, size in enumerate(sizes):
        rows = np.flatnonzero(place_N == place)
        if not len(rows) and (len(x_NTF) or size != sizes[-1]):
            continue
        some = {other: np.ascontiguousarray(values[rows]) for other, values in inputs.items()}
        some[name] = _from_the_left(some[name], length_N[rows], size)
        for output, values in graphs[size](some | {LENGTHS: length_N[rows]}).items():
            whole = _widened(values, x_NTF.shape[1]) if output in looks else values
            kept = made.setdefault(output, np.empty((len(x_NTF), *whole.shape[1:]), np.float32))
            kept[rows] = whole
    return made


def _from_the_left(
    x_NTF: npt.NDArray[np.float32], length_N: npt.NDArray[np.int64], size: int
) -> npt.NDArray[np.float32]:
    steps = x_NTF.shape[1]
    place_NB = np.minimum(np.arange(size) + (steps - length_N)[:, None], steps - 1)
    x_NBF: npt.NDArray[np.float32] = np.take_along_axis(x_NTF, place_NB[..., None], axis=1)
    x_NBF[np.arange(size) >= length_N[:, None]] = 0
    return x_NBF


def _widened(values: npt.NDArray[np.float32], steps: int) -> npt.NDArray[np.float32]:
    before = [(0, 0)] * (values.ndim - 1) + [(steps - values.shape[-1], 0)]
    return np.pad(values, before)
