"""Series and dated events from outside the bars, joined to every bar by the time at which they became known. Pure.

A record counts from when it became known on, and never before, whatever time it speaks of: so what is said of a bar
hangs on nothing that came to be known after its close. Shapes: T bars, N predictions, E columns.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from core.bars import TimeArray

Floats = npt.NDArray[np.float64]

EVERY: Final = ""
"""The symbol of a record that speaks of all of them."""


class External(msgspec.Struct, frozen=True):
    """What a model reads of the records of one name: two columns.

    A series gives NAME, the last value known at the bar's close, and NAME_known, 1.0; where none is known, the newest
    is older than `reach_ms` or withdrawn (no number), `missing` and 0.0. An event gives NAME_until, the time until the
    next one known of, and NAME_since, that since the last, both as shares of `reach_ms` and 1.0 where it is further or
    there is none. A record counts `delay_ms` after it became known: as long as its writer may take to tell.
    """

    name: str
    kind: Literal["series", "event"]
    reach_ms: int
    delay_ms: int = 0
    missing: float = 0.0

    @property
    def columns(self) -> tuple[str, str]:
        """What the two columns are called."""
        if self.kind == "series":
            return self.name, f"{self.name}_known"
        return f"{self.name}_until", f"{self.name}_since"


class Told(msgspec.Struct, frozen=True):
    """Records of one name, in the order in which they became known: (R,) each."""

    known_ms: TimeArray
    at_ms: TimeArray
    values: Floats


class Records:
    """All records of a file. `at_ms`: when an event takes place; of a series it is not read.

    `fingerprint`: sha256 of them, whatever the file's form.
    """

    def __init__(
        self,
        names: Sequence[str],
        symbols: Sequence[str],
        known_ms: TimeArray,
        at_ms: TimeArray,
        values: Floats,
        fingerprint: str = "",
    ) -> None:
        # Stable: of two that became known together, the later line is the newer word.
        order = np.argsort(known_ms, kind="stable")
        self.fingerprint = fingerprint
        self.names = frozenset(names)
        self.known_ms: TimeArray = np.sort(known_ms)
        self._known, self._at, self._values = known_ms[order], at_ms[order], values[order]
        self._places: dict[tuple[str, str], list[int]] = {}
        for place, row in enumerate(order.tolist()):
            self._places.setdefault((names[row], symbols[row]), []).append(place)
        self._told: dict[tuple[str, str], Told] = {}

    def columns(self, wanted: Sequence[External], symbol: str, closed_at_ms_T: TimeArray) -> Floats:
        """(T,) closing times of a symbol's bars, oldest first -> (T, E)."""
        out_TE = np.empty((len(closed_at_ms_T), 2 * len(wanted)))
        for number, one in enumerate(wanted):
            fill = _series if one.kind == "series" else _event
            fill(one, self._of(one.name, symbol), closed_at_ms_T, out_TE[:, 2 * number : 2 * number + 2])
        return out_TE

    def rows(self, wanted: Sequence[External], symbols: Sequence[str], closed_at_ms_NT: TimeArray) -> Floats:
        """(N, T) closing times of windows of these symbols -> (N, T, E): the same bits as `columns`."""
        out_NTE = np.empty((*closed_at_ms_NT.shape, 2 * len(wanted)))
        own_N = np.array([any((one.name, symbol) in self._places for one in wanted) for symbol in symbols], np.bool_)
        for row in np.flatnonzero(own_N).tolist():
            out_NTE[row] = self.columns(wanted, symbols[row], closed_at_ms_NT[row])
        if not own_N.all():
            times, place = np.unique(closed_at_ms_NT[~own_N], return_inverse=True)
            out_NTE[~own_N] = self.columns(wanted, EVERY, times)[place.reshape(-1, closed_at_ms_NT.shape[1])]
        return out_NTE

    def known_by(self, at_ms: int) -> int:
        """How many records had become known by then."""
        return int(np.searchsorted(self.known_ms, at_ms, side="right"))

    def takes_place(self, one: External, symbol: str) -> TimeArray:
        """When each event of a symbol takes place, or becomes known where that is later."""
        told = self._of(one.name, symbol)
        return np.maximum(told.at_ms, told.known_ms + one.delay_ms)

    def newest_ms(self, name: str) -> int | None:
        """When the newest record of this name became known; None where there is none."""
        there = [places[-1] for (of, _), places in self._places.items() if of == name]
        return int(self._known[max(there)]) if there else None

    def _of(self, name: str, symbol: str) -> Told:
        """A symbol's own records and those of every symbol, together."""
        key = (name, symbol if (name, symbol) in self._places else EVERY)
        if key not in self._told:
            places = sorted({*self._places.get(key, ()), *self._places.get((name, EVERY), ())})
            self._told[key] = Told(self._known[places], self._at[places], self._values[places])
        return self._told[key]


def _series(one: External, told: Told, closed_at_ms_T: TimeArray, out_T2: Floats) -> None:
    out_T2[:] = one.missing, 0.0
    if not len(told.known_ms):
        return
    place_T = np.searchsorted(told.known_ms, closed_at_ms_T - one.delay_ms, side="right") - 1
    value_T = told.values[np.maximum(place_T, 0)]
    young_T = closed_at_ms_T - told.known_ms[np.maximum(place_T, 0)] <= one.reach_ms
    there_T = (place_T >= 0) & young_T & np.isfinite(value_T)
    out_T2[there_T, 0] = value_T[there_T]
    out_T2[there_T, 1] = 1.0


def _event(one: External, told: Told, closed_at_ms_T: TimeArray, out_T2: Floats) -> None:
    left_T2 = np.full((len(closed_at_ms_T), 2), one.reach_ms, np.int64)
    for known_ms, at_ms in zip((told.known_ms + one.delay_ms).tolist(), told.at_ms.tolist(), strict=True):
        counts, happens, forgotten = np.searchsorted(closed_at_ms_T, [known_ms, at_ms, at_ms + one.reach_ms])
        before, after = slice(counts, max(counts, happens)), slice(max(counts, happens), forgotten)
        left_T2[before, 0] = np.minimum(left_T2[before, 0], at_ms - closed_at_ms_T[before])
        left_T2[after, 1] = np.minimum(left_T2[after, 1], closed_at_ms_T[after] - at_ms)
    out_T2[:] = left_T2 / one.reach_ms
