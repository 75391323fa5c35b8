"""Builders for trainings: bars of a random walk, a tiny recipe, and a file of bars."""

from pathlib import Path

import numpy as np
import polars as pl

from core.barfile import BarFile, SymbolBars
from core.bars import COLUMNS, Interval
from training import recipe
from training.job import Job
from training.recipe import Recipe
from training.runs.run import Run

HOUR = Interval.parse("1h")
START_MS = HOUR.floor(1_700_000_000_000)


def some_bars(symbols: int = 2, bars: int = 600, seed: int = 0, missing: tuple[int, ...] = ()) -> BarFile:
    """Random walks; `missing`: positions of bars left out of every symbol."""
    kept = np.setdiff1d(np.arange(bars), missing)
    times = START_MS + HOUR.ms * np.arange(bars)
    parts = {}
    for number, random in enumerate(np.random.default_rng(seed).spawn(symbols)):
        close = 100 * np.exp(np.cumsum(0.01 * random.standard_normal(bars)))
        opened = np.concatenate([[100.0], close[:-1]])
        high, low = np.maximum(opened, close) * 1.001, np.minimum(opened, close) * 0.999
        rows = np.column_stack([opened, high, low, close, random.uniform(1, 10, bars)])
        parts[f"S{number}"] = SymbolBars(f"S{number}", times[kept], rows[kept])
    return BarFile(HOUR, parts, "made")


def a_recipe(*changes: str) -> Recipe:
    """The demo recipe with a window of 8 and 8 hidden units, one epoch, and these changes."""
    tiny = ("window.length=8", "model.options.hidden=8", "optimiser.epochs=1", "optimiser.batch=64")
    return recipe.read("demo", changes=(*tiny, *changes))


def write_parquet(file: BarFile, path: Path) -> Path:
    """The bars as a file."""
    parts = [
        pl.DataFrame(part.rows, schema=list(COLUMNS)).select(
            pl.lit(symbol).alias("symbol"), pl.Series("ts", part.opened_at_ms).cast(pl.Datetime("ms", "UTC")), *COLUMNS
        )
        for symbol, part in file.symbols.items()
    ]
    pl.concat(parts).write_parquet(path)
    return path


def a_run(recipe: Recipe, bars: Path, out: Path) -> Run:
    """Trained, and not a word said."""
    return Job(recipe, bars).run(out, lambda *_: None, lambda _: None)


def cut_parquet(bars: Path, to: Path, symbols: tuple[str, ...], count: int) -> Path:
    """The first bars of some symbols, as a file of their own."""
    rows = pl.read_parquet(bars).filter(pl.col("symbol").is_in(symbols)).sort("symbol", "ts")
    rows.group_by("symbol", maintain_order=True).head(count).write_parquet(to)
    return to
