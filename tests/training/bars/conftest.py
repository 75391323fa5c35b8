"""Files of bars as people have them, and the command line that reads them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from builders import HOUR
from typer.testing import CliRunner, Result

from core.bars import COLUMNS
from training.bars.cli import app

FIRST_HOUR = 24 * 18_262  # 2020-01-01


@pytest.fixture
def gaze_bars() -> Callable[..., Result]:
    """Run `gaze bars ...`; an error it raises is raised here."""

    def run(*arguments: object) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text file and return its path."""

    def written(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return written


@pytest.fixture
def hours() -> Callable[..., pl.DataFrame]:
    """Sound hourly bars of one symbol; `changes` maps (row, column) to another value."""

    def made(count: int = 200, symbol: str = "BTCUSDT", changes: dict[tuple[int, str], Any] | None = None) -> Any:
        wave = [100.0 + (step * 7 % 5) / 10 for step in range(count + 1)]
        rows: list[dict[str, Any]] = [
            {
                "symbol": symbol,
                "ts": (FIRST_HOUR + step) * HOUR.ms,
                "open": wave[step],
                "high": max(wave[step], wave[step + 1]) + 0.5,
                "low": min(wave[step], wave[step + 1]) - 0.5,
                "close": wave[step + 1],
                "volume": 10.0 + step % 3,
            }
            for step in range(count)
        ]
        for (row, column), value in (changes or {}).items():
            rows[row][column] = value
        schema = {"symbol": pl.String, "ts": pl.Int64} | dict.fromkeys(COLUMNS, pl.Float64)
        return pl.DataFrame(rows, schema=schema).with_columns(pl.col("ts").cast(pl.Datetime("ms", "UTC")))

    return made
