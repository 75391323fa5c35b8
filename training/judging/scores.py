"""How good a forecast is. Each measure is a function of sums over samples, so that a bootstrap is cheap.

Which measures judge an output is decided by its kind. N samples, W numbers of an output, M moments (opening times that
occur), S sums, D draws, B bins.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.outputs import Kind

Floats = npt.NDArray[np.float64]

CROSS_SECTION: Final = 5
"""Fewest symbols at one moment between which a correlation is taken."""

RANKS: Final = 200
"""Bins of equal size in which probabilities are ranked for the area under the curve."""

CALIBRATION: Final = 10
"""Bins of equal width in which probabilities are held against frequencies."""

HALF: Final = 0.5

BAND: Final = "band_"
"""With the stated percent, the name of the measure of how often a band held the outcome."""

NUMBERS: Final = frozenset({Kind.RETURN, Kind.TREND})
EVENTS: Final = frozenset({Kind.PROBABILITY, Kind.DIRECTION})
CLASSES: Final = EVENTS | {Kind.ORDINAL}


class Forecasts(msgspec.Struct, frozen=True):
    """What was foretold, (N,) or (N, W), and what came to be, of all symbols.

    `moment_N` numbers the opening times from 0. `levels`: of quantiles. `of_moments`: how many there are in all, where
    these forecasts are some of them.
    """

    predicted_N: Floats
    actual_N: Floats
    moment_N: npt.NDArray[np.int64]
    levels: tuple[float, ...] = ()
    of_moments: int = 0

    @property
    def moments(self) -> int:
        """How many different opening times there are."""
        return self.of_moments or int(self.moment_N.max()) + 1

    def per_moment(self, *columns: npt.NDArray[np.generic]) -> Floats:
        """(N,) each -> (M, S): summed over the symbols of each moment."""
        return np.stack([np.bincount(self.moment_N, column, self.moments) for column in columns], axis=1)

    def per_moment_and(self, bin_N: npt.NDArray[np.int64], bins: int, weight_N: Floats) -> Floats:
        """(N,) weights -> (M, B): summed over the symbols of each moment that are in each bin."""
        place_N = self.moment_N * bins + bin_N
        return np.asarray(np.bincount(place_N, weight_N, self.moments * bins).reshape(-1, bins), np.float64)


class Measure(msgspec.Struct, frozen=True):
    """`terms` gives (M, S) sums of each moment; `value` makes a score of (..., S) sums over moments."""

    name: str
    title: str
    kinds: frozenset[Kind]
    lower_is_better: bool
    terms: Callable[[Forecasts], Floats]
    value: Callable[[Floats], Floats]
    across: bool = False
    """It is taken across the symbols of each moment: sums over several moments say nothing."""


def _averaged(of: Forecasts, values_N: npt.NDArray[np.generic]) -> Floats:
    return of.per_moment(values_N, np.ones(len(of.actual_N)))


def _squares(of: Forecasts) -> Floats:
    return _averaged(of, (of.predicted_N - of.actual_N) ** 2)


def _distances(of: Forecasts) -> Floats:
    return _averaged(of, np.abs(of.predicted_N - of.actual_N))


def _products(of: Forecasts) -> Floats:
    # Centred first: sums of squares of small numbers around a large mean would cancel.
    x, y = of.predicted_N - of.predicted_N.mean(), of.actual_N - of.actual_N.mean()
    return of.per_moment(np.ones(len(x)), x, y, x * x, y * y, x * y)


def _cross_sections(of: Forecasts) -> Floats:
    products_M = _products(of)
    wide_M = products_M[:, 0] >= CROSS_SECTION
    coefficient_M = _correlation(products_M)
    defined_M = wide_M & np.isfinite(coefficient_M)
    return np.stack([np.where(defined_M, coefficient_M, 0.0), defined_M.astype(np.float64)], axis=1)


def _rank_cross_sections(of: Forecasts) -> Floats:
    said_N, came_N = (_ranks(values_N, of.moment_N) for values_N in (of.predicted_N, of.actual_N))
    return _cross_sections(Forecasts(said_N, came_N, of.moment_N, of_moments=of.of_moments))


def _ranks(values_N: Floats, moment_N: npt.NDArray[np.int64]) -> Floats:
    """(N,) -> (N,). The rank of each among those of its moment; equal ones share the middle of theirs."""
    order = np.lexsort((values_N, moment_N))
    new_N = np.ones(len(order), bool)
    new_N[1:] = (np.diff(values_N[order]) != 0) | (np.diff(moment_N[order]) != 0)
    first = np.flatnonzero(new_N)
    middle = first + (np.diff(np.append(first, len(order))) - 1) / 2
    ranks_N = np.empty(len(order))
    ranks_N[order] = np.repeat(middle, np.diff(np.append(first, len(order))))
    # From the first rank of its own moment: numbers over all moments would hide ranks in their last digits.
    return ranks_N - np.searchsorted(moment_N[order], moment_N)


def _hits(of: Forecasts) -> Floats:
    moved = of.actual_N != 0
    same = moved & (np.sign(of.predicted_N) == np.sign(of.actual_N))
    return of.per_moment(same, moved)


def _right(of: Forecasts) -> Floats:
    """The class named is the one that came: the likelier side of one half, or the likeliest of several."""
    named_N = of.predicted_N.argmax(axis=1) if of.predicted_N.ndim > 1 else of.predicted_N > HALF
    return _averaged(of, named_N == of.actual_N)


def _confusion(of: Forecasts) -> Floats:
    """Events foretold that came, foretold that did not, and not foretold that came."""
    told, came = of.predicted_N > HALF, of.actual_N > HALF
    return of.per_moment(told & came, told & ~came, ~told & came)


def _ranked(of: Forecasts) -> Floats:
    edges = np.unique(np.quantile(of.predicted_N, np.linspace(0, 1, RANKS + 1)[1:-1]))
    bin_N = np.searchsorted(edges, of.predicted_N, side="right")
    came = of.per_moment_and(bin_N, RANKS, of.actual_N)
    return np.concatenate([came, of.per_moment_and(bin_N, RANKS, 1 - of.actual_N)], axis=1)


def _calibrated(of: Forecasts) -> Floats:
    bin_N = np.minimum((of.predicted_N * CALIBRATION).astype(np.int64), CALIBRATION - 1)
    apart = of.per_moment_and(bin_N, CALIBRATION, of.predicted_N - of.actual_N)
    return np.concatenate([apart, of.per_moment(np.ones(len(bin_N)))], axis=1)


def _ranked_probability(of: Forecasts) -> Floats:
    below_NW = of.actual_N[:, None] <= np.arange(of.predicted_N.shape[1])
    return _averaged(of, ((of.predicted_N.cumsum(axis=1) - below_NW) ** 2).sum(axis=1))


def _pinball(of: Forecasts) -> Floats:
    level_W, short_NW = np.array(of.levels), of.actual_N[:, None] - of.predicted_N
    return _averaged(of, np.maximum(level_W * short_NW, (level_W - 1) * short_NW).mean(axis=1))


def _covered(of: Forecasts) -> Floats:
    return _averaged(of, (of.actual_N >= of.predicted_N[:, 0]) & (of.actual_N <= of.predicted_N[:, -1]))


def _likelihood(of: Forecasts) -> Floats:
    variance_N = np.maximum(of.predicted_N, 1e-12) ** 2
    return _averaged(of, np.log(variance_N) + of.actual_N**2 / variance_N)


def _mean(sums: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])


def _root(sums: Floats) -> Floats:
    return np.sqrt(_mean(sums))


def _correlation(sums: Floats) -> Floats:
    count, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread_x, spread_y = count * xx - x * x, count * yy - y * y
        # A constant forecast has no correlation; rounding must not make one of it.
        constant = (spread_x <= 1e-12 * count * xx) | (spread_y <= 1e-12 * count * yy)
        return np.where(constant, np.nan, (count * xy - x * y) / np.sqrt(spread_x * spread_y))


def _precision(sums: Floats) -> Floats:
    return _mean(np.stack([sums[..., 0], sums[..., 0] + sums[..., 1]], axis=-1))


def _recall(sums: Floats) -> Floats:
    return _mean(np.stack([sums[..., 0], sums[..., 0] + sums[..., 2]], axis=-1))


def _f1(sums: Floats) -> Floats:
    return _mean(np.stack([2 * sums[..., 0], 2 * sums[..., 0] + sums[..., 1] + sums[..., 2]], axis=-1))


def _area(sums: Floats) -> Floats:
    """Chance that an event that came was ranked above one that did not; those in one bin count half."""
    came, stayed = sums[..., :RANKS], sums[..., RANKS:]
    below = stayed.cumsum(axis=-1) - stayed / 2
    return _mean(np.stack([(came * below).sum(axis=-1), came.sum(axis=-1) * stayed.sum(axis=-1)], axis=-1))


def _calibration_error(sums: Floats) -> Floats:
    return _mean(np.stack([np.abs(sums[..., :-1]).sum(axis=-1), sums[..., -1]], axis=-1))


def _measures() -> tuple[Measure, ...]:
    ordinal, quantiles, deviation = (frozenset({one}) for one in (Kind.ORDINAL, Kind.QUANTILES, Kind.DEVIATION))
    low, high = True, False
    return (
        Measure("mse", "MSE", NUMBERS, low, _squares, _mean),
        Measure("rmse", "RMSE", NUMBERS, low, _squares, _root),
        Measure("mae", "MAE", NUMBERS, low, _distances, _mean),
        Measure("correlation", "Pearson correlation", NUMBERS, high, _products, _correlation),
        Measure("ic", "IC across symbols", NUMBERS, high, _cross_sections, _mean, across=True),
        Measure("rank_ic", "rank IC across symbols", NUMBERS, high, _rank_cross_sections, _mean, across=True),
        Measure("direction", "direction right", NUMBERS, high, _hits, _mean),
        Measure("accuracy", "class right", CLASSES, high, _right, _mean),
        Measure("auc", "AUC", EVENTS, high, _ranked, _area),
        Measure("brier", "Brier score", EVENTS, low, _squares, _mean),
        Measure("precision", "precision", EVENTS, high, _confusion, _precision),
        Measure("recall", "recall", EVENTS, high, _confusion, _recall),
        Measure("f1", "F1", EVENTS, high, _confusion, _f1),
        Measure("calibration", "calibration error", EVENTS, low, _calibrated, _calibration_error),
        Measure("rps", "ranked probability score", ordinal, low, _ranked_probability, _mean),
        Measure("pinball", "quantile loss", quantiles, low, _pinball, _mean),
        Measure("coverage", "inside the outer quantiles", quantiles, high, _covered, _mean),
        Measure("qlike", "quasi-likelihood loss", deviation, low, _likelihood, _mean),
    )


MEASURES: Final[dict[str, Measure]] = {measure.name: measure for measure in _measures()}


def inside(coverage: float, kind: Kind, held: Callable[[Forecasts], npt.NDArray[np.bool_]]) -> Measure:
    """How often the band of a stated coverage holds the outcome, as a measure."""
    name = f"{BAND}{100 * coverage:g}"
    return Measure(
        name, title(name), frozenset({kind}), lower_is_better=False, terms=partial(_inside, held), value=_mean
    )


def _inside(held: Callable[[Forecasts], npt.NDArray[np.bool_]], of: Forecasts) -> Floats:
    return _averaged(of, held(of))


def lower_is_better(name: str) -> bool:
    """Whether a smaller score of this measure is the better one."""
    return name in MEASURES and MEASURES[name].lower_is_better


def limits(name: str) -> tuple[float, float]:
    """Between what a score of this measure lies anyway: an interval that is widened for few blocks ends there."""
    if name in {"correlation", "ic", "rank_ic"}:
        return -1.0, 1.0
    if name == "qlike":
        return -np.inf, np.inf
    # The ranked probability score may pass one: it is a sum over classes.
    unbounded = name in {"mse", "rmse", "mae", "rps", "pinball"}
    return 0.0, np.inf if unbounded else 1.0


def title(name: str) -> str:
    """What a measure is called in a report."""
    if name.startswith(BAND):
        return f"inside the {name.removeprefix(BAND)} % band"
    return MEASURES[name].title


def of_kind(kind: Kind) -> tuple[str, ...]:
    """The names of the measures that judge this kind of output."""
    return tuple(name for name, measure in MEASURES.items() if kind in measure.kinds)
