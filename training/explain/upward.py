"""Any output as one number, above zero for up or for yes, and how sure it is. N predictions, W numbers of an output."""

import numpy as np

from core.outputs import Kind, Output
from training.explain.reads import Doubles, Floats

CHANCES = frozenset({Kind.PROBABILITY, Kind.DIRECTION})


def weights(output: Output) -> Doubles:
    """(W,): how much each number of an output that has several counts for up."""
    if output.kind is Kind.QUANTILES:
        return np.asarray(np.eye(output.width)[int(np.abs(np.array(output.levels) - 0.5).argmin())])
    return np.arange(output.width, dtype=np.float64) - (output.width - 1) / 2


def upward(output: Output, values: Floats) -> Doubles:
    """(N,) or (N, W) -> (N,): above zero where the output says up, or that the event happens."""
    wide = values.astype(np.float64)
    if output.kind in CHANCES:
        return wide - 0.5
    return wide if wide.ndim == 1 else np.asarray(wide @ weights(output))


def confidence(output: Output, values: Floats) -> Doubles:
    """(N,): how sure the output is, from 0 to 1. A return's is the share of returns of no greater size."""
    if output.kind in CHANCES:
        return np.asarray(2 * np.abs(values.astype(np.float64) - 0.5))
    if output.kind is Kind.ORDINAL:
        return np.asarray(values.max(axis=1).astype(np.float64))
    size_N = np.abs(upward(output, values))
    if output.kind is Kind.TREND:
        return size_N
    return np.asarray(np.searchsorted(np.sort(size_N), size_N, side="right") / len(size_N))
