"""The last bars of every symbol, in one array, and what becomes of each bar that arrives.

A mirror of what the store keeps: a ring per symbol in which a bar's slot is its number modulo the capacity. A repeat
lands on itself and a revision replaces, so nothing here can double a bar.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import chain
from operator import attrgetter
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from core.bars import COLUMNS, LATEST_MS, Bar, BarArray, Interval, Spans, TimeArray, consistent, inconsistency

EMPTY: Final = -1
"""The opening time of a slot that holds no bar."""

NEVER: Final = -1
"""The published revision of a bar whose prediction has not gone out."""

_ROW: Final = attrgetter(*COLUMNS)


@njit(cache=True, error_model="numpy", nogil=True)
def _copy(rows_SC5, opened_at_ms_SC, positions_N, slots_N, firsts_ms_N, step_ms, skipped_NT, out_NT5, unbroken_N):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    capacity, length = rows_SC5.shape[1], out_NT5.shape[1]
    for row in range(len(positions_N)):
        position, slot, expected_ms, unbroken = positions_N[row], slots_N[row], firsts_ms_N[row], 0
        for step in range(length):
            if len(skipped_NT):
                expected_ms += skipped_NT[row, step] * step_ms
                slot = (slot + skipped_NT[row, step]) % capacity
            # EMPTY is no opening time, whatever it is compared with.
            there = opened_at_ms_SC[position, slot] == expected_ms and expected_ms != EMPTY
            for column in range(5):
                out_NT5[row, step, column] = rows_SC5[position, slot, column] if there else np.nan
            unbroken = unbroken + 1 if there else 0
            expected_ms += step_ms
            slot = slot + 1 if slot + 1 < capacity else 0
        unbroken_N[row] = unbroken


class Fate(StrEnum):
    """What becomes of a bar that arrives. Each has one policy, written beside it, and one counter."""

    OPEN = "open"  # still forming: shown, never stored
    FRESH = "fresh"  # the next closed bar: stored and predicted
    FIRST = "first"  # the first bar of its symbol: stored
    REPEATED = "repeated"  # same time, same numbers: ignored
    REVISED = "revised"  # same time, other numbers: replaces, predicted with the next revision
    FILLED = "filled"  # older than the newest, its slot was missing: stored and predicted as late
    EARLY = "early"  # a bar before it is missing: held until history fills the gap, or the wait is over
    STALE = "stale"  # older than the ring remembers: ignored
    FUTURE = "future"  # opens after now: refused
    INCONSISTENT = "inconsistent"  # cannot be true: refused
    OFF_GRID = "off_grid"  # does not open on the interval's grid: refused
    UNKNOWN = "unknown"  # a symbol nobody subscribed: ignored


STORED: Final = frozenset({Fate.FRESH, Fate.FIRST, Fate.REVISED, Fate.FILLED})


class Windows:
    """Rings of closed bars for a fixed list of symbols. Shapes: S symbols, C capacity, T steps."""

    def __init__(self, interval: Interval, symbols: Sequence[str], capacity: int) -> None:
        self.interval = interval
        self.symbols = tuple(symbols)
        self.capacity = capacity
        self.index = {symbol: position for position, symbol in enumerate(self.symbols)}
        self.opened_at_ms_SC: TimeArray = np.full((len(self.symbols), capacity), EMPTY, np.int64)
        self.rows_SC5: BarArray = np.full((len(self.symbols), capacity, 5), np.nan)
        self.revision_SC: npt.NDArray[np.int32] = np.zeros((len(self.symbols), capacity), np.int32)
        self.published_SC: npt.NDArray[np.int32] = np.full((len(self.symbols), capacity), NEVER, np.int32)
        self.newest_ms_S: TimeArray = np.full(len(self.symbols), EMPTY, np.int64)
        self.changes_S: npt.NDArray[np.int64] = np.zeros(len(self.symbols), np.int64)
        """How often a slot of each symbol was set: who kept something made of its bars knows whether it still holds."""

    def slot(self, opened_at_ms: int) -> int:
        """Where in the ring a bar that opened then belongs."""
        return self.interval.number(opened_at_ms) % self.capacity

    def judge(self, bar: Bar, now_ms: int | None = None) -> Fate:
        """Decide the fate of a bar without changing anything. `now_ms`: the venue's clock, where it is known."""
        position = self.index.get(bar.symbol)
        if position is None:
            return Fate.UNKNOWN
        if not self.interval.opens(bar.opened_at_ms):
            return Fate.OFF_GRID
        if bar.opened_at_ms > (LATEST_MS if now_ms is None else now_ms):
            return Fate.FUTURE
        if not bar.closed:
            return Fate.OPEN
        if inconsistency(bar) is not None:
            return Fate.INCONSISTENT
        return self._judge_place(position, bar)

    def _judge_place(self, position: int, bar: Bar) -> Fate:
        newest = int(self.newest_ms_S[position])
        if newest == EMPTY:
            # Before all times there is none that a slot could hold.
            return Fate.FIRST if bar.opened_at_ms >= 0 else Fate.STALE
        if bar.opened_at_ms > newest:
            return Fate.FRESH if bar.opened_at_ms == self.interval.after(newest) else Fate.EARLY
        if bar.opened_at_ms <= newest - self.capacity * self.interval.ms:
            return Fate.STALE
        slot = self.slot(bar.opened_at_ms)
        if self.opened_at_ms_SC[position, slot] != bar.opened_at_ms:
            return Fate.FILLED
        return Fate.REPEATED if tuple(self.rows_SC5[position, slot]) == bar.row else Fate.REVISED

    def put_fresh(self, bars: Sequence[Bar], now_ms: int | None = None) -> npt.NDArray[np.bool_]:
        """Of bars of different symbols store those whose fate is FRESH, all at once; (N,): which."""
        try:
            opened_N = np.array([bar.opened_at_ms for bar in bars], np.int64)
        except OverflowError:
            # One of them tells a time beyond all times: each is judged alone.
            return np.zeros(len(bars), np.bool_)
        rows_N5 = np.fromiter(chain.from_iterable(map(_ROW, bars)), np.float64, 5 * len(bars)).reshape(-1, 5)
        positions_N = np.array([self.index.get(bar.symbol, -1) for bar in bars], np.int64)
        newest_N = self.newest_ms_S[positions_N]
        fresh_N: npt.NDArray[np.bool_] = (
            (positions_N >= 0)
            & np.array([bar.closed for bar in bars], np.bool_)
            & (newest_N != EMPTY)
            & (opened_N == self.interval.afters(newest_N))
            & (opened_N <= (LATEST_MS if now_ms is None else now_ms))
            & consistent(rows_N5)
        )
        places = positions_N[fresh_N], self.interval.numbers(opened_N[fresh_N]) % self.capacity
        self.opened_at_ms_SC[places] = opened_N[fresh_N]
        self.rows_SC5[places] = rows_N5[fresh_N]
        self.revision_SC[places] = 0
        self.published_SC[places] = NEVER
        self.newest_ms_S[places[0]] = opened_N[fresh_N]
        self.changes_S[places[0]] += 1
        return fresh_N

    def put(self, bar: Bar) -> int:
        """Store a closed bar in its slot and return its revision: 0, or one more than the bar it replaces."""
        position, slot = self.index[bar.symbol], self.slot(bar.opened_at_ms)
        again = self.opened_at_ms_SC[position, slot] == bar.opened_at_ms
        revision = int(self.revision_SC[position, slot]) + 1 if again else 0
        published = int(self.published_SC[position, slot]) if again else NEVER
        self.restore(position, bar.opened_at_ms, bar.row, revision, published)
        return revision

    def restore(
        self, position: int, opened_at_ms: int, row: Sequence[float], revision: int, published: int = NEVER
    ) -> None:
        """Set a slot to what the store remembers of it."""
        slot = self.slot(opened_at_ms)
        self.opened_at_ms_SC[position, slot] = opened_at_ms
        self.rows_SC5[position, slot] = row
        self.revision_SC[position, slot] = revision
        self.published_SC[position, slot] = published
        self.newest_ms_S[position] = max(self.newest_ms_S[position], opened_at_ms)
        self.changes_S[position] += 1

    def publish(self, symbol: str, opened_at_ms: int, revision: int) -> None:
        """Remember that this revision's prediction has gone out."""
        position, slot = self.index[symbol], self.slot(opened_at_ms)
        if self.opened_at_ms_SC[position, slot] == opened_at_ms:
            self.published_SC[position, slot] = max(self.published_SC[position, slot], revision)

    def publish_all(self, revisions: Sequence[tuple[Bar, int]]) -> None:
        """The same of many bars at once."""
        positions_N = np.array([self.index[bar.symbol] for bar, _ in revisions], np.int64)
        opened_N = np.array([bar.opened_at_ms for bar, _ in revisions], np.int64)
        revisions_N = np.array([revision for _, revision in revisions], np.int32)
        slots_N = self.interval.numbers(opened_N) % self.capacity
        there_N = self.opened_at_ms_SC[positions_N, slots_N] == opened_N
        places = positions_N[there_N], slots_N[there_N]
        # Two revisions of one bar may be among them, in any order.
        np.maximum.at(self.published_SC, places, revisions_N[there_N])

    def unpublished(self, symbol: str, from_ms: int) -> list[tuple[Bar, int]]:
        """The bars that open at or after `from_ms` and whose latest revision has not gone out, oldest first."""
        there = self.between(symbol, from_ms, int(self.newest_ms_S[self.index[symbol]]) + 1)
        return [(bar, revision) for bar, revision, published in there if published < revision]

    def with_unpublished(self, from_ms: int) -> list[str]:
        """The symbols that have such bars."""
        later_S = np.flatnonzero(self.newest_ms_S >= from_ms)
        # Most symbols are asked in vain: one look at all their slots costs less than a list for each.
        waits_SC = (self.opened_at_ms_SC[later_S] >= max(from_ms, 0)) & (
            self.published_SC[later_S] < self.revision_SC[later_S]
        )
        return [self.symbols[position] for position in later_S[waits_SC.any(axis=1)]]

    def between(self, symbol: str, from_ms: int, until_ms: int) -> list[tuple[Bar, int, int]]:
        """The bars that open in [from_ms, until_ms), oldest first: each with its latest and its published revision."""
        position = self.index[symbol]
        opened_C = self.opened_at_ms_SC[position]
        slots = np.flatnonzero((opened_C >= max(from_ms, 0)) & (opened_C < until_ms))
        slots = slots[np.argsort(opened_C[slots])]
        return [
            (
                Bar(symbol, int(opened_C[slot]), *self.rows_SC5[position, slot].tolist()),
                int(self.revision_SC[position, slot]),
                int(self.published_SC[position, slot]),
            )
            for slot in slots
        ]

    def wanted_from(self, symbol: str, length: int) -> int | None:
        """The opening time of the first bar that is missing from the last `length`, the next one included.

        None where the symbol has no bars at all.
        """
        position = self.index[symbol]
        newest = int(self.newest_ms_S[position])
        if newest == EMPTY:
            return None
        first = int(self.opened_at_ms_SC[position][self.opened_at_ms_SC[position] != EMPTY].min())
        start = max(first, self.interval.after(newest, 1 - length))
        for opened in self.interval.between(start, newest):
            if self.opened_at_ms_SC[position, self.slot(opened)] != opened:
                return opened
        return self.interval.after(newest)

    def full(self, symbols: Iterable[str], length: int) -> set[str]:
        """Those of these symbols whose last `length` bars are all there."""
        asked = list(symbols)
        positions_N = np.array([self.index[symbol] for symbol in asked], np.int64)
        _, there_NT = self._there(positions_N, self.newest_ms_S[positions_N], length)
        return {asked[row] for row in np.flatnonzero(there_NT.all(axis=1))}

    def gather(
        self, positions_N: npt.NDArray[np.int64], opened_at_ms_N: TimeArray, length: int
    ) -> tuple[BarArray, npt.NDArray[np.int64]]:
        """The `length` bars that end at each given bar, and how many of them are unbroken.

        Returns (N, length, 5), oldest first, NaN where a bar is missing, and (N,): the count of consecutive bars that
        are there, counted back from the given one.
        """
        rows_NT5 = np.empty((len(positions_N), length, 5))
        unbroken_N = np.empty(len(positions_N), np.int64)
        if not len(positions_N):
            return rows_NT5, unbroken_N
        firsts_ms_N, skipped_NT = self.interval.skipped(opened_at_ms_N, length)
        _copy(
            self.rows_SC5,
            self.opened_at_ms_SC,
            positions_N,
            self.interval.numbers(firsts_ms_N) % self.capacity,
            firsts_ms_N,
            self.interval.ms,
            skipped_NT,
            rows_NT5,
            unbroken_N,
        )
        return rows_NT5, unbroken_N

    def spans(self, positions_N: npt.NDArray[np.int64], opened_at_ms_N: TimeArray, length: int) -> Spans:
        """Where the `length` bars lie that end at each given bar, of which none may be missing."""
        firsts_ms_N, skipped_NT = self.interval.skipped(opened_at_ms_N, length)
        if len(skipped_NT):
            # Where a venue closes meanwhile they do not lie side by side.
            bars_NT5, _ = self.gather(positions_N, opened_at_ms_N, length)
            each = np.arange(len(positions_N))
            return Spans(bars_NT5, each, np.zeros_like(each), length)
        return Spans(self.rows_SC5, positions_N, self.interval.numbers(firsts_ms_N) % self.capacity, length)

    def _there(
        self, positions_N: npt.NDArray[np.int64], opened_at_ms_N: TimeArray, length: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        expected_NT = self.interval.backs(opened_at_ms_N, length)
        slots_NT = self.interval.numbers(expected_NT) % self.capacity
        # EMPTY is no opening time, whatever it is compared with.
        there_NT = (self.opened_at_ms_SC[positions_N[:, None], slots_NT] == expected_NT) & (expected_NT != EMPTY)
        return slots_NT, there_NT
