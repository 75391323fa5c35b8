"""Bars at which something plainly happened: what attention can be asked to look at. T bars.

To add a mark: write its function and add its line to MARKS; loss.events names it.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from core.barfile import SymbolBars
from core.bars import CLOSE, VOLUME, Interval
from core.errors import ConfigError
from training.data.beside import Beside
from training.recipe import Loss

BARS: Final = 24
HOUR_MS: Final = 3_600_000
Marks = npt.NDArray[np.bool_]


def events(part: SymbolBars, how: Loss, interval: Interval, beside: Beside) -> Marks:
    """(T,): whether any of what a recipe calls an event fell into each bar.

    Raises: ConfigError: an event that is neither a mark nor a dated event of data.external.
    """
    found_T = np.zeros(len(part.rows), bool)
    dated = [one.name for one in beside.external if one.kind == "event"]
    for name in how.events:
        if name in MARKS:
            found_T |= MARKS[name](part, how)
        elif name in dated:
            found_T |= beside.happened(name, part.symbol, part.opened_at_ms, interval)
        else:
            known = ", ".join((*MARKS, *dated))
            raise ConfigError(f"loss.events names {name!r}, there are: {known}. try: loss.events = ['volume']")
    return found_T


def bursts(part: SymbolBars, how: Loss) -> Marks:
    """(T,): whether a bar's volume is at least `burst` times the mean of the BARS before it."""
    return _beyond(part.rows[:, VOLUME], how.burst)


def moves(part: SymbolBars, how: Loss) -> Marks:
    """(T,): whether the close moved at least `burst` times as far as in the mean of the BARS before."""
    moved_T = np.abs(np.diff(np.log(part.rows[:, CLOSE]), prepend=np.nan))
    return _beyond(moved_T, how.burst)


def hours(part: SymbolBars, how: Loss) -> Marks:
    """(T,): whether a bar opened in one of `hours`, UTC: those at which a market opens or closes, say."""
    return np.isin(part.opened_at_ms // HOUR_MS % 24, how.hours)


MARKS: Final[dict[str, Callable[[SymbolBars, Loss], Marks]]] = {"volume": bursts, "move": moves, "hours": hours}


def _beyond(values_T: npt.NDArray[np.float64], times: float) -> Marks:
    out_T = np.zeros(len(values_T), bool)
    if len(values_T) > BARS:
        before_T = np.lib.stride_tricks.sliding_window_view(values_T[:-1], BARS).mean(axis=1)
        out_T[BARS:] = (values_T[BARS:] >= times * before_T) & (before_T > 0)
    return out_T
