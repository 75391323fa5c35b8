"""How good a forecast of returns is. Each measure is a function of sums over samples, so that a bootstrap is cheap.

N samples, M moments (opening times that occur), S sums, D draws.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CROSS_SECTION: Final = 5
"""Fewest symbols at one moment between which a correlation is taken."""


class Forecasts(msgspec.Struct, frozen=True):
    """What was foretold and what came to be, of all symbols; `moment_N` numbers the opening times from 0."""

    predicted_N: Floats
    actual_N: Floats
    moment_N: npt.NDArray[np.int64]

    @property
    def moments(self) -> int:
        """How many different opening times there are."""
        return int(self.moment_N.max()) + 1

    def per_moment(self, *columns: Floats) -> Floats:
        """(N,) each -> (M, S): summed over the symbols of each moment."""
        return np.stack([np.bincount(self.moment_N, column, self.moments) for column in columns], axis=1)


class Measure(msgspec.Struct, frozen=True):
    """`terms` gives (M, S) sums of each moment; `value` makes a score of (..., S) sums over moments."""

    name: str
    title: str
    lower_is_better: bool
    terms: Callable[[Forecasts], Floats]
    value: Callable[[Floats], Floats]


def _ones(of: Forecasts) -> Floats:
    return np.ones(len(of.actual_N))


def _squares(of: Forecasts) -> Floats:
    return of.per_moment((of.predicted_N - of.actual_N) ** 2, _ones(of))


def _distances(of: Forecasts) -> Floats:
    return of.per_moment(np.abs(of.predicted_N - of.actual_N), _ones(of))


def _products(of: Forecasts) -> Floats:
    # Centred first: sums of squares of small numbers around a large mean would cancel.
    x, y = of.predicted_N - of.predicted_N.mean(), of.actual_N - of.actual_N.mean()
    return of.per_moment(_ones(of), x, y, x * x, y * y, x * y)


def _cross_sections(of: Forecasts) -> Floats:
    products_M = _products(of)
    wide_M = products_M[:, 0] >= CROSS_SECTION
    coefficient_M = _correlation(products_M)
    defined_M = wide_M & np.isfinite(coefficient_M)
    return np.stack([np.where(defined_M, coefficient_M, 0.0), defined_M.astype(np.float64)], axis=1)


def _hits(of: Forecasts) -> Floats:
    moved = of.actual_N != 0
    same = moved & (np.sign(of.predicted_N) == np.sign(of.actual_N))
    return of.per_moment(same.astype(np.float64), moved.astype(np.float64))


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


MEASURES: Final[dict[str, Measure]] = {
    measure.name: measure
    for measure in (
        Measure("mse", "MSE", lower_is_better=True, terms=_squares, value=_mean),
        Measure("rmse", "RMSE", lower_is_better=True, terms=_squares, value=_root),
        Measure("mae", "MAE", lower_is_better=True, terms=_distances, value=_mean),
        Measure("correlation", "correlation", lower_is_better=False, terms=_products, value=_correlation),
        Measure("ic", "IC across symbols", lower_is_better=False, terms=_cross_sections, value=_mean),
        Measure("direction", "direction right", lower_is_better=False, terms=_hits, value=_mean),
    )
}
