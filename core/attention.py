"""What can be said of attention weights: how spread they are, where they peak, how they compare with looking evenly.

Every function takes weights that sum to one over their last axis, time, oldest step first. They are loops of fixed
order, so that the statistics of one row have the same bits in any batch.
"""

import math
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

Weights = npt.NDArray[np.float32]

BUCKETS: Final = (0.25, 0.5)
"""Edges of recent, mid and historical as shares of the window: 0-12 h, 12-24 h and 24-48 h of 48 hours."""

EVEN: Final = 0.1
"""Weights of which no more than this share would have to move to be even are called evenly distributed."""

PEAK_LIFT: Final = 1.5
"""A local maximum below this many even weights is no peak."""

_STEP_BITS: Final = 31


class Pattern(StrEnum):
    """Where most of the weight lies: the first, middle or last third of the window, everywhere, or none of these."""

    EARLY = "early_focused"
    MID = "mid_focused"
    LATE = "late_focused"
    EVEN = "evenly_distributed"
    MIXED = "mixed"


@njit(cache=True, error_model="numpy", nogil=True)
def _entropy(weights_NT, out_N):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    steps = weights_NT.shape[1]
    for row in range(weights_NT.shape[0]):
        total = 0.0
        for step in range(steps):
            weight = np.float64(weights_NT[row, step])
            if weight > 0.0:
                total -= weight * np.log(weight)
        out_N[row] = total / np.log(steps) if steps > 1 else 0.0


@njit(cache=True, error_model="numpy", nogil=True)
def _concentration(weights_NT, out_N):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    steps = weights_NT.shape[1]
    for row in range(weights_NT.shape[0]):
        squares = 0.0
        for step in range(steps):
            weight = np.float64(weights_NT[row, step])
            squares += weight * weight
        out_N[row] = (steps * squares - 1.0) / (steps - 1) if steps > 1 else 1.0


@njit(cache=True, error_model="numpy", nogil=True)
def _shares(weights_NT, edges_B, out_NB):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for row in range(weights_NT.shape[0]):
        for bucket in range(len(edges_B) - 1):
            total = 0.0
            for step in range(edges_B[bucket], edges_B[bucket + 1]):
                total += np.float64(weights_NT[row, step])
            out_NB[row, bucket] = total


@njit(cache=True, error_model="numpy", nogil=True)
def _displaced(weights_NT, out_N):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    steps = weights_NT.shape[1]
    for row in range(weights_NT.shape[0]):
        total = 0.0
        for step in range(steps):
            total += abs(np.float64(weights_NT[row, step]) - 1.0 / steps)
        out_N[row] = total / 2.0


@njit(cache=True, error_model="numpy", nogil=True)
def _roughness(weights_NT, out_N):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for row in range(weights_NT.shape[0]):
        total = 0.0
        for step in range(1, weights_NT.shape[1]):
            total += abs(np.float64(weights_NT[row, step]) - np.float64(weights_NT[row, step - 1]))
        out_N[row] = total


@njit(cache=True, error_model="numpy", nogil=True)
def _gini(sorted_NT, out_N):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    steps = sorted_NT.shape[1]
    for row in range(sorted_NT.shape[0]):
        ranked, total = 0.0, 0.0
        for step in range(steps):
            weight = np.float64(sorted_NT[row, step])
            ranked += (2 * step - steps + 1) * weight
            total += weight
        out_N[row] = ranked / (steps * total)


@njit(cache=True, error_model="numpy", nogil=True)
def _bars_ago(weights_NT, out_N):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    steps = weights_NT.shape[1]
    for row in range(weights_NT.shape[0]):
        total = 0.0
        for step in range(steps):
            total += np.float64(weights_NT[row, step]) * (steps - 1 - step)
        out_N[row] = total


@njit(cache=True, error_model="numpy", nogil=True)
def _reach(weights_NT, share, out_N):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    steps = weights_NT.shape[1]
    for row in range(weights_NT.shape[0]):
        total, needed = 0.0, steps
        for back in range(steps):
            total += np.float64(weights_NT[row, steps - 1 - back])
            if total >= share:
                needed = back + 1
                break
        out_N[row] = needed


@njit(cache=True, error_model="numpy", nogil=True)
def _peaks(weights_NT, lowest, out_N):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    steps = weights_NT.shape[1]
    for row in range(weights_NT.shape[0]):
        count, rising = 0, True
        for step in range(steps):
            weight = weights_NT[row, step]
            if step > 0 and weight != weights_NT[row, step - 1]:
                rising = weight > weights_NT[row, step - 1]
            falls = step == steps - 1 or weights_NT[row, step + 1] < weight
            if rising and falls and weight >= lowest:
                count += 1
        out_N[row] = count


@njit(cache=True, error_model="numpy", nogil=True)
def _overlap(first_NT, second_NT, out_N):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for row in range(first_NT.shape[0]):
        total = 0.0
        for step in range(first_NT.shape[1]):
            total += min(np.float64(first_NT[row, step]), np.float64(second_NT[row, step]))
        out_N[row] = total


def _rows(weights: Weights) -> Weights:
    return np.ascontiguousarray(weights.reshape(-1, weights.shape[-1]))


def normalised_entropy(weights: Weights) -> npt.NDArray[np.float64]:
    """(..., T) -> (...,). Shannon entropy over that of even weights: 1 is even, 0 is one single step."""
    out = np.empty(weights.shape[:-1])
    _entropy(_rows(weights), out.reshape(-1))
    return out


def concentration(weights: Weights) -> npt.NDArray[np.float64]:
    """(..., T) -> (...,). Normalised Herfindahl index, (T * sum(w^2) - 1) / (T - 1): 0 is even, 1 is one step."""
    out = np.empty(weights.shape[:-1])
    _concentration(_rows(weights), out.reshape(-1))
    return out


def roughness(weights: Weights) -> npt.NDArray[np.float64]:
    """(..., T) -> (...,). Total variation, the sum of steps between neighbours: 0 is even, 2 is one step in between."""
    out = np.empty(weights.shape[:-1])
    _roughness(_rows(weights), out.reshape(-1))
    return out


def lift(weights: Weights) -> Weights:
    """(..., T) -> (..., T). Each weight over the even weight 1/T: 1 says nothing, 3 is thrice as much."""
    return weights * np.float32(weights.shape[-1])


def bucket_edges(steps: int, count: int | None = None) -> npt.NDArray[np.int64]:
    """Step indices that cut a window into historical, mid and recent, or into `count` bins of even length."""
    if count is None:
        recent, mid = (round(steps * (1 - share)) for share in BUCKETS)
        return np.array([0, mid, recent, steps])
    return np.array([round(steps * edge / count) for edge in range(count + 1)])


def shares(weights: Weights, edges: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """(..., T) -> (..., B). The weight that lies between consecutive edges."""
    out = np.empty((*weights.shape[:-1], len(edges) - 1))
    _shares(_rows(weights), edges, out.reshape(-1, len(edges) - 1))
    return out


def top_steps(weights: Weights, count: int) -> npt.NDArray[np.int64]:
    """(..., T) -> (..., count). Indices of the largest weights, largest first, the more recent first among equals."""
    steps = weights.shape[-1]
    # No weight is below zero, so their bits sort as they do; the step behind them tells equals apart.
    bits = np.ascontiguousarray(weights, np.float32).view(np.int32).astype(np.int64)
    sorted_ = np.sort((bits << _STEP_BITS) | np.arange(steps), axis=-1)
    return np.asarray(sorted_[..., ::-1][..., :count] & ((1 << _STEP_BITS) - 1))


@njit(cache=True, error_model="numpy", nogil=True)
def _mean(weights_NHT, out_NT):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    heads = weights_NHT.shape[1]
    for row in range(weights_NHT.shape[0]):
        for step in range(weights_NHT.shape[2]):
            total = 0.0
            for head in range(heads):
                total += np.float64(weights_NHT[row, head, step])
            out_NT[row, step] = total / heads


def profile(weights: Weights) -> Weights:
    """(N, ..., T) -> (N, T). The mean over heads, layers and whatever else lies between the batch and time."""
    if weights.ndim == 2:  # noqa: PLR2004 - already a profile
        return weights
    out = np.empty((weights.shape[0], weights.shape[-1]), np.float32)
    _mean(np.ascontiguousarray(weights.reshape(weights.shape[0], -1, weights.shape[-1])), out)
    return out


def concentration_factor(weights: Weights) -> npt.NDArray[np.float64]:
    """(..., T) -> (...,). The largest weight over the mean weight 1/T: 1 is even, T is one single step."""
    return np.asarray(weights.max(axis=-1).astype(np.float64) * weights.shape[-1])


def displaced(weights: Weights) -> npt.NDArray[np.float64]:
    """(..., T) -> (...,). The share of the weight that would have to move to be even (Hoover's index): 0 is even."""
    out = np.empty(weights.shape[:-1])
    _displaced(_rows(weights), out.reshape(-1))
    return out


def gini(weights: Weights) -> npt.NDArray[np.float64]:
    """(..., T) -> (...,). Gini's index, a measure of sparsity: 0 is even, 1 - 1/T is one step."""
    out = np.empty(weights.shape[:-1])
    _gini(np.sort(_rows(weights), axis=-1), out.reshape(-1))
    return out


def bars_ago(weights: Weights) -> npt.NDArray[np.float64]:
    """(..., T) -> (...,). How many bars before the newest the weight lies on average; even weights give (T - 1) / 2."""
    out = np.empty(weights.shape[:-1])
    _bars_ago(_rows(weights), out.reshape(-1))
    return out


def reach(weights: Weights, share: float) -> npt.NDArray[np.int64]:
    """(..., T) -> (...,). How many bars, counted back from the newest, hold this share of the weight."""
    out = np.empty(weights.shape[:-1], np.int64)
    # Weights are float32: a sum that should be the share may miss it by its rounding.
    _reach(_rows(weights), share - 1e-6, out.reshape(-1))
    return out


def heaviest(weights: Weights, share: float) -> npt.NDArray[np.int64]:
    """(..., T) -> (...,). How few steps, the heaviest first, hold this share of the weight."""
    return reach(np.sort(weights, axis=-1), share)


def peaks(weights: Weights) -> npt.NDArray[np.int64]:
    """(..., T) -> (...,). Local maxima of at least PEAK_LIFT even weights; a plateau is one."""
    out = np.empty(weights.shape[:-1], np.int64)
    _peaks(_rows(weights), np.float32(PEAK_LIFT / weights.shape[-1]), out.reshape(-1))
    return out


def thirds(weights: Weights) -> npt.NDArray[np.float64]:
    """(..., T) -> (..., 3). The weight on the first, the middle and the last third of the window."""
    return shares(weights, bucket_edges(weights.shape[-1], 3))


def patterns(weights: Weights) -> npt.NDArray[np.str_]:
    """(..., T) -> (...,). The Pattern of each: more than half of the weight in one third, even, or mixed."""
    thirds_3 = thirds(weights)
    focused = np.array([Pattern.EARLY, Pattern.MID, Pattern.LATE])[thirds_3.argmax(axis=-1)]
    neither = np.where(displaced(weights) <= EVEN, Pattern.EVEN, Pattern.MIXED)
    return np.asarray(np.where(thirds_3.max(axis=-1) > 1 / 2, focused, neither), np.str_)


def overlap(first: Weights, second: Weights) -> npt.NDArray[np.float64]:
    """(..., T) twice -> (...,). The weight that both put on the same steps: 1 is the same look, 0 shares no step."""
    out = np.empty(first.shape[:-1])
    _overlap(_rows(first), _rows(second), out.reshape(-1))
    return out


def redundancy(weights: Weights) -> npt.NDArray[np.float64]:
    """(..., H, T) -> (..., H, H). The overlap of every two heads, or layers."""
    first, second = np.broadcast_arrays(weights[..., :, None, :], weights[..., None, :, :])
    return overlap(first, second)


def specialisation(weights: Weights) -> npt.NDArray[np.float64]:
    """(..., H, T) -> (..., H). How much of its weight a head puts where another head does not, mean over the others."""
    heads = weights.shape[-2]
    apart = np.zeros(weights.shape[:-1])
    for other in range(heads):
        apart += 1.0 - overlap(weights, np.broadcast_to(weights[..., other : other + 1, :], weights.shape))
    # A head is no rounding error apart from itself.
    return np.asarray(np.maximum(apart / max(heads - 1, 1), 0.0))


def evolution(weights: Weights) -> npt.NDArray[np.float64]:
    """(..., L, T) -> (..., L - 1). How much of the look each layer takes over from the one before: their overlap."""
    return overlap(weights[..., 1:, :], weights[..., :-1, :])


def lowest_entropy(steps: int, bound: float) -> float:
    """The least normalised entropy that weights can have whose largest possible weight is `bound` (Attention.bound).

    Bounded scores are at most some c apart; entropy is least where some steps score highest and all others lowest.
    """
    if bound >= 1.0 or steps == 1:
        return 0.0
    ratio = bound * (steps - 1) / (1.0 - bound)
    high_K = np.arange(1, steps)
    low_K = 1.0 / (high_K * ratio + steps - high_K)
    entropy_K = -(high_K * ratio * low_K * np.log(ratio * low_K) + (steps - high_K) * low_K * np.log(low_K))
    return float(entropy_K.min() / math.log(steps))
