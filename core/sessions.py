"""When the bars of a venue that closes open: over its nights, weekends and holidays consecutive bars are consecutive.

Sessions are told as stretches: when the first bar of each opens, and how many follow one another by the clock. Beyond
the first and the last stretch nothing opens.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np

from core.bars import Interval, TimeArray
from core.errors import ConfigError

Stretch = tuple[int, int]
"""The opening time of its first bar, and how many bars it has."""

_DAY_MS: Final = 86_400_000


class Sessions(Interval, frozen=True, eq=False):
    """An interval of whose bars only some open. `opened_at_ms_K`: all that do, oldest first, on the interval's grid."""

    opened_at_ms_K: TimeArray

    @classmethod
    def of(cls, interval: Interval, stretches: Iterable[Stretch]) -> "Sessions":
        """Those that open in these stretches."""
        parts = [first_ms + np.arange(bars, dtype=np.int64) * interval.ms for first_ms, bars in stretches]
        return cls.at(interval, np.concatenate([np.empty(0, np.int64), *parts]))

    @classmethod
    def at(cls, interval: Interval, opened_at_ms_N: TimeArray) -> "Sessions":
        """Those that open at these times, in any order.

        Raises: ConfigError: none, or one that does not open on the interval's grid.
        """
        opened_K = np.unique(opened_at_ms_N)
        off_K = (opened_K - interval.anchor_ms) % interval.ms != 0
        if not len(opened_K) or off_K.any():
            found = f"one at {datetime.fromtimestamp(opened_K[off_K][0] / 1_000, UTC)}" if len(opened_K) else "none"
            raise ConfigError(
                f"expected sessions whose bars open at whole {interval.name} in UTC, found {found}; "
                "try: bars that are labelled by such times, or a shorter interval"
            )
        return cls(interval.name, interval.ms, opened_K)

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """As they are told."""
        opened_K = self.opened_at_ms_K
        firsts = np.flatnonzero(np.diff(opened_K, prepend=opened_K[0] - 2 * self.ms) != self.ms)
        counts = np.diff(firsts, append=len(opened_K))
        return tuple(zip(opened_K[firsts].tolist(), counts.tolist(), strict=True))

    @property
    def end_ms(self) -> int:
        """The end of the last bar there is."""
        return int(self.opened_at_ms_K[-1]) + self.ms

    def without(self, days: Collection[str]) -> "Sessions":
        """The same, but on these days, told as UTC dates such as 2026-12-25, nothing opens.

        Raises: ConfigError: no date.
        """
        try:
            first_ms = [int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1_000 for day in days]
        except ValueError as error:
            raise ConfigError(f"expected days on which a venue is closed, found {error}; try: 2026-12-25") from error
        opened_K = self.opened_at_ms_K
        return Sessions(self.name, self.ms, opened_K[~np.isin(opened_K // _DAY_MS * _DAY_MS, first_ms)])

    def opens(self, at_ms: int) -> bool:
        """Whether a bar opens then."""
        place = int(self.opened_at_ms_K.searchsorted(at_ms))
        return place < len(self.opened_at_ms_K) and int(self.opened_at_ms_K[place]) == at_ms

    def after(self, at_ms: int, bars: int = 1) -> int:
        """When the bar so many after this time opens, before it where negative."""
        return int(self.afters(np.array([at_ms]), bars)[0])

    def afters(self, at_ms_N: TimeArray, bars: int = 1) -> TimeArray:
        """The same of many; beyond the ends it is counted by the clock."""
        opened_K = self.opened_at_ms_K
        place_N = opened_K.searchsorted(at_ms_N, side="right" if bars > 0 else "left") - (bars > 0) + bars
        inside_N = place_N.clip(0, len(opened_K) - 1)
        times_N: TimeArray = opened_K[inside_N] + (place_N - inside_N) * self.ms
        return times_N

    def backs(self, opened_at_ms_N: TimeArray, length: int) -> TimeArray:
        """(N,) -> (N, length): when the consecutive bars open that end with each, oldest first."""
        opened_K = self.opened_at_ms_K
        place_NL = opened_K.searchsorted(opened_at_ms_N)[:, None] - np.arange(length - 1, -1, -1)
        inside_NL = place_NL.clip(0, len(opened_K) - 1)
        times_NL: TimeArray = opened_K[inside_NL] + (place_NL - inside_NL) * self.ms
        return times_NL

    def skipped(self, opened_at_ms_N: TimeArray, length: int) -> tuple[TimeArray, TimeArray]:
        """When the first of the bars that end with each opens, and how many of the clock's are left out before each."""
        times_NL = self.backs(opened_at_ms_N, length)
        return times_NL[:, 0], np.diff(times_NL, axis=1, prepend=times_NL[:, :1] - self.ms) // self.ms - 1

    def places(self, opened_at_ms_N: TimeArray) -> TimeArray:
        """Count of bars before each: consecutive bars have consecutive places."""
        return np.asarray(self.opened_at_ms_K.searchsorted(opened_at_ms_N), np.int64)

    def count(self, from_ms: int, until_ms: int) -> int:
        """How many bars open from the one to before the other."""
        first, end = self.opened_at_ms_K.searchsorted([from_ms, until_ms]).tolist()
        return int(end - first)

    def between(self, from_ms: int, until_ms: int) -> Sequence[int]:
        """When the bars open that open from the one to before the other."""
        first, end = self.opened_at_ms_K.searchsorted([from_ms, until_ms]).tolist()
        opened: list[int] = self.opened_at_ms_K[first:end].tolist()
        return opened

    def slots(self, bars: int) -> int:
        """Places on the clock that any so many consecutive bars lie in."""
        opened_K = self.opened_at_ms_K
        bars = min(bars, len(opened_K))
        return int((opened_K[bars - 1 :] - opened_K[: len(opened_K) - bars + 1]).max()) // self.ms + 1
