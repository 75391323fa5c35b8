"""An attention over many predictions, measured: each statistic with its interval, by kind of prediction, by head.

N predictions, n some of them, T steps, F features, H heads or layers.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from core import attention
from core.outputs import Kind
from core.reach import over
from training.data.dataset import spread
from training.explain import together
from training.explain.cases import importances, truths
from training.explain.estimate import Draws, Estimate, Mask
from training.explain.predictions import Gates, Look, Predictions
from training.explain.reads import Doubles, Floats, Rows
from training.explain.reliability import Reliability
from training.explain.report import AttentionReport, Bucket, Contrast, GateReport, Group, Head
from training.explain.truth import Truth

AROUND: Final = range(-3, 4)
"""Steps before and after the heaviest one at which features are looked at."""
AROUND_PREDICTIONS: Final = 2_048
GROUPED: Final = ("entropy", "concentration_factor", "bars_ago")
"""The statistics that are told of every kind of prediction."""

STATISTICS: Final[dict[str, Callable[[Floats], np.typing.NDArray[np.generic]]]] = {
    "entropy": attention.normalised_entropy,
    "concentration": attention.concentration,
    "gini": attention.gini,
    "displaced": attention.displaced,
    "concentration_factor": attention.concentration_factor,
    "bars_ago": attention.bars_ago,
    "peaks": attention.peaks,
    "deviation": lambda weights_NT: weights_NT.std(axis=-1, dtype=np.float64),
    "variance": lambda weights_NT: weights_NT.var(axis=-1, dtype=np.float64),
    "max_weight": lambda weights_NT: weights_NT.max(axis=-1),
    "steps_for_half": lambda weights_NT: attention.heaviest(weights_NT, 0.5),
    "steps_for_80": lambda weights_NT: attention.heaviest(weights_NT, 0.8),
    "bars_back_for_half": lambda weights_NT: attention.reach(weights_NT, 0.5),
    "bars_back_for_80": lambda weights_NT: attention.reach(weights_NT, 0.8),
}
"""Of (N, T) weights, each (N,)."""


def measure(
    of: Predictions, look: Look, volatility_N: Doubles, judged: Reliability, truth: Truth | None
) -> AttentionReport:
    """Every statistic of one attention."""
    weights_NT, draws = look.profile_NT, of.draws()
    steps = weights_NT.shape[1]
    values = {
        name: np.asarray(over(statistic, weights_NT, look.reach_N), np.float64)
        for name, statistic in STATISTICS.items()
    }
    mean_T = weights_NT.mean(axis=0, dtype=np.float64)
    names, counts = np.unique(over(attention.patterns, weights_NT, look.reach_N), return_counts=True)
    kinds = groups(of, volatility_N)
    names_F = of.names(look.place)
    rows = spread(len(of), AROUND_PREDICTIONS)
    away_nTF, even_NT = of.away(rows, look.place), look.even
    heads, redundancy = _compared(look, "head", look.heads_NHT)
    layers, _ = _compared(look, "layer", look.layers_NLT)
    kept = () if look.layers_NLT is None else tuple(attention.evolution(look.layers_NLT).mean(axis=0).tolist())
    return AttentionReport(
        look.attention.name,
        look.attention.axes,
        look.attention.bound,
        attention.lowest_entropy(steps, look.attention.bound),
        {name: draws.mean(value_N) for name, value_N in values.items()},
        _buckets(weights_NT, even_NT, draws),
        {str(name): int(count) / len(of) for name, count in zip(names, counts, strict=True)},
        tuple((steps - 1 - attention.top_steps(mean_T.astype(np.float32), 5)).tolist()),
        tuple(mean_T.tolist()),
        tuple(even_NT.mean(axis=0, dtype=np.float64).tolist()),
        importances(names_F, weights_NT[rows].astype(np.float64), away_nTF.astype(np.float64), even_NT[rows]),
        _around(names_F, weights_NT[rows], away_nTF, look.reach_N[rows], of.draws(rows)),
        _told(kinds, values, draws),
        _contrasts(kinds, values, draws),
        heads,
        redundancy,
        layers,
        kept,
        judged,
        truth,
        together=together.find(names_F, weights_NT[rows], away_nTF, look.reach_N[rows], of.draws(rows)),
    )


def gates(of: Gates) -> GateReport:
    """How open gates are."""
    varying = np.argsort(-of.deviation_G, kind="stable")[:32]
    return GateReport(of.attention.name, of.attention.axes, float(of.mean.mean()), tuple(varying.tolist()))


def _buckets(weights_NT: Floats, even_NT: Floats, draws: Draws) -> tuple[Bucket, ...]:
    steps = weights_NT.shape[1]
    edges = attention.bucket_edges(steps)
    shares_NB, evens_NB = attention.shares(weights_NT, edges), attention.shares(even_NT, edges)
    found = []
    for place, name in enumerate(("historical", "mid", "recent")):
        first, last = int(edges[place]), int(edges[place + 1])
        if first == last:
            continue
        even_N, share_N = evens_NB[:, place], shares_NB[:, place]
        there_N = even_N > 0
        if not there_N.any():
            continue
        lift_N = np.divide(share_N, even_N, out=np.zeros(len(even_N)), where=there_N)
        span = (steps - first, steps - last)
        found.append(Bucket(name, *span, float(even_N.mean()), draws.mean(share_N), draws.mean(lift_N, there_N)))
    return tuple(found)


def groups(of: Predictions, volatility_N: Doubles) -> dict[tuple[str, str], Mask]:
    """Predictions by what became of them, by direction, by confidence, by regime, by symbol."""
    known_N = np.isfinite(of.outcome_N) & (of.outcome_N != 0)
    low, high = np.quantile(of.confidence_N, (0.2, 0.8))
    calm, wild = np.quantile(volatility_N, (1 / 3, 2 / 3))
    event = of.output.kind is Kind.PROBABILITY
    says, denies, came, stayed = ("yes", "no", "it came", "it did not") if event else ("up", "down", "rose", "fell")
    groups: dict[tuple[str, str], Mask] = {
        ("outcome", "right"): of.right & known_N,
        ("outcome", "wrong"): ~of.right & known_N,
        ("forecast", says): of.forecast_N > 0,
        ("forecast", denies): of.forecast_N <= 0,
        ("came to be", came): of.outcome_N > 0,
        ("came to be", stayed): of.outcome_N < 0,
        ("confidence", "surest fifth"): of.confidence_N >= high,
        ("confidence", "least sure fifth"): of.confidence_N <= low,
        ("regime", "calm third"): volatility_N <= calm,
        ("regime", "volatile third"): volatility_N >= wild,
    }
    groups |= {("case", name): mask_N for name, mask_N in truths(of).items()}
    symbol_N = of.panel.symbol_R[of.samples.ends_N]
    groups |= {("symbol", of.panel.symbols[number]): symbol_N == number for number in np.unique(symbol_N).tolist()}
    return {name: mask_N for name, mask_N in groups.items() if mask_N.any()}


def _told(groups: dict[tuple[str, str], Mask], values: dict[str, Doubles], draws: Draws) -> tuple[Group, ...]:
    return tuple(
        Group(by, name, int(mask_N.sum()), *(draws.mean(values[statistic], mask_N) for statistic in GROUPED))
        for (by, name), mask_N in groups.items()
    )


def _contrasts(groups: dict[tuple[str, str], Mask], values: dict[str, Doubles], draws: Draws) -> tuple[Contrast, ...]:
    found = []
    for by in ("outcome", "forecast", "came to be", "confidence", "regime"):
        pair = [name for name in groups if name[0] == by]
        if len(pair) == 2:  # noqa: PLR2004 - a contrast is of two
            one, other = pair
            found += [
                Contrast(one[1], other[1], statistic, draws.difference(values[statistic], groups[one], groups[other]))
                for statistic in GROUPED
            ]
    return tuple(found)


def _around(
    names: tuple[str, ...], weights_nT: Floats, away_nTF: Floats, reach_n: Rows, draws: Draws
) -> dict[str, tuple[Estimate, ...]]:
    """By feature, its mean |deviations| at the heaviest step of each prediction and at the steps around it."""
    steps = weights_nT.shape[1]
    top_n = attention.top_steps(weights_nT, 1)[:, 0]
    found: dict[str, tuple[Estimate, ...]] = {}
    for number, name in enumerate(names):
        estimates = []
        for offset in AROUND:
            at_n = top_n + offset
            there_n = (at_n >= steps - reach_n) & (at_n < steps)
            values_n = np.abs(away_nTF[np.arange(len(at_n)), np.clip(at_n, 0, steps - 1), number]).astype(np.float64)
            estimates.append(draws.mean(values_n, there_n))
        found[name] = tuple(estimates)
    return found


def _compared(
    look: Look, axis: str, weights_NHT: Floats | None
) -> tuple[tuple[Head, ...], tuple[tuple[float, ...], ...]]:
    """Each head and the overlap of every two, means over predictions; nothing where there are no heads."""
    if weights_NHT is None:
        return (), ()
    steps = weights_NHT.shape[-1]
    # The mean of several looks is more even than each of them: entropy and sparsity are those of single looks.
    others = tuple(place for place, name in enumerate(look.layout.axes[:-1]) if name != axis)
    entropy_H, sparsity_H = look.entropy.mean(axis=others), look.sparsity.mean(axis=others)
    apart_H = attention.specialisation(weights_NHT).mean(axis=0)
    mean_HT = weights_NHT.mean(axis=0, dtype=np.float64)
    heads = tuple(
        Head(
            number,
            float(entropy_H[number]),
            float(sparsity_H[number]),
            int(steps - 1 - mean_HT[number].argmax()),
            float(apart_H[number]),
            tuple(mean_HT[number].tolist()),
        )
        for number in range(len(mean_HT))
    )
    total_HH = np.zeros((len(heads), len(heads)))
    for at in range(0, len(weights_NHT), 1_024):
        total_HH += attention.redundancy(weights_NHT[at : at + 1_024]).sum(axis=0)
    return heads, tuple(map(tuple, (total_HH / len(weights_NHT)).tolist()))
