"""From the bars behind a prediction to what a model reads of them: the one place that export, live and replay share.

Shapes: N predictions, L bars, T window steps, F features.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from core.bars import BarArray, Interval, TimeArray
from core.breadth import Breadth
from core.bundle import Input
from core.errors import BundleError
from core.external import Records
from core.features import FeatureSet
from core.resample import join, parts_of
from core.windows import Windows

Bools = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]


class Inputs:
    """What each input of a bundle's graph is given.

    Raises: BundleError: this gaze computes some feature otherwise than the one that trained, or a market has no symbol.
    """

    def __init__(self, inputs: Sequence[Input], interval: Interval) -> None:
        self._interval = interval
        self._own = [(one, _known(one)) for one in inputs if one.source == "symbol"]
        self._markets = [(one, _known(one)) for one in inputs if one.source == "market" and not one.members]
        self.breadths = tuple((one, _breadth(one)) for one in inputs if one.source == "market" and one.members)
        """Markets that are breadth over members; none of `markets`."""
        self._order = [one.name for one in inputs]
        self.own = {one.name: (one.window.length, len(known.names)) for one, known in self._own}
        """Rows and features of each input that is made of a symbol's own bars, external ones left out."""
        self.rolls = all(one.window.kind == "rolling" and one.parts == 1 for one, _ in self._own)
        """Whether each of these has one row more with each bar, and forgets one."""
        self.bars_needed = max(one.bars_needed + one.lag for one in inputs)
        """Bars behind each prediction, its own included, where windows are full."""
        self.fewest_bars = max((one.fewest_bars for one, _ in self._own), default=1)
        """Consecutive bars of a symbol without which nothing is predicted."""
        self.markets = tuple(one for one, _ in self._markets)
        self.external = tuple(one for one, _ in self._own if one.external)
        for one, _ in self._own:
            if one.parts > 1 and (
                one.window.kind != "rolling" or parts_of(interval, Interval.parse(one.interval)) != one.parts
            ):
                raise BundleError(
                    f"input {one.name!r} joins {one.parts} bars of {interval.name} to {one.window.kind} ones of "
                    f"{one.interval}, expected are rolling ones that they make; try: gaze train with data.scales"
                )
        for one in self.markets:
            if not one.symbol or one.window.kind != "rolling":
                raise BundleError(
                    f"input {one.name!r} reads a {one.window.kind} market of {one.symbol or 'no symbol'}, expected "
                    "is a rolling one of a symbol; try: gaze train with data.market"
                )

    def enough(self, unbroken_N: Counts) -> Bools:
        """(N,): whether so many consecutive bars make a window of every input but the markets'."""
        return unbroken_N >= self.fewest_bars

    def reach(self, unbroken_N: Counts) -> Counts:
        """(N,): how many rows of an expanding window so many consecutive bars make; (0,) where none expands."""
        for one, _ in self._own:
            if one.window.kind == "expanding":
                return (unbroken_N - one.lookback + 1).clip(0, one.window.length)
        return unbroken_N[:0]

    def known(self, bars_NL5: BarArray, opened_at_ms_N: TimeArray) -> dict[str, npt.NDArray[np.float32]]:
        """All rows but the newest of the windows that end one bar after these (N, L, 5): by input, (N, T-1, F)."""
        return {one.name: self._last(one, of, bars_NL5, opened_at_ms_N, one.window.length - 1) for one, of in self._own}

    def recent(self, bars_NL5: BarArray, opened_at_ms_N: TimeArray, count: int) -> dict[str, npt.NDArray[np.float32]]:
        """So many of these rows, the newest: by input, (N, count, F)."""
        return {one.name: self._last(one, of, bars_NL5, opened_at_ms_N, count) for one, of in self._own}

    def newest(
        self, windows: Windows, positions_N: Counts, opened_at_ms_N: TimeArray
    ) -> dict[str, npt.NDArray[np.float32]]:
        """The newest row of windows that end with these bars and lack none that it reads: by input, (N, 1, F)."""
        made = {}
        for one, known in self._own:
            spans = windows.spans(positions_N, opened_at_ms_N, known.lookback)
            opened_at_ms_NL = self._interval.backs(opened_at_ms_N, known.lookback) if known.timed else None
            made[one.name] = known.newest(spans, opened_at_ms_NL).astype(np.float32)
        return made

    def make(
        self,
        bars_NL5: BarArray,
        opened_at_ms_N: TimeArray,
        markets: Mapping[str, BarArray] | None = None,
        external: Mapping[str, npt.NDArray[np.float32]] | None = None,
    ) -> dict[str, npt.NDArray[np.float32]]:
        """(N, L, 5) bars and (N,) opening times of the last of each -> by input, (N, T, F).

        NaN where a bar is missing: an expanding window begins after the newest such. `markets` and `external`: as
        `whole` reads them.
        """
        return self.whole(self.own_rows(bars_NL5, opened_at_ms_N), opened_at_ms_N, markets, external)

    def own_rows(self, bars_NL5: BarArray, opened_at_ms_N: TimeArray) -> dict[str, npt.NDArray[np.float32]]:
        """The same of those made of a symbol's own bars, what is external left out."""
        return {one.name: self._rows(one, known, bars_NL5, opened_at_ms_N) for one, known in self._own}

    def whole(
        self,
        own: Mapping[str, npt.NDArray[np.float32]],
        opened_at_ms_N: TimeArray,
        markets: Mapping[str, BarArray] | None = None,
        external: Mapping[str, npt.NDArray[np.float32]] | None = None,
    ) -> dict[str, npt.NDArray[np.float32]]:
        """What own_rows() gave, and the other inputs.

        `markets`: of each market, by the input's name, (N, L, 5) bars up to its lag, or of breadth its (N, T, F) rows.
        `external`: by input, as `external_rows` makes them.
        """
        made = dict(own)
        for one, known in self._markets:
            assert markets is not None, "a model of markets is given their bars"
            before_N = self._interval.afters(opened_at_ms_N, -one.lag)
            made[one.name] = self._rows(one, known, markets[one.name], before_N)
        for one, _ in self.breadths:
            assert markets is not None, "a model of breadth is given its rows"
            made[one.name] = markets[one.name].astype(np.float32)
        for one in self.external:
            assert external is not None, "a model of external records is given their rows"
            bars_NTF = made[one.name]
            # A row that an expanding window lacks, it lacks whole.
            beside_NTE = np.where(np.isnan(bars_NTF[..., :1]), np.float32(np.nan), external[one.name])
            made[one.name] = np.concatenate([bars_NTF, beside_NTE], axis=-1)
        return {name: made[name] for name in self._order}

    def _last(
        self, one: Input, known: FeatureSet, bars_NL5: BarArray, opened_at_ms_N: TimeArray, count: int
    ) -> npt.NDArray[np.float32]:
        bars_NL5 = bars_NL5[:, -(count + one.lookback - 1) :]
        opened_at_ms_NL = self._interval.backs(opened_at_ms_N, bars_NL5.shape[1])
        if one.window.kind == "expanding":
            return _there(one, known, bars_NL5, opened_at_ms_NL, count)
        return known.rows(bars_NL5, count, opened_at_ms_NL).astype(np.float32)

    def external_rows(
        self, records: Records, symbols: Sequence[str], opened_at_ms_N: TimeArray
    ) -> dict[str, npt.NDArray[np.float32]]:
        """By input that reads any, (N, T, E): what was known of these symbols at the close of each bar of a window."""
        made = {}
        for one in self.external:
            closed_NT = self._interval.backs(opened_at_ms_N, one.window.length) + self._interval.ms
            made[one.name] = records.rows(one.external, symbols, closed_NT).astype(np.float32)
        return made

    def _rows(
        self,
        one: Input,
        known: FeatureSet,
        bars_NL5: BarArray,
        opened_at_ms_N: TimeArray,
    ) -> npt.NDArray[np.float32]:
        bars_NL5 = bars_NL5[:, -one.bars_needed :]
        if one.parts > 1:
            return self._joined_rows(one, known, bars_NL5, opened_at_ms_N)
        opened_at_ms_NL = self._interval.backs(opened_at_ms_N, bars_NL5.shape[1])
        if one.window.kind == "rolling":
            return known.rows(bars_NL5, one.window.length, opened_at_ms_NL).astype(np.float32)
        return _there(one, known, bars_NL5, opened_at_ms_NL, one.window.length)

    def _joined_rows(
        self, one: Input, known: FeatureSet, bars_NL5: BarArray, opened_at_ms_N: TimeArray
    ) -> npt.NDArray[np.float32]:
        """Of the longer bars that had closed with the last of these."""
        longer, count = Interval.parse(one.interval), one.window.length + one.lookback - 1
        closed_N = opened_at_ms_N + self._interval.ms
        over_N = (closed_N - longer.anchor_ms) % longer.ms
        first_N = bars_NL5.shape[1] - over_N // self._interval.ms - count * one.parts
        place_NL = first_N[:, None] + np.arange(count * one.parts)
        pieces = np.take_along_axis(bars_NL5, place_NL[..., None], axis=1).reshape(-1, one.parts, 5)
        back_M = np.arange(count, 0, -1) * longer.ms
        opened_NM = (closed_N - over_N)[:, None] - back_M
        joined_NM5 = join(pieces).reshape(-1, count, 5)
        return known.rows(joined_NM5, one.window.length, opened_NM).astype(np.float32)


def _there(
    one: Input, known: FeatureSet, bars_NL5: BarArray, opened_at_ms_NL: TimeArray, count: int
) -> npt.NDArray[np.float32]:
    """The newest rows, so many; NaN where one looks back on a bar that is missing, or on one before that."""
    unbroken_N = unbroken(bars_NL5)
    rows_NTF = known.rows(_without_holes(bars_NL5, unbroken_N), count, opened_at_ms_NL)
    reach_N = unbroken_N - one.lookback + 1
    rows_NTF[np.arange(count) < count - reach_N[:, None]] = np.nan
    return rows_NTF.astype(np.float32)


def unbroken(bars_NL5: BarArray) -> Counts:
    """(N, L, 5) -> (N,): how many consecutive bars there are, counted back from the last."""
    there_NL = np.isfinite(bars_NL5).all(axis=-1)
    counts_N: Counts = np.logical_and.accumulate(np.flip(there_NL, axis=-1), axis=1).sum(axis=1)
    return counts_N


def _without_holes(bars_NL5: BarArray, unbroken_N: Counts) -> BarArray:
    """Every bar before the unbroken ones replaced by the first of these: no feature is computed of NaN."""
    length = bars_NL5.shape[1]
    first_N = np.minimum(length - unbroken_N, length - 1)
    place_NL = np.maximum(np.arange(length), first_N[:, None])
    bars: BarArray = np.take_along_axis(bars_NL5, place_NL[..., None], axis=1)
    return bars


def _known(one: Input) -> FeatureSet:
    known = FeatureSet(one.own_features)
    _refuse_other(one, known)
    return known


def _breadth(one: Input) -> Breadth:
    known = Breadth(one.features)
    _refuse_other(one, known)
    return known


def _refuse_other(one: Input, known: FeatureSet | Breadth) -> None:
    if (known.digest, known.lookback) != (one.features_digest, one.lookback):
        raise BundleError(
            f"the features of input {one.name!r} have digest {known.digest} here and {one.features_digest} in the "
            "bundle: their definitions changed. try: the gaze that trained it, or gaze train again"
        )
