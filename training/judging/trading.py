"""What forecasts would have earned: long where they point up, short where down, after costs.

Each forecast holds its symbol for its horizon, with one part in `horizon` of the symbol's share, so that overlapping
forecasts add up to one position. The book has an equal share for every symbol. R rows, M moments, D draws.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.bars import CLOSE
from core.errors import ConfigError
from core.outputs import Kind, Output
from training.data.dataset import Panel, Samples
from training.judging.intervals import bootstrap
from training.recipe import Recipe

Floats = npt.NDArray[np.float64]

TRADED: Final = frozenset({Kind.RETURN, Kind.TREND, Kind.DIRECTION, Kind.QUANTILES})
"""The kinds of output that point up or down."""
YEAR_MS: Final = 365.25 * 86_400_000
BASIS_POINT: Final = 1e-4
EULER: Final = 0.5772156649
SURE: Final = 0.95


class Trade(msgspec.Struct, frozen=True):
    """One predictor traded on one output. Sharpe ratios and returns are those of a year, of simple returns."""

    output: str
    predictor: str
    cost_bps: float
    """Of what is bought or sold."""
    sharpe: float
    """After costs, with its interval."""
    low: float
    high: float
    before_costs: float
    return_: float = msgspec.field(name="return")
    turnover: float
    """Share of the book that is bought or sold each bar."""
    deflated: float
    """Chance that the Sharpe ratio is above what the best of so many tries without any skill would show."""
    tries: int

    @property
    def skilled(self) -> bool:
        """Whether it is distinguishable from zero."""
        return self.low > 0 and self.deflated > SURE


def refuse_foresight(recipe: Recipe) -> None:
    """Refuse to trade where windows are left out whose price moved little afterwards: nobody knows them beforehand.

    Raises: ConfigError: direction alone, with a dead zone.
    """
    if recipe.evaluate.cost_bps and recipe.label.dead_zone and set(recipe.label.kinds) == {"direction"}:
        raise ConfigError(
            f"evaluate.cost_bps trades on every window, but label.dead_zone={recipe.label.dead_zone:g} leaves out "
            'those that move less, which only the future tells; try: label.kind = ["direction", "return"]'
        )


def trades(
    output: Output,
    predictions: Mapping[str, Floats],
    samples: Samples,
    cost_bps: float,
    tries: int,
) -> list[Trade]:
    """What every predictor's forecasts of these windows, all of them, would have earned."""
    found = []
    for predictor, predicted_N in predictions.items():
        position_R = positions(samples.panel, samples.ends_N, side(output, predicted_N), output.horizon)
        earned_M, turned_M, years = book(samples, position_R)
        net_M = earned_M - turned_M * cost_bps * BASIS_POINT
        draws = bootstrap(len(net_M), output.horizon)
        sums_D3 = draws.sums(np.stack([np.ones(len(net_M)), net_M, net_M**2], axis=1))
        scale = math.sqrt(len(net_M) / years)
        sharpe_D = _ratio(sums_D3) * scale
        if not np.isfinite(sharpe_D[0]):
            continue
        before = _ratio(np.array([len(earned_M), earned_M.sum(), (earned_M**2).sum()])) * scale
        found.append(
            Trade(
                output.name,
                predictor,
                cost_bps,
                float(sharpe_D[0]),
                *draws.bounds(sharpe_D),
                float(before),
                float(net_M.sum() / years),
                float(turned_M.mean()),
                deflated(net_M, tries),
                tries,
            )
        )
    return found


def side(output: Output, predicted: Floats) -> Floats:
    """(N,) or (N, W) -> (N,): 1 where it points up, -1 where down."""
    if output.kind is Kind.QUANTILES:
        return np.sign(predicted[:, int(np.abs(np.array(output.levels) - 0.5).argmin())])
    return np.sign(predicted - (0.5 if output.kind is Kind.DIRECTION else 0.0))


def positions(panel: Panel, ends_N: npt.NDArray[np.int64], side_N: Floats, horizon: int) -> Floats:
    """(R,): what is held of each symbol's share from the close of each bar to the next."""
    position_R = np.zeros(len(panel.number_R))
    for later in range(horizon):
        np.add.at(position_R, ends_N + later, side_N / horizon)
    return position_R


def book(samples: Samples, position_R: Floats) -> tuple[Floats, Floats, float]:
    """(M,) each: what the book earned over each bar and what share of it was traded; and how many years that were."""
    panel = samples.panel
    number_N = panel.number_R[samples.ends_N]
    close_R = panel.bars_R5[:, CLOSE]
    earned_R = np.zeros(len(position_R))
    held = np.flatnonzero(position_R)
    earned_R[held] = position_R[held] * (close_R[held + 1] / close_R[held] - 1)
    # A symbol's bars, or a stretch of them, go on for a horizon after its last forecast: what is held is sold in it.
    turned_R = np.abs(np.diff(position_R, prepend=0.0))
    some_R = (panel.number_R >= number_N.min()) & (panel.number_R <= number_N.max() + panel.horizon)
    moments, place_n = np.unique(panel.number_R[some_R], return_inverse=True)
    symbols = len(np.unique(panel.symbol_R[samples.ends_N]))
    earned_M, turned_M = (np.bincount(place_n, of_R[some_R], len(moments)) / symbols for of_R in (earned_R, turned_R))
    times = panel.opened_at_ms_R[some_R]
    return earned_M, turned_M, float(times.max() - times.min() + panel.interval.ms) / YEAR_MS


def deflated(returns_M: Sequence[float] | Floats, tries: int, variance: float | None = None) -> float:
    """The deflated Sharpe ratio (Bailey, Lopez de Prado 2014): a chance, 0 to 1.

    `variance`: of the Sharpe ratios of the tries, a bar each; without it that of tries that have no skill.
    """
    x_M = np.asarray(returns_M, np.float64)
    centred_M, deviation = x_M - x_M.mean(), x_M.std(ddof=1)
    skew, kurtosis = (float((centred_M**power).mean() / x_M.std() ** power) for power in (3, 4))
    return chance(float(x_M.mean() / deviation), len(x_M), skew, kurtosis, tries, variance)


def chance(sharpe: float, count: int, skew: float, kurtosis: float, tries: int, variance: float | None = None) -> float:
    """As `deflated`, from the Sharpe ratio of a bar, how many bars there were, and the shape of their returns."""
    spread = math.sqrt(1 / (count - 1) if variance is None else variance)
    normal, threshold = NormalDist(), 0.0
    if tries > 1:
        best = (1 - EULER) * normal.inv_cdf(1 - 1 / tries) + EULER * normal.inv_cdf(1 - 1 / (tries * math.e))
        threshold = spread * best
    error = math.sqrt(max(1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2, 1e-12))
    return normal.cdf((sharpe - threshold) * math.sqrt(count - 1) / error)


def _ratio(sums: Floats) -> Floats:
    """(..., 3) sums of ones, returns and their squares -> (...,): mean over deviation."""
    count, total, squares = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = (squares - total**2 / count) / (count - 1)
        return np.where(variance > 0, total / count / np.sqrt(variance), np.nan)
