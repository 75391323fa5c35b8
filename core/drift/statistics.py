"""What is watched of predictions: numbers of attention, inputs and outputs, and their mean over the rows of a period.

Training computes them of whole arrays, the daemon of the messages it published: the same numbers.

Shapes: N predictions, H heads (times layers and whatever else lies before time), T steps, P parts of a window,
F features, K statistics, C periods.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core import attention
from core.bundle import Input
from core.outputs import Attention, Kind, Output

Floats = npt.NDArray[np.float64]
Float32s = npt.NDArray[np.float32]

HOUR_MS: Final = 3_600_000
QUARTER_MS: Final = 90 * 24 * HOUR_MS
PARTS: Final = 16
"""A window's profile is watched in at most so many parts of even length."""
HEADS: Final = 16
"""More heads than this are watched by their mean."""
MOST_WEIGHTS: Final = 1_024
"""Attention of more numbers than this travels as its profile over time."""
LOOKS: Final = (
    "entropy",
    "concentration",
    "lift",
    "recent share",
    "mid share",
    "first third",
    "last third",
    "peak lag",
    "roughness",
)
"""What is told of each head: lift is of the heaviest step over looking evenly, peak lag where it is in the window.

Roughness is how far weights of neighbouring steps lie apart: a head whose steps are shuffled keeps all but that.
"""


class Rows(msgspec.Struct, frozen=True):
    """Predictions as arrays: `looks` (N, ..., T) as they travel, `gates` (N, G), `newest` (N, F) and `outputs` (N, W).

    `middle`: by output what says nothing, a half of probabilities and else zero.
    """

    looks: Mapping[str, Float32s]
    newest: Float32s
    outputs: Mapping[str, Float32s]
    gates: Mapping[str, Float32s]
    middle: Mapping[str, float]


class Observed(msgspec.Struct, frozen=True):
    """Of each row or period: `values` (N, K), and by attention `parts` (N, H, P), the weight on each part."""

    values: Floats
    parts: dict[str, Floats]


class Names(msgspec.Struct, frozen=True):
    """What the K statistics are called and which group each is of: "attention", "input" or "prediction"."""

    names: tuple[str, ...]
    groups: tuple[str, ...]
    heads: dict[str, tuple[str, ...]]
    """Of each attention, what its heads are called."""


def middle(outputs: Sequence[Output]) -> dict[str, float]:
    """What each output says when it says nothing."""
    return {one.name: 0.5 if one.kind in (Kind.PROBABILITY, Kind.DIRECTION) else 0.0 for one in outputs}


def period_ms(interval_ms: int) -> int:
    """How much time one observation spans: one bar, and never less than an hour."""
    return max(interval_ms, HOUR_MS)


def travels(weights: Float32s) -> Float32s:
    """(N, ..., T) as it is sent in messages: whole, or (N, T) where it is too large."""
    return weights if not len(weights) or weights[0].size <= MOST_WEIGHTS else attention.profile(weights)


def names(inputs: Sequence[Input], outputs: Sequence[Output], seen: Sequence[Attention], rows: Rows) -> Names:
    """What the statistics of these rows are called."""
    told: list[tuple[str, str]] = []
    heads: dict[str, tuple[str, ...]] = {}
    axes = {one.name: one.axes for one in seen}
    for name, weights in rows.looks.items():
        heads[name] = _heads(name, axes[name], weights.shape[1:])
        told += [("attention", f"{head}: {what}") for head in heads[name] for what in LOOKS]
    for name, open_NG in rows.gates.items():
        told += [("attention", f"{name} {number}: openness") for number in range(open_NG.shape[1])]
    for one in inputs:
        before = "" if one.source == "symbol" else f"{one.name}: "
        told += [("input", before + name) for name in one.features]
    for output in outputs:
        columns = [f"{output.name} at {level:g}" for level in output.levels] or [output.name]
        told += [("prediction", f"{column}: {what}") for column in columns for what in ("level", "size")]
    return Names(tuple(name for _, name in told), tuple(group for group, _ in told), heads)


def openness(activations: Float32s) -> Float32s:
    """(N, ..., G) -> (N, G): how open each gate is on average over steps and layers."""
    return attention.profile(activations)


def observe(rows: Rows) -> Observed:
    """The statistics of each row."""
    columns: list[Floats] = []
    parts: dict[str, Floats] = {}
    for name, weights in rows.looks.items():
        heads_NHT = _by_head(weights)
        columns += [_look(heads_NHT[:, head]) for head in range(heads_NHT.shape[1])]
        parts[name] = _parts(heads_NHT)
    columns += [values.astype(np.float64) for values in rows.gates.values()]
    columns.append(rows.newest.astype(np.float64))
    for name, values in rows.outputs.items():
        numbers_NW = values.astype(np.float64).reshape(len(values), -1)
        both_NW2 = np.stack([numbers_NW, np.abs(numbers_NW - rows.middle[name])], axis=-1)
        columns.append(both_NW2.reshape(len(numbers_NW), -1))
    return Observed(np.concatenate(columns, axis=1), parts)


def by_period(observed: Observed, opened_at_ms_N: npt.NDArray[np.int64], period: int) -> tuple[Observed, Floats]:
    """The mean of all rows of each period, oldest first, and (C,) how many rows each has. NaN counts as absent."""
    _, which_N, count_C = np.unique(opened_at_ms_N // period, return_inverse=True, return_counts=True)
    parts = {name: _means(values, which_N, len(count_C)) for name, values in observed.parts.items()}
    return Observed(_means(observed.values, which_N, len(count_C)), parts), count_C.astype(np.float64)


def joined(some: Sequence[Observed]) -> Observed:
    """One after the other."""
    parts = {name: np.concatenate([one.parts[name] for one in some]) for name in some[0].parts}
    return Observed(np.concatenate([one.values for one in some]), parts)


def _means(values: Floats, which_N: npt.NDArray[np.int64], count: int) -> Floats:
    flat_NM = values.reshape(len(values), -1)
    there_NM = np.isfinite(flat_NM)
    total_CM, seen_CM = np.zeros((count, flat_NM.shape[1])), np.zeros((count, flat_NM.shape[1]))
    np.add.at(total_CM, which_N, np.where(there_NM, flat_NM, 0.0))
    np.add.at(seen_CM, which_N, there_NM)
    means_CM = np.divide(total_CM, seen_CM, out=np.full_like(total_CM, np.nan), where=seen_CM > 0)
    return means_CM.reshape(count, *values.shape[1:])


def _by_head(weights: Float32s) -> Float32s:
    """(N, ..., T) -> (N, H, T)."""
    heads_NHT = weights.reshape(len(weights), -1, weights.shape[-1])
    return attention.profile(weights)[:, np.newaxis] if heads_NHT.shape[1] > HEADS else heads_NHT


def _look(weights_NT: Float32s) -> Floats:
    """(N, T) -> (N, len(LOOKS))."""
    weights_NT = np.ascontiguousarray(weights_NT)
    steps = weights_NT.shape[1]
    share_N3 = attention.shares(weights_NT, attention.bucket_edges(steps))
    third_N3 = attention.thirds(weights_NT)
    return np.stack(
        [
            attention.normalised_entropy(weights_NT),
            attention.concentration(weights_NT),
            attention.concentration_factor(weights_NT),
            share_N3[:, 2],
            share_N3[:, 1],
            third_N3[:, 0],
            third_N3[:, 2],
            (steps - 1 - weights_NT.argmax(axis=1)) / steps,
            attention.roughness(weights_NT),
        ],
        axis=1,
    )


def _parts(heads_NHT: Float32s) -> Floats:
    return attention.shares(np.ascontiguousarray(heads_NHT), part_edges(heads_NHT.shape[-1]))


def part_edges(steps: int) -> npt.NDArray[np.int64]:
    """The steps that cut a window into its parts."""
    return attention.bucket_edges(steps, min(PARTS, steps))


def _heads(name: str, axes: Sequence[str], shape: tuple[int, ...]) -> tuple[str, ...]:
    before = shape[:-1]
    if not before or int(np.prod(before)) > HEADS:
        return (name,)
    if len(before) != len(axes) - 1:
        axes = [*(f"axis {number}" for number in range(len(before))), axes[-1]]
    return tuple(
        " ".join([name, *(f"{axis} {number}" for axis, number in zip(axes, place, strict=False))])
        for place in np.ndindex(*before)
    )
