# ruff: noqa: ANN001, ANN201, ANN202 - numba reads no annotations
"""The loops behind detector.py. One observation costs a few microseconds, so that a year of them can be drawn anew."""

import numpy as np
from numba import njit


@njit(cache=True, error_model="numpy", nogil=True)
def bin_of(values_CK, edges_KE, out_CK):  # type: ignore[no-untyped-def]
    """The bin of each value; one more than there are bins where it is absent."""
    for row in range(values_CK.shape[0]):
        for number in range(values_CK.shape[1]):
            value = values_CK[row, number]
            place = 0
            while place < edges_KE.shape[1] and value >= edges_KE[number, place]:
                place += 1
            out_CK[row, number] = place if np.isfinite(value) else edges_KE.shape[1] + 1


@njit(cache=True, error_model="numpy", nogil=True)
def _windows(scale, memory, bins_K, out_J):  # type: ignore[no-untyped-def]
    """Count what enters and what leaves each window, and tell its three distances."""
    longest, statistics = memory.bins_WK.shape
    bins = scale.shares_KB.shape[1]
    seen, place = memory.seen_1[0], 0
    for v in range(len(scale.windows_V)):
        window = scale.windows_V[v]
        leaving = (seen - window) % longest
        for k in range(statistics):
            if seen >= window and memory.bins_WK[leaving, k] < bins:
                memory.counts_VKB[v, k, memory.bins_WK[leaving, k]] -= 1
            if bins_K[k] < bins:
                memory.counts_VKB[v, k, bins_K[k]] += 1
            shannon, psi, earth, ahead, there = 0.0, 0.0, 0.0, 0.0, 0
            for b in range(bins):
                count = memory.counts_VKB[v, k, b]
                there += count
                shannon += scale.tables[v, 0, k, b, count]
                psi += scale.tables[v, 1, k, b, count]
                ahead += count / window - scale.shares_KB[k, b]
                earth += abs(ahead)
            # Part of a window would be far off by chance alone.
            whole = there == window
            out_J[place] = np.sqrt(max(shannon, 0.0)) if whole else 0.0
            out_J[place + 1] = np.sqrt(max(psi, 0.0)) if whole else 0.0
            out_J[place + 2] = earth / (bins - 1) if whole else 0.0
            place += 3
    return place


@njit(cache=True, error_model="numpy", nogil=True)
def _shannon(sum_P, total, before_P):  # type: ignore[no-untyped-def]
    distance = 0.0
    for p in range(len(sum_P)):
        now, before = max(sum_P[p], 0.0) / total, before_P[p]
        middle = (now + before) / 2
        if now > 0.0:
            distance += now * np.log2(now / middle) / 2
        if before > 0.0:
            distance += before * np.log2(before / middle) / 2
    return np.sqrt(max(distance, 0.0))


@njit(cache=True, error_model="numpy", nogil=True)
def _profiles(scale, memory, parts_AP, out_J, place):  # type: ignore[no-untyped-def]
    """The distance of each head's mean profile over each window."""
    longest = len(memory.bins_WK)
    seen = memory.seen_1[0]
    heads, parts = parts_AP.shape
    for v in range(len(scale.windows_V)):
        window = scale.windows_V[v]
        leaving = (seen - window) % longest
        for a in range(heads):
            total = 0.0
            for p in range(parts):
                if seen >= window:
                    memory.sums_VAP[v, a, p] -= memory.parts_WAP[leaving, a, p]
                memory.sums_VAP[v, a, p] += parts_AP[a, p]
                total += memory.sums_VAP[v, a, p]
            whole = seen + 1 >= window and total > 0.0
            out_J[place] = _shannon(memory.sums_VAP[v, a], total, scale.parts_AP[a]) if whole else 0.0
            place += 1
    return place


@njit(cache=True, error_model="numpy", nogil=True)
def take(scale, memory, bins_K, parts_AP, out_J):  # type: ignore[no-untyped-def]
    """Take in one observation and write every distance: of windows, of profiles, of running means."""
    place = _windows(scale, memory, bins_K, out_J)
    place = _profiles(scale, memory, parts_AP, out_J, place)
    bins = scale.shares_KB.shape[1]
    for k in range(len(bins_K)):
        if bins_K[k] < bins:
            memory.mean_K[k] = scale.keep * memory.mean_K[k] + (1 - scale.keep) * scale.ranks_KB[k, bins_K[k]]
        out_J[place] = abs(memory.mean_K[k])
        place += 1
    at = memory.seen_1[0] % len(memory.bins_WK)
    memory.bins_WK[at] = bins_K
    memory.parts_WAP[at] = parts_AP
    memory.seen_1[0] += 1


@njit(cache=True, error_model="numpy", nogil=True)
def walked(scale, memory, bins_CK, parts_CAP, path_N, usual_J, worst_N, highest_J, after):  # type: ignore[no-untyped-def]
    """Take in the observations of a path; after each the worst distance in units of `usual_J`, and of each the most."""
    out_J = np.zeros(len(usual_J))
    for n in range(len(path_N)):
        take(scale, memory, bins_CK[path_N[n]], parts_CAP[path_N[n]], out_J)
        worst = 0.0
        for j in range(len(usual_J)):
            worst = max(worst, out_J[j] / usual_J[j])
            if n >= after:
                highest_J[j] = max(highest_J[j], out_J[j])
        worst_N[n] = worst
