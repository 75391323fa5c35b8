"""The interval of bars, told from the steps between them."""

from typing import Final

import polars as pl

from core.bars import Interval
from core.errors import DataError

_UNITS: Final = tuple((unit, Interval.parse(f"1{unit}").ms) for unit in "wdhms")


def usual_interval(table: pl.DataFrame) -> Interval:
    """The most common step from one bar of a symbol to the next; `table` is sorted by symbol and ts.

    Raises: DataError: there is no step, or it is no whole number of seconds.
    """
    steps = table.select(pl.col("ts").diff().over("symbol").dt.total_milliseconds()).to_series()
    counts = steps.filter(steps > 0).value_counts(sort=True)
    if counts.is_empty():
        raise DataError("there is a single bar a symbol, so the interval is unknown; try: --interval 1h")
    step = int(counts[0, 0])
    for unit, length in _UNITS:
        if step % length == 0:
            return Interval.parse(f"{step // length}{unit}")
    raise DataError(f"the bars step by {step} ms, expected whole seconds; try: --interval 1h")
