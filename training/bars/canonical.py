"""Writing the one file of bars that everything else reads."""

import os
from pathlib import Path

import polars as pl

from core import disk
from core.bars import COLUMNS


def write(table: pl.DataFrame, path: Path) -> None:
    """Write symbol, ts and the five numbers, sorted, zstd. A reader sees the old file or the whole new one."""
    write_table(table.select("symbol", "ts", *COLUMNS).sort("symbol", "ts"), path)


def write_table(table: pl.DataFrame, path: Path) -> None:
    """Write any table as Parquet beside its place, then move it there in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with disk.told(path):
            table.write_parquet(unfinished, compression="zstd")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def beside(path: Path, word: str) -> Path:
    """bars.parquet and "events" give bars.events.parquet."""
    return path.with_name(f"{path.stem}.{word}.parquet")
