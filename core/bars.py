"""A bar, its interval, and the order of its five numbers in an array."""

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from core.errors import ConfigError

OPEN: Final = 0
HIGH: Final = 1
LOW: Final = 2
CLOSE: Final = 3
VOLUME: Final = 4
COLUMNS: Final = ("open", "high", "low", "close", "volume")

BarArray = npt.NDArray[np.float64]
"""(..., T, 5) float64: open, high, low, close, volume; oldest bar first."""

TimeArray = npt.NDArray[np.int64]
"""(...,) int64: Unix milliseconds, UTC."""

LATEST_MS: Final = 4_102_444_800_000
"""The year 2100: what opens after it is told in another unit, such as microseconds, and would outlive true bars."""

_UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
# The Unix epoch was a Thursday; venues open their weeks on a Monday.
_WEEK_ANCHOR_MS: Final = 4 * 86_400_000


class Interval(msgspec.Struct, frozen=True):
    """The length of a bar. `name` is what venues call it ("1h"), `ms` its length in milliseconds."""

    name: str
    ms: int

    @classmethod
    def parse(cls, name: str) -> "Interval":
        """Read "1m", "15m", "1h", "4h", "1d" or "1w".

        Raises: ConfigError: not a whole number of seconds, minutes, hours, days or weeks.
        """
        count, unit = name[:-1], name[-1:]
        if not (count.isascii() and count.isdecimal()) or int(count) < 1 or unit not in _UNIT_MS:
            raise ConfigError(f"interval {name!r} is not known; try: 1m, 15m, 1h, 4h, 1d or 1w (months vary in length)")
        return cls(name, int(count) * _UNIT_MS[unit])

    @property
    def anchor_ms(self) -> int:
        """An instant at which a bar of this interval opens: the epoch, or the first Monday for weeks."""
        return _WEEK_ANCHOR_MS if self.ms % _UNIT_MS["w"] == 0 else 0

    def floor(self, at_ms: int) -> int:
        """The opening time of the bar that contains this instant."""
        return at_ms - (at_ms - self.anchor_ms) % self.ms

    def number(self, opened_at_ms: int) -> int:
        """Count of whole intervals since the anchor: no two bars have the same."""
        return (opened_at_ms - self.anchor_ms) // self.ms

    def numbers(self, opened_at_ms_N: TimeArray) -> TimeArray:
        """The same of many."""
        numbers_N: TimeArray = (opened_at_ms_N - self.anchor_ms) // self.ms
        return numbers_N

    # What follows counts bars, not time: at a venue that closes core.sessions counts otherwise.

    def opens(self, at_ms: int) -> bool:
        """Whether a bar opens then."""
        return self.floor(at_ms) == at_ms

    def after(self, at_ms: int, bars: int = 1) -> int:
        """When the bar so many after this one opens; before it where negative."""
        return at_ms + bars * self.ms

    def afters(self, at_ms_N: TimeArray, bars: int = 1) -> TimeArray:
        """The same of many."""
        times_N: TimeArray = at_ms_N + bars * self.ms
        return times_N

    def backs(self, opened_at_ms_N: TimeArray, length: int) -> TimeArray:
        """(N,) -> (N, length): when the consecutive bars open that end with each, oldest first."""
        times_NL: TimeArray = opened_at_ms_N[:, None] - np.arange(length - 1, -1, -1) * self.ms
        return times_NL

    def skipped(self, opened_at_ms_N: TimeArray, length: int) -> tuple[TimeArray, TimeArray]:
        """When the first of the bars that end with each opens, and how many of the clock's are left out before each.

        (N,) and (N, length); (0, 0) where none ever is.
        """
        return opened_at_ms_N - (length - 1) * self.ms, np.empty((0, 0), np.int64)

    def places(self, opened_at_ms_N: TimeArray) -> TimeArray:
        """Count of bars before each: consecutive bars have consecutive places."""
        return self.numbers(opened_at_ms_N)

    def count(self, from_ms: int, until_ms: int) -> int:
        """How many bars open from the one to before the other."""
        return (until_ms - from_ms) // self.ms

    def between(self, from_ms: int, until_ms: int) -> Sequence[int]:
        """When the bars open that open from the one to before the other."""
        return range(from_ms, until_ms, self.ms)

    def slots(self, bars: int) -> int:
        """Places on the clock that any so many consecutive bars lie in."""
        return bars


class Spans(NamedTuple):
    """`length` consecutive bars of each of N symbols where they lie: in which ring of (S, C, 5), from which slot on."""

    bars_SC5: BarArray
    positions_N: npt.NDArray[np.int64]
    slots_N: npt.NDArray[np.int64]
    length: int


class Bar(msgspec.Struct, frozen=True, gc=False):
    """One bar of one symbol. Prices in the quote currency, volume in the base currency, times in UTC milliseconds."""

    symbol: str
    opened_at_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    closed: bool = True

    @property
    def row(self) -> tuple[float, float, float, float, float]:
        """The five numbers in the order of COLUMNS."""
        return (self.open, self.high, self.low, self.close, self.volume)


class Origin(StrEnum):
    """How a bar reached us."""

    LIVE = "live"
    AGGREGATED = "aggregated"  # live, built from the shorter bars that the venue streams
    BACKFILLED = "backfilled"  # from the venue's history
    FILLED = "filled"  # built by us: nothing was traded, and the venue leaves such bars out

    @property
    def off_a_socket(self) -> bool:
        """Whether the bar came when it closed, and not by asking history."""
        return self in OFF_A_SOCKET


# Looked up once: the members of an enumeration are slow to name, and a burst asks of every bar.
OFF_A_SOCKET: Final = (Origin.LIVE, Origin.AGGREGATED)


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """A closed bar together with where it came from and when we had it."""

    bar: Bar
    venue: str
    received_at_ms: int
    origin: Origin = Origin.LIVE


def inconsistency(bar: Bar) -> str | None:
    """Why the numbers of this bar cannot be true, or None."""
    for name, value in zip(COLUMNS, bar.row, strict=True):
        if not math.isfinite(value):
            return f"{name} is {value}"
    if bar.low <= 0:
        return f"low {bar.low} is not above zero"
    if bar.volume < 0:
        return f"volume {bar.volume} is negative"
    if bar.low > min(bar.open, bar.close):
        return f"low {bar.low} is above open {bar.open} or close {bar.close}"
    if bar.high < max(bar.open, bar.close):
        return f"high {bar.high} is below open {bar.open} or close {bar.close}"
    return None


def consistent(rows_N5: BarArray) -> npt.NDArray[np.bool_]:
    """(N, 5) -> (N,): whether the numbers of each bar can be true, as `inconsistency` says it."""
    open_N, high_N, low_N, close_N, volume_N = rows_N5.T
    possible_N: npt.NDArray[np.bool_] = (
        np.isfinite(rows_N5).all(axis=1)
        & (low_N > 0)
        & (volume_N >= 0)
        & (low_N <= np.minimum(open_N, close_N))
        & (high_N >= np.maximum(open_N, close_N))
    )
    return possible_N
