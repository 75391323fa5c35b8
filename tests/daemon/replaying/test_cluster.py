"""A replay spread over a cluster is the table of one process."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from builders import HOUR
from bundles import a_bundle

from core.errors import DataError
from daemon.config import BundleConfig, Config, FeedConfig
from daemon.replaying.cluster import spread
from daemon.replaying.job import replayed

SYMBOLS = tuple(f"S{number:02d}USDT" for number in range(60))
"""More than two tasks take."""
BARS = 100


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    close = 100 * np.exp(np.cumsum(0.01 * np.random.default_rng(3).standard_normal((BARS, len(SYMBOLS))), axis=0))
    rows = [
        (symbol, datetime.fromtimestamp(number * HOUR.ms / 1_000, UTC), price, price * 1.01, price * 0.99, price, 5.0)
        for number in range(BARS)
        for symbol, price in zip(SYMBOLS, close[number].tolist(), strict=True)
    ]
    columns = ["symbol", "ts", "open", "high", "low", "close", "volume"]
    table = pl.DataFrame(rows, columns, orient="row").with_columns(pl.col("ts").cast(pl.Datetime("ms", "UTC")))
    table.write_parquet(tmp_path / "bars.parquet")
    return tmp_path / "bars.parquet"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_table_is_that_of_one_process_in_the_order_of_time(bars: Path, tmp_path: Path):
    bundle = a_bundle(tmp_path / "bundle")
    config = Config(BundleConfig(str(bundle.folder), "onnxruntime"), FeedConfig(SYMBOLS))
    alone = replayed(config, bars, tmp_path / "alone.parquet", "", None, None)
    both = spread(config, bars, tmp_path / "spread.parquet", "local", None, None)
    assert (both.predictions, both.symbols, both.bars) == (alone.predictions, alone.symbols, alone.bars)
    told, expected = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("spread", "alone"))
    assert told["ts"].is_sorted()
    assert told.sort("ts", "symbol").equals(expected.sort("ts", "symbol"))
    with pytest.raises(DataError, match="NOUSDT"):
        spread(
            Config(BundleConfig(str(bundle.folder), "onnxruntime"), FeedConfig((*SYMBOLS[:2], "NOUSDT"))),
            bars,
            tmp_path / "none.parquet",
            "local",
            None,
            None,
        )
    assert not (tmp_path / "none.parquet").exists()
