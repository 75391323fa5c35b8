"""What a model is asked to foretell. The only file of the project that may look at later bars.

To add a label: write its function and add its line to LABELS. T bars; NaN where a label is not known.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.bars import CLOSE, HIGH, BarArray
from core.errors import ConfigError
from core.outputs import Kind, Output
from training import recipe
from training.data.volatility import volatility

Labels = npt.NDArray[np.float64]


class Label(msgspec.Struct, frozen=True):
    """A kind of label: `values` of one symbol's (T, 5) bars over a horizon, and the output that foretells it."""

    kind: Kind
    values: Callable[[BarArray, int, recipe.Label], Labels]
    unit: Callable[[recipe.Label], str]
    levels: Callable[[recipe.Label], tuple[float, ...]] = lambda _: ()
    edges: Callable[[recipe.Label], tuple[float, ...]] = lambda _: ()


def forward_return(bars_T5: BarArray, horizon: int) -> Labels:
    """(T, 5) -> (T,). Log return of the close from each bar to `horizon` bars later; NaN where that is not known."""
    log_close_T = np.log(bars_T5[:, CLOSE])
    out_T = np.full(len(bars_T5), np.nan)
    if len(bars_T5) > horizon:
        out_T[:-horizon] = log_close_T[horizon:] - log_close_T[:-horizon]
    return out_T


def _return(bars_T5: BarArray, horizon: int, _: recipe.Label) -> Labels:
    return forward_return(bars_T5, horizon)


def _direction(bars_T5: BarArray, horizon: int, how: recipe.Label) -> Labels:
    """1 where the close rises by more than the dead zone, 0 where it falls by more, not known in between."""
    moved_T = forward_return(bars_T5, horizon)
    return np.where(np.abs(moved_T) > how.dead_zone, (moved_T > 0).astype(np.float64), np.nan)


def _trend(bars_T5: BarArray, horizon: int, _: recipe.Label) -> Labels:
    """Tanh of the forward return in deviations of what usually moves in so many bars: -1 to 1, 0 is no trend."""
    usual_T = volatility(bars_T5) * np.sqrt(horizon)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(usual_T > 0, np.tanh(forward_return(bars_T5, horizon) / usual_T), np.nan)


def _winner(bars_T5: BarArray, horizon: int, how: recipe.Label) -> Labels:
    """1 where the highest price of the next `horizon` bars lies above this close by more than the threshold."""
    out_T = np.full(len(bars_T5), np.nan)
    if len(bars_T5) > horizon:
        highs_T = np.lib.stride_tricks.sliding_window_view(bars_T5[1:, HIGH], horizon).max(axis=1)
        out_T[:-horizon] = highs_T > bars_T5[:-horizon, CLOSE] * (1 + how.threshold)
    return out_T


def _buckets(bars_T5: BarArray, horizon: int, how: recipe.Label) -> Labels:
    """The number of the class that the forward return falls into: 0 below the first edge, one more at each edge."""
    moved_T = forward_return(bars_T5, horizon)
    return np.where(np.isfinite(moved_T), np.digitize(moved_T, how.edges).astype(np.float64), np.nan)


def _log_return(_: recipe.Label) -> str:
    return "log return"


LABELS: Final[dict[str, Label]] = {
    "return": Label(Kind.RETURN, _return, _log_return),
    "direction": Label(
        Kind.DIRECTION,
        _direction,
        lambda how: f"of moves beyond {how.dead_zone:g} log return",
        edges=lambda how: (how.dead_zone,) if how.dead_zone else (),
    ),
    "trend": Label(Kind.TREND, _trend, lambda _: "tanh of the return over its usual size"),
    "winner": Label(
        Kind.PROBABILITY,
        _winner,
        lambda how: f"a high more than {how.threshold:.3g} above the close",
        edges=lambda how: (how.threshold,),
    ),
    "buckets": Label(
        Kind.ORDINAL,
        _buckets,
        lambda how: f"class of the log return, edges {', '.join(f'{edge:g}' for edge in how.edges)}",
        lambda how: tuple(float(number) for number in range(len(how.edges) + 1)),
        lambda how: how.edges,
    ),
    "quantiles": Label(Kind.QUANTILES, _return, _log_return, lambda how: how.levels),
    "deviation": Label(Kind.DEVIATION, _return, _log_return),
}


def named(kind: str) -> Label:
    """A label from LABELS.

    Raises: ConfigError: there is none of this name.
    """
    if kind not in LABELS:
        raise ConfigError(f"no label is called {kind!r}; try: label.kind = {' or '.join(sorted(LABELS))}")
    return LABELS[kind]


def outputs(how: recipe.Label) -> tuple[Output, ...]:
    """The outputs of a model that foretells these kinds of label, each over these horizons."""
    found = [(named(kind), horizon) for horizon in how.horizons for kind in how.kinds]
    return tuple(Output(of.kind, horizon, of.unit(how), of.levels(how), of.edges(how)) for of, horizon in found)


def targets(bars_T5: BarArray, how: recipe.Label) -> dict[str, Labels]:
    """The labels of one symbol's bars, by the name of the output that foretells them."""
    found = {}
    for horizon in how.horizons:
        for kind in how.kinds:
            label = named(kind)
            found[Output(label.kind, horizon).name] = label.values(bars_T5, horizon, how)
    return found
