"""Which symbols moved: how far each is lately from how it was in the reference, statistic by statistic.

One number of a group or of all is a mean over symbols. S symbols, N of them at a close, K statistics.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.drift.monitor import GROUPS
from core.drift.statistics import Floats
from core.reference import Reference

NAMED: Final = 3
"""So many symbols are named, the furthest first."""
_HALF: Final = 24
"""Closes after which half of what a symbol was is forgotten."""


class Who(msgspec.Struct, frozen=True):
    """Whom a change is about: the symbols furthest from what they were, and the share that moved the way they did."""

    symbols: tuple[str, ...]
    share: float


class Shifts:
    """Remembers how every symbol has been lately. `groups`: symbols whose common shift is told, by name."""

    def __init__(self, reference: Reference, groups: Mapping[str, Sequence[str]] | None = None) -> None:
        self._names = {name: at for at, name in enumerate(reference.names.names)}
        self._of_group = {group: np.array(reference.names.groups) == group for group in GROUPS}
        self._groups = dict(groups or {})
        self._usual = reference.usual
        self._kept = 0.5 ** (1 / _HALF)
        self._row: dict[str, int] = {}
        self.lately_SK: Floats = np.empty((0, len(self._names)))
        self._known_SK: Floats = np.empty((0, len(self._names)))

    @property
    def symbols(self) -> tuple[str, ...]:
        """The S symbols of `lately_SK`."""
        return tuple(self._row)

    def take(self, symbols: Sequence[str], values_NK: Floats) -> None:
        """Take in what was observed of these at one close; NaN changes nothing."""
        if self._usual is None:
            return
        new = [symbol for symbol in symbols if symbol not in self._row]
        if new:
            self.restore(new, np.full((len(new), len(self._names)), np.nan))
        place_N = np.array([self._row[symbol] for symbol in symbols])
        before_NK = self.lately_SK[place_N]
        moved_NK = self._kept * before_NK + (1 - self._kept) * values_NK
        known_NK = np.where(np.isnan(before_NK), values_NK, moved_NK)
        self.lately_SK[place_N] = np.where(np.isnan(values_NK), before_NK, known_NK)

    def restore(self, symbols: Sequence[str], lately_SK: Floats) -> None:
        """Go on with these symbols, as they were lately."""
        usual = self._usual
        if usual is None:
            return
        of_all_K = np.nanmean(usual.mean_SK, axis=0)
        place = {symbol: at for at, symbol in enumerate(usual.symbols)}
        means = [usual.mean_SK[place[symbol]] if symbol in place else of_all_K for symbol in symbols]
        self._row |= {symbol: len(self._row) + at for at, symbol in enumerate(symbols)}
        self.lately_SK = np.concatenate([self.lately_SK, lately_SK])
        self._known_SK = np.concatenate([self._known_SK, np.array(means).reshape(lately_SK.shape)])

    def who(self, name: str) -> Who | None:
        """Whom it is about that a statistic moved, or a head's profile; None where nothing is known of symbols."""
        shift_SK = self._shifts()
        head = name.removesuffix(": profile")
        columns = [at for known, at in self._names.items() if known == name or known.startswith(f"{head}: ")]
        if not len(shift_SK) or not columns:
            return None
        worst_S = np.abs(np.nan_to_num(shift_SK[:, columns])).argmax(axis=1)
        shift_S = np.nan_to_num(shift_SK[np.arange(len(shift_SK)), np.array(columns)[worst_S]])
        order = np.argsort(-np.abs(shift_S), kind="stable")
        names = tuple(self._row)
        way = np.sign(shift_S[order[0]])
        # A symbol that moved by less than half of the furthest one is not said to have moved.
        far_S = way * shift_S >= np.abs(shift_S[order[0]]) / 2
        return Who(tuple(names[at] for at in order[:NAMED].tolist() if far_S[at]), float(far_S.mean()))

    def of_groups(self) -> dict[tuple[str, str], float]:
        """By the name of some symbols and the kind of statistic: their furthest mean shift, in spreads of one row."""
        shift_SK = self._shifts()
        told = {}
        for name, symbols in self._groups.items():
            rows = [self._row[symbol] for symbol in symbols if symbol in self._row]
            if not rows:
                continue
            known_SK = np.isfinite(shift_SK[rows])
            count_K = np.maximum(known_SK.sum(axis=0), 1)
            mean_K = np.where(known_SK, shift_SK[rows], 0.0).sum(axis=0) / count_K
            for group, which_K in self._of_group.items():
                told[name, group] = float(np.abs(mean_K[which_K]).max(initial=0.0))
        return told

    def _shifts(self) -> npt.NDArray[np.float64]:
        """(S, K): from what each was in the reference, in spreads of one row; NaN where that says nothing."""
        if self._usual is None:
            return self.lately_SK
        spread_K = np.where(self._usual.spread_K > 0, self._usual.spread_K, np.nan)
        return (self.lately_SK - self._known_SK) / spread_K
