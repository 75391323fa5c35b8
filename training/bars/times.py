"""Times as people write them, to UTC milliseconds: ISO text, dates, or counts since the epoch in any unit."""

from typing import Final
from zoneinfo import available_timezones

import polars as pl

from core.errors import DataError

UTC_MS: Final = pl.Datetime("ms", "UTC")

_NS_PER: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_WORD: Final = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
# A count between 1990 and 2100 has one unit only: the ranges lie far apart.
_FIRST_S: Final = 631_152_000
_LAST_S: Final = 4_102_444_800

_WITH_OFFSET: Final = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z")
_CLOCKS: Final = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M")
_CLOCKS_ELSEWHERE: Final = (
    *("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y.%m.%d %H:%M:%S", "%Y.%m.%d %H:%M", "%d.%m.%Y %H:%M:%S%.f"),
    *("%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%Y%m%d %H:%M:%S", "%Y%m%d %H%M%S"),
)
_DATES: Final = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y%m%d", "%d-%b-%Y")


class Times:
    """The times of a column and `told`, what they were taken for. Null where a time could not be read."""

    def __init__(self, ts: pl.Series, told: str) -> None:
        self.ts = ts
        self.told = told


def read_times(column: pl.Series, unit: str | None, pattern: str | None, zone: str | None) -> Times:
    """Read a column of times.

    `unit` and `pattern` settle what cannot be guessed; `zone` is the place whose wall clock is meant where the text
    names none. A date alone stays a date: midnight UTC.

    Raises: DataError: the unit, the order of day and month, or the zone is not clear.
    """
    if zone is not None and zone not in available_timezones():
        raise DataError(f"--timezone {zone!r} is not known; try: America/New_York, Europe/Berlin or UTC")
    if column.dtype == pl.Date:
        return Times(column.cast(UTC_MS), "dates, midnight UTC")
    if isinstance(column.dtype, pl.Datetime):
        return _zoned(column, zone)
    if column.dtype.is_numeric():
        return _counted(column, unit)
    text = column.cast(pl.String).str.strip_chars()
    if not text.count():
        return Times(pl.Series(column.name, [None] * len(column), UTC_MS), "nothing")
    numbers = text.cast(pl.Float64, strict=False)
    if pattern is None and _mostly_read(text, numbers) and not text.str.contains(r"^\d{8}$").all():
        return _counted(numbers if text.str.contains("[.eE]").any() else text.cast(pl.Int64, strict=False), unit)
    return _written(text, pattern, zone)


def _mostly_read(text: pl.Series, values: pl.Series) -> bool:
    """A stray cell must not change what the column is; it is refused alone."""
    return values.count() * 2 > text.count()


def _counted(numbers: pl.Series, unit: str | None) -> Times:
    if unit is not None:
        if unit not in _NS_PER:
            raise DataError(f"--unit {unit!r} is not known; try: {', '.join(_NS_PER)}")
        return Times(_from_epoch(numbers, unit), f"{_WORD[unit]} since the epoch")
    ts = pl.Series(numbers.name, [None] * len(numbers), UTC_MS)
    told = []
    for name, ns in _NS_PER.items():
        scale = 1_000_000_000 // ns
        fits = numbers.is_between(_FIRST_S * scale, _LAST_S * scale).fill_null(value=False)
        if fits.any():
            ts = _from_epoch(numbers, name).zip_with(fits, ts)
            told.append(f"{_WORD[name]} since the epoch" + ("" if fits.all() else f" in {fits.sum():,} rows"))
    strange = numbers.filter(numbers.is_not_null() & ts.is_null())
    if len(strange) * 2 >= max(numbers.count(), 1):
        raise DataError(f"time {strange.to_list()[:1]} is in no unit known between 1990 and 2100; try: --unit s")
    return Times(ts, " and ".join(told))


def _from_epoch(numbers: pl.Series, unit: str) -> pl.Series:
    if numbers.dtype.is_float():
        return (numbers * (_NS_PER[unit] / 1_000_000)).round().cast(pl.Int64, strict=False).cast(UTC_MS)
    per_ms = 1_000_000 // _NS_PER[unit]
    whole = numbers.cast(pl.Int64)
    return (whole // per_ms if per_ms else whole * (_NS_PER[unit] // 1_000_000)).cast(UTC_MS)


def _zoned(column: pl.Series, zone: str | None) -> Times:
    if getattr(column.dtype, "time_zone", None):
        return Times(column.cast(UTC_MS), f"times with a zone ({column.dtype.time_zone})")  # type: ignore[attr-defined]
    place = zone or "UTC"
    # The hour that a clock shows twice, or skips, in a change of summer time is null here: it is refused, not guessed.
    placed = column.cast(pl.Datetime("ms")).dt.replace_time_zone(place, ambiguous="null", non_existent="null")
    return Times(placed.cast(UTC_MS), f"wall clock of {place}" + ("" if zone else " (no zone is named)"))


def _written(text: pl.Series, pattern: str | None, zone: str | None) -> Times:
    patterns = (pattern,) if pattern else (*_WITH_OFFSET, *_CLOCKS, *_CLOCKS_ELSEWHERE, *_DATES)
    readings: list[tuple[str, pl.Series]] = []
    for tried in patterns:
        values = text.str.to_datetime(tried, time_unit="ms", strict=False)
        if not _mostly_read(text, values):
            continue
        if any(values.null_count() > better.null_count() for _, better in readings):
            continue
        readings = [(name, better) for name, better in readings if better.null_count() == values.null_count()]
        if not any(values.equals(better) for _, better in readings):
            readings.append((tried, values))
    if not readings:
        raise DataError(
            f"time {text.drop_nulls().to_list()[:1]} is in no form known; try: --time-format '%Y-%m-%d %H:%M'"
        )
    if len(readings) > 1:
        raise DataError(
            f"time {text.drop_nulls().to_list()[:1]} could be {' or '.join(name for name, _ in readings)}; "
            f"try: --time-format '{readings[0][0]}'"
        )
    name, values = readings[0]
    if "%H" not in name:
        return Times(values.dt.replace_time_zone("UTC"), f"dates ({name}), midnight UTC")
    read = _zoned(values, zone)
    return Times(read.ts, f"text ({name}), {read.told}")
