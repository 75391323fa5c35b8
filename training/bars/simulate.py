"""Bars of a known process: a burst of volume at some bar moves the price some bars later.

Every symbol is its own process, drawn bar by bar from one numpy Generator:

1. Volatility. log(sigma[t] / SIGMA) is a first-order autoregression around 0: mild, slow swings.
2. Returns. Log return r[t] = sigma[t] * z[t], z standard normal. A bar opens where the last one closed.
3. Events. From one event to the next there are SPACING_MIN bars and a geometric number more. At an event bar the
   volume is BURST times its normal, and the bar's own return is turned into `direction` times 1 to 2 sigma: its size
   is ordinary, its volume is not, so neither volume nor return alone tells what comes.
4. Moves. `lag` bars after the event, lag even over LAGS, MOVE_BARS bars in a row each gain
   `direction * STRENGTH * sigma`. Nothing else is predictable.

The lag of one event cannot be known beforehand. What can be known k bars after an event is how likely bar k belongs to
its move: a hump over k = 6 to 17 with its peak at 11 and 12. A model that looks back at the event finds it; the last
bar alone does not show it. SPACING_MIN is above the longest reach of a move, so every bar has one cause at most.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from core.bars import COLUMNS, BarArray, Interval

SIGMA: Final = 0.006
"""Usual volatility of one bar, log return."""
SIGMA_MEMORY: Final = 0.98
SIGMA_SWING: Final = 0.05
SPACING_MIN: Final = 22
SPACING_MORE: Final = 10
"""Mean number of bars from one event to the next beyond SPACING_MIN."""
BURST: Final = (5.0, 9.0)
"""How many times its normal the volume of an event bar is: even between the two."""
LAGS: Final = range(6, 13)
MOVE_BARS: Final = 6
STRENGTH: Final = 1.0
"""Drift of each bar of a move, in that bar's sigma."""
_DIGITS: Final = 6


class Event(msgspec.Struct, frozen=True):
    """A planted event: at bar `at`; bars `at + lag` to `at + lag + MOVE_BARS - 1` move in its direction, +1 or -1."""

    at: int
    direction: int
    lag: int


class Simulated(msgspec.Struct, frozen=True):
    """Bars with the columns of a file of bars, and the truth: the events, and what each one moved."""

    bars: pl.DataFrame
    events: pl.DataFrame


def simulate(symbols: int, bars: int, interval: Interval, start: datetime, seed: int) -> Simulated:
    """Draw `symbols` x `bars` bars. The same arguments give the same bars, to the last digit."""
    opened = start.astimezone(UTC)
    opened_at = pl.Series("ts", [opened + timedelta(milliseconds=interval.ms * step) for step in range(bars)])
    opened_at = opened_at.cast(pl.Datetime("ms", "UTC"))
    width = max(2, len(str(symbols)))
    bar_parts, event_parts = [], []
    for number, generator in enumerate(np.random.default_rng(seed).spawn(symbols), 1):
        name = f"SIM{number:0{width}}USDT"
        rows, events = _one(bars, generator)
        table = pl.DataFrame(rows, schema=list(COLUMNS), orient="row")
        bar_parts.append(table.select(pl.lit(name).alias("symbol"), opened_at, *COLUMNS))
        event_parts.append(_told(name, events, opened_at, interval))
    return Simulated(pl.concat(bar_parts), pl.concat(event_parts))


def causes(events: pl.DataFrame, interval: Interval) -> pl.DataFrame:
    """Which bar is the planted cause of the *next* bar's return, for every bar of which that is true.

    Columns: symbol, ts (the bar whose next return moves), cause_ts (the event), steps_back (from ts to the event: 0 is
    the bar itself), direction. At any other bar the next return has no cause.
    """
    step = pl.duration(milliseconds=interval.ms)
    return (
        events.with_columns(pl.int_ranges(0, "move_bars").alias("into"))
        .explode("into")
        .select(
            "symbol",
            (pl.col("move_ts") + step * (pl.col("into") - 1)).alias("ts"),
            pl.col("ts").alias("cause_ts"),
            (pl.col("lag") + pl.col("into") - 1).cast(pl.Int16).alias("steps_back"),
            "direction",
        )
    )


def _one(bars: int, generator: np.random.Generator) -> tuple[BarArray, list[Event]]:
    """The (T, 5) bars of one symbol and its events."""
    sigma_T = _volatility(bars, generator)
    events = _events(bars, generator)
    at_E = np.array([event.at for event in events], np.int64)
    direction_E = np.array([event.direction for event in events], np.float64)
    return_T = sigma_T * generator.standard_normal(bars)
    return_T[at_E] = direction_E * sigma_T[at_E] * generator.uniform(1.0, 2.0, len(events))
    for event in events:
        moved = slice(event.at + event.lag, event.at + event.lag + MOVE_BARS)
        return_T[moved] += event.direction * STRENGTH * sigma_T[moved]
    usual_volume = np.exp(generator.uniform(np.log(100), np.log(100_000)))
    volume_T = usual_volume * np.sqrt(sigma_T / SIGMA) * np.exp(0.3 * generator.standard_normal(bars))
    volume_T[at_E] *= generator.uniform(*BURST, len(events))
    first_price = np.exp(generator.uniform(np.log(1), np.log(50_000)))
    close_T = _rounded(first_price * np.exp(np.cumsum(return_T)))
    open_T = np.concatenate([_rounded(np.array([first_price])), close_T[:-1]])
    wick_T2 = np.exp(0.5 * sigma_T[:, None] * np.abs(generator.standard_normal((bars, 2))))
    high_T = _rounded(np.maximum(open_T, close_T) * wick_T2[:, 0])
    low_T = _rounded(np.minimum(open_T, close_T) / wick_T2[:, 1])
    return np.column_stack([open_T, high_T, low_T, close_T, np.round(volume_T, 3)]), events


def _volatility(bars: int, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """(T,): sigma of each bar, from the stationary distribution on."""
    shocks_T = SIGMA_SWING * generator.standard_normal(bars)
    log_T = np.empty(bars)
    level = shocks_T[0] / np.sqrt(1 - SIGMA_MEMORY**2)
    for step in range(bars):
        level = level if step == 0 else SIGMA_MEMORY * level + shocks_T[step]
        log_T[step] = level
    return np.asarray(SIGMA * np.exp(log_T))


def _events(bars: int, generator: np.random.Generator) -> list[Event]:
    """The events whose whole move lies within `bars`."""
    events = []
    at = int(generator.integers(SPACING_MIN))
    while at + max(LAGS) + MOVE_BARS <= bars:
        direction = 1 if generator.random() < 0.5 else -1  # noqa: PLR2004 - a fair coin
        events.append(Event(at, direction, int(generator.choice(LAGS))))
        at += SPACING_MIN + int(generator.geometric(1 / (SPACING_MORE + 1))) - 1
    return events


def _rounded(price_T: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Prices to six significant digits, as a venue would quote them. Keeps their order."""
    scale_T = 10.0 ** (_DIGITS - 1 - np.floor(np.log10(price_T)))
    return np.asarray(np.round(price_T * scale_T) / scale_T)


def _told(symbol: str, events: list[Event], opened_at: pl.Series, interval: Interval) -> pl.DataFrame:
    """The truth about one symbol: symbol, ts of the event, direction, lag, move_ts (first bar moved), move_bars."""
    kinds = {"at": pl.Int64, "direction": pl.Int8, "lag": pl.Int16}
    table = pl.DataFrame([msgspec.structs.asdict(event) for event in events], schema=kinds)
    return table.select(
        pl.lit(symbol).alias("symbol"),
        opened_at.gather(table["at"]).alias("ts"),
        "direction",
        "lag",
        (opened_at.gather(table["at"]) + pl.duration(milliseconds=interval.ms) * pl.col("lag")).alias("move_ts"),
        pl.lit(MOVE_BARS, pl.Int16).alias("move_bars"),
    )
