"""Breadth: what the members of a universe do together, bar by bar, as a market beside every symbol. Pure.

A number of breadth is a share, a mean or a deviation over members of one feature of theirs. The members are fixed, and
taken in their order: no sum hangs on which bar came first. **Fill rule:** a member counts at a bar where its last K
bars are all there, K being the longest lookback; where fewer than half of the members count, there is no breadth.

Shapes: M members, T bars, F numbers.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from core.bars import BarArray
from core.errors import ConfigError
from core.features import FeatureSet

How = Literal["share", "mean", "deviation"]
"""The share of members in which it is above zero; its mean; its standard deviation among them."""

BREADTH: Final[dict[str, tuple[How, str]]] = {
    "advancing_1": ("share", "log_return_1"),
    "advancing_20": ("share", "log_return_20"),
    "above_mean_20": ("share", "sma_gap_20"),
    "above_mean_50": ("share", "sma_gap_50"),
    "mean_return_1": ("mean", "log_return_1"),
    "mean_return_20": ("mean", "log_return_20"),
    "mean_volatility_20": ("mean", "realised_volatility_20"),
    "dispersion_1": ("deviation", "log_return_1"),
}
"""Each name and what it is of the members."""

Rows = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Breadth:
    """Some numbers of BREADTH in a fixed order.

    Raises: ConfigError: none of this name.
    """

    features = ()
    """It has no features of its own bars."""

    def __init__(self, names: Sequence[str] = tuple(BREADTH)) -> None:
        unknown = [name for name in names if name not in BREADTH]
        if unknown:
            raise ConfigError(f"no number of breadth is called {unknown[0]!r}; try: {', '.join(BREADTH)}")
        self.names = tuple(names)
        self._of = FeatureSet(tuple(dict.fromkeys(BREADTH[name][1] for name in names)))
        self.lookback = self._of.lookback

    @property
    def digest(self) -> str:
        """Sixteen hex digits that change when a name, what it is, or a member's feature changes."""
        told = [(name, *BREADTH[name]) for name in self.names]
        return hashlib.sha256(msgspec.json.encode([told, self._of.digest])).hexdigest()[:16]

    def rows(self, bars_MT5: BarArray, count: int) -> tuple[Rows, Bools]:
        """(M, T, 5), NaN where a bar is missing -> (count, F) of the last bars, and (count,) where there is breadth."""
        values_MCf = self._of.rows(bars_MT5, count)
        counts_MC = _unbroken(bars_MT5)[:, -count:] >= self.lookback
        members_C = counts_MC.sum(axis=0)
        out_CF = np.zeros((count, len(self.names)))
        for column, name in enumerate(self.names):
            how, feature = BREADTH[name]
            out_CF[:, column] = _over(how, values_MCf[..., self._of.names.index(feature)], counts_MC, members_C)
        return out_CF.astype(np.float32), 2 * members_C >= len(bars_MT5)

    def history(self, bars_MT5: BarArray) -> tuple[Rows, Bools]:
        """(M, T, 5) of a whole history -> (T, F) and (T,)."""
        length = bars_MT5.shape[1]
        before = np.full((len(bars_MT5), self.lookback - 1, 5), np.nan)
        return self.rows(np.concatenate([before, bars_MT5], axis=1), length)


def _unbroken(bars_MT5: BarArray) -> npt.NDArray[np.int64]:
    """(M, T): how many consecutive bars end at each."""
    there_MT = np.isfinite(bars_MT5).all(axis=-1)
    place_T = np.arange(there_MT.shape[1])
    return place_T - np.maximum.accumulate(np.where(there_MT, -1, place_T), axis=1)


def _over(how: How, values_MC: Floats, counts_MC: Bools, members_C: npt.NDArray[np.int64]) -> Floats:
    """(C,): over the members that count, added one after the other."""
    if how == "share":
        values_MC = (values_MC > 0).astype(np.float64)
    some_C = np.maximum(members_C, 1)
    mean_C = _added(values_MC, counts_MC) / some_C
    if how != "deviation":
        return mean_C
    return np.sqrt(_added((values_MC - mean_C) ** 2, counts_MC) / some_C)


def _added(values_MC: Floats, counts_MC: Bools) -> Floats:
    total_C = np.zeros(values_MC.shape[1])
    for values_C, counts_C in zip(values_MC, counts_MC, strict=True):
        total_C += np.where(counts_C, values_C, 0.0)
    return total_C
