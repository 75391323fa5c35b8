"""The command `gaze replay`, as it is called."""

from pathlib import Path

import numpy as np
import polars as pl
from typer.testing import CliRunner

import gaze
from benchmarks.same_bits.rows import Mirror
from core import barfile


def test_a_replay_reads_the_records_it_is_told_to_and_says_trainings_own_rows(tmp_path: Path, shared_data: Path):
    some = pl.read_parquet(shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet")
    some = some.filter(pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT"])).sort("ts", "symbol").head(800)
    some.write_parquet(tmp_path / "bars.parquet")
    mirror = Mirror(tmp_path, barfile.read(tmp_path / "bars.parquet"), 300)
    settings = tmp_path / "gaze.toml"
    settings.write_text(mirror.settings({"websocket": "", "rest": ""}).replace('"bundle"', f'"{tmp_path / "bundle"}"'))
    out = tmp_path / "said.parquet"
    # Those that the settings name lack what became known late.
    told = ("--bars", tmp_path / "bars.parquet", "--records", tmp_path / "every.jsonl", "--out", out)
    done = CliRunner().invoke(gaze.table(), ["replay", str(settings), *map(str, told)])
    assert done.exit_code == 0, done.output
    said = {
        (symbol, at): np.array(row, np.float32)
        for symbol, at, row in pl.read_parquet(out)
        .select("symbol", pl.col("ts").dt.epoch("ms"), pl.col("^quantiles_1.*$"))
        .iter_rows()
    }
    assert mirror.expected.keys() <= said.keys()
    assert all(said[bar].tobytes() == row_F.tobytes() for bar, row_F in mirror.expected.items())
