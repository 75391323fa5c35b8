"""What can be said of attention weights: how spread they are, where they peak, how they compare with looking evenly.

Every function takes weights that sum to one over their last axis, time, oldest step first. They are loops of fixed
order, so that the statistics of one row have the same bits in any batch.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

Weights = npt.NDArray[np.float32]

BUCKETS: Final = (0.25, 0.5)
"""Edges of recent, mid and historical as shares of the window: 0-12 h, 12-24 h and 24-48 h of 48 hours."""


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
    # A stable sort over the reversed axis gives ties to the more recent step.
    order = np.argsort(-weights[..., ::-1], axis=-1, kind="stable")[..., : min(count, steps)]
    return np.asarray(steps - 1 - order, np.int64)


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
