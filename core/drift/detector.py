"""How far what is watched has moved from its reference: sliding windows and a running mean, observation by observation.

Each statistic is told by which part of its reference it falls into, tenths and finer ones at both ends, or below or
above all of it: whatever its unit, one scale, and one on which a crash is more than a day in the outermost tenth. Of
each window the counts of the parts give three distances (Jensen-Shannon, PSI, Wasserstein), and the mean profile of
each head one more (Jensen-Shannon over the parts of the window); beside the windows runs an exponentially weighted mean
of ranks, which sees what comes slowly.

Shapes: K statistics, B bins, V windows, W closes of a window, A heads of all attentions, P parts, J distances.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from core.drift.kernel import bin_of, take, walked

Floats = npt.NDArray[np.float64]
Bins = npt.NDArray[np.uint8]

DISTANCES: Final = ("Jensen-Shannon", "PSI", "Wasserstein")
_INNER: Final = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
BINS: Final = len(_INNER) + 3
"""Between these shares of the reference, and what lies below and above all of it."""
_PRIOR: Final = 0.5
"""Counted into each bin for PSI, which an empty one would make infinite."""


class Scale(NamedTuple):
    """A reference, made ready to measure against.

    `windows_V`: their lengths. `edges_KE` of the bins; `shares_KB` of the reference in each; `ranks_KB` of each from -1
    (below all) to 1 (above all); `tables` (V, 2, K, B, W + 1): what so many observations of a window in a bin add to
    the first two distances; `parts_AP`: the mean profile of each head.
    """

    windows_V: npt.NDArray[np.int64]
    edges_KE: Floats
    shares_KB: Floats
    ranks_KB: Floats
    tables: Floats
    parts_AP: Floats
    keep: float


class Memory(NamedTuple):
    """What a detector remembers: the last observations and what was counted of them. Arrays, changed in place."""

    seen_1: npt.NDArray[np.int64]
    """Observations so far."""
    bins_WK: Bins
    parts_WAP: Floats
    counts_VKB: npt.NDArray[np.int64]
    sums_VAP: Floats
    mean_K: Floats


def measured(values_CK: Floats, parts_CAP: Floats, windows: tuple[int, ...]) -> Scale:
    """The scale of a reference of C observations."""
    statistics, values_CK = values_CK.shape[1], _kept(values_CK)
    edges_KE = np.full((statistics, BINS - 1), np.inf)
    shares_KB = np.zeros((statistics, BINS))
    for number in range(statistics):
        there = values_CK[np.isfinite(values_CK[:, number]), number]
        if not len(there):
            continue
        inner = np.quantile(there, _INNER, method="inverted_cdf")
        edges = np.unique([there.min(), *inner, np.nextafter(there.max(), np.inf)])
        edges_KE[number, : len(edges)] = edges
        counts = np.bincount(np.searchsorted(edges, there, side="right"), minlength=BINS)
        shares_KB[number] = counts / len(there)
    below_KB = np.cumsum(shares_KB, axis=1) - shares_KB
    ranks_KB = np.clip(2 * (below_KB + shares_KB / 2) - 1, -1, 1)
    tables = np.zeros((len(windows), 2, statistics, BINS, max(windows) + 1))
    for number, window in enumerate(windows):
        tables[number, :, :, :, : window + 1] = _added(shares_KB, window)
    profile_AP = np.nan_to_num(parts_CAP).mean(axis=0)
    keep = 0.5 ** (1 / max(windows))
    return Scale(np.array(windows), edges_KE, shares_KB, ranks_KB, tables, profile_AP, keep)


def binned(values_CK: Floats, edges_KE: Floats) -> Bins:
    """(C, K): the bin of each; BINS where a value is absent."""
    bins_CK = np.empty(values_CK.shape, np.uint8)
    bin_of(_kept(values_CK), edges_KE, bins_CK)
    return bins_CK


def _kept(values_CK: Floats) -> Floats:
    """As a bundle keeps them: one that takes few values would else lie beside its own edges."""
    return np.ascontiguousarray(values_CK.astype(np.float32).astype(np.float64))


def empty(scale: Scale) -> Memory:
    """Nothing seen yet."""
    statistics, longest = len(scale.edges_KE), int(scale.windows_V.max())
    heads, parts = scale.parts_AP.shape
    return Memory(
        np.zeros(1, np.int64),
        np.full((longest, statistics), BINS, np.uint8),
        np.zeros((longest, heads, parts)),
        np.zeros((len(scale.windows_V), statistics, BINS), np.int64),
        np.zeros((len(scale.windows_V), heads, parts)),
        np.zeros(statistics),
    )


def distances_of(scale: Scale) -> int:
    """J: how many distances step() gives."""
    windows, statistics = len(scale.windows_V), len(scale.edges_KE)
    return windows * (len(DISTANCES) * statistics + len(scale.parts_AP)) + statistics


def step(scale: Scale, memory: Memory, bins_K: Bins, parts_AP: Floats) -> Floats:
    """Take in one observation; (J,): every distance as it is now, in the order of `labels`."""
    out_J = np.zeros(distances_of(scale))
    take(scale, memory, bins_K, parts_AP, out_J)
    return out_J


def walk(
    scale: Scale, bins_CK: Bins, parts_CAP: Floats, path_N: npt.NDArray[np.int64], usual_J: Floats, after: int = 0
) -> tuple[Floats, Floats]:
    """Take in the observations of a path through a reference, one after the other, from an empty memory.

    Returns (N,) the largest distance in units of `usual_J` after each, and (J,) the largest of each from `after` on.
    """
    worst_N, highest_J = np.zeros(len(path_N)), np.zeros(len(usual_J))
    walked(scale, empty(scale), bins_CK, parts_CAP, path_N, usual_J, worst_N, highest_J, after)
    return worst_N, highest_J


def _added(shares_KB: Floats, window: int) -> Floats:
    """(2, K, B, W + 1): what each count of a bin adds to the squared Jensen-Shannon distance, and to PSI."""
    count_W = np.arange(window + 1)
    p, q = count_W / window, shares_KB[:, :, np.newaxis]
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        of_p = np.where(p > 0, p * np.log2(p / middle), 0.0)
        of_q = np.where(q > 0, q * np.log2(q / middle), 0.0)
    smooth_p = (count_W + _PRIOR) / (window + _PRIOR * BINS)
    smooth_q = (q * window + _PRIOR) / (window + _PRIOR * BINS)
    return np.stack([(of_p + of_q) / 2, (smooth_p - smooth_q) * np.log(smooth_p / smooth_q)])
