"""Closes as arrays, kept until what was said of them has matured: who was there, at which price, and what was said.

N symbols at a close, W numbers of an output.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.bars import Interval
from core.outputs import Kind, Output
from core.scoring import USUAL_BARS, Course, Floats
from daemon.watching.closes import Close

_NOBODY: Final = -1


class Band(msgspec.Struct, frozen=True):
    """The bands of one coverage of an output, (N,) each; NaN where none was sent."""

    coverage: float
    low: Floats
    high: Floats


class Kept(msgspec.Struct, frozen=True):
    """One close: `close` and `high` (N,), NaN where unknown; of each output what was `said` (N, W), and its bands."""

    symbols: tuple[str, ...]
    close: Floats
    high: Floats
    said: dict[str, Floats]
    bands: dict[str, tuple[Band, ...]]


class Matured(msgspec.Struct, frozen=True):
    """What was said of N symbols and how their prices went since. `bands`: those that were sent."""

    symbols: tuple[str, ...]
    said: Floats
    course: Course
    bands: tuple[Band, ...]


class Outcomes:
    """Keeps as many closes as the outputs need."""

    def __init__(self, outputs: Sequence[Output], interval: Interval) -> None:
        self._outputs = tuple(outputs)
        self._interval = interval
        horizons = [one.horizon for one in outputs]
        trends = [one.horizon + USUAL_BARS for one in outputs if one.kind is Kind.TREND]
        self._reach = max([*(2 * horizon for horizon in horizons), *trends], default=0)
        self._said = max(horizons, default=0)
        self.closes: dict[int, Kept] = {}
        """By opening time; what was said is dropped once it has matured."""

    def keep(self, close: Close) -> None:
        """Keep a close, and no longer what is too old to matter."""
        self.closes[close.opened_at_ms] = _kept(self._outputs, close)
        for opened_at_ms in list(self.closes):
            bars = self._interval.count(opened_at_ms, close.opened_at_ms)
            if bars > self._reach:
                del self.closes[opened_at_ms]
            elif bars > self._said and self.closes[opened_at_ms].said:
                self.closes[opened_at_ms] = msgspec.structs.replace(self.closes[opened_at_ms], said={}, bands={})

    def matured(self, output: Output, opened_at_ms: int) -> Matured | None:
        """What matured with this close; None where nobody was there then who is there now."""
        now = self.closes[opened_at_ms]
        then_ms = self._interval.after(opened_at_ms, -output.horizon)
        then = self.closes.get(then_ms)
        if then is None:
            return None
        there = frozenset(then.symbols)
        symbols = tuple(symbol for symbol in now.symbols if symbol in there)
        if not symbols:
            return None
        which_N = _places(then, symbols)
        return Matured(
            symbols,
            then.said[output.name][which_N],
            Course(
                then.close[which_N],
                now.close[_places(now, symbols)],
                self._prices(symbols, self._interval.after(then_ms, -output.horizon)),
                self._highest(symbols, then_ms, output.horizon) if output.kind is Kind.PROBABILITY else _none(symbols),
                self._usual(symbols, then_ms) if output.kind is Kind.TREND else _none(symbols),
            ),
            tuple(Band(one.coverage, one.low[which_N], one.high[which_N]) for one in then.bands.get(output.name, ())),
        )

    def _prices(self, symbols: tuple[str, ...], opened_at_ms: int, *, high: bool = False) -> Floats:
        """(N,), NaN for who was not there."""
        if opened_at_ms not in self.closes:
            return _none(symbols)
        kept = self.closes[opened_at_ms]
        which_N = _places(kept, symbols)
        return np.where(which_N == _NOBODY, np.nan, (kept.high if high else kept.close)[which_N])

    def _highest(self, symbols: tuple[str, ...], then_ms: int, horizon: int) -> Floats:
        between = [
            self._prices(symbols, self._interval.after(then_ms, bars), high=True) for bars in range(1, horizon + 1)
        ]
        return np.asarray(np.max(between, axis=0))

    def _usual(self, symbols: tuple[str, ...], then_ms: int) -> Floats:
        """(N,): deviation of the last returns of one bar up to then, as training has it."""
        prices = [self._prices(symbols, self._interval.after(then_ms, -bars)) for bars in range(USUAL_BARS, -1, -1)]
        return np.asarray(np.diff(np.log(prices), axis=0).std(axis=0))


def _kept(outputs: Sequence[Output], close: Close) -> Kept:
    some = close.predictions
    return Kept(
        tuple(one.symbol for one in some),
        np.array([one.close for one in some]),
        np.array([np.nan if one.high is None else one.high for one in some]),
        {of.name: np.array([np.atleast_1d(one.outputs[of.name]) for one in some], np.float64) for of in outputs},
        {of.name: _bands(of.name, close) for of in outputs},
    )


def _bands(output: str, close: Close) -> tuple[Band, ...]:
    edges: dict[float, Floats] = {}
    for row, one in enumerate(close.predictions):
        for band in one.bands.get(output, ()):
            edges.setdefault(band.coverage, np.full((2, len(close.predictions)), np.nan))[:, row] = band.low, band.high
    return tuple(Band(coverage, low_N, high_N) for coverage, (low_N, high_N) in edges.items())


def _places(kept: Kept, symbols: tuple[str, ...]) -> npt.NDArray[np.int64]:
    if kept.symbols == symbols:
        return np.arange(len(symbols))
    place = {symbol: at for at, symbol in enumerate(kept.symbols)}
    return np.array([place.get(symbol, _NOBODY) for symbol in symbols], np.int64)


def _none(symbols: tuple[str, ...]) -> Floats:
    return np.full(len(symbols), np.nan)
