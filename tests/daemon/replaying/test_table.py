"""Predictions come back from the file as they were, and a replay that fails leaves no file."""

from pathlib import Path

import msgspec
import polars as pl
import pytest
from builders import a_gaze, a_manifest, a_message

from core.bands import Band, Margin
from daemon.replaying import table as replay_table
from daemon.replaying.table import PredictionTable


def test_every_number_of_a_prediction_is_in_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(replay_table, "_ROWS_A_PART", 2)
    gazes = [a_gaze((0.1, 0.2, 0.3, 0.4)), a_gaze((0.7, 0.1, 0.1, 0.1)), a_gaze()]
    said = [a_message(number, value=number / 8, gaze=gaze).prediction for number, gaze in enumerate(gazes, 1)]
    with PredictionTable(tmp_path / "out.parquet", a_manifest()) as table:
        table.add(said[:2])
        table.add(said[2:])
        assert table.rows == 3
    written = pl.read_parquet(tmp_path / "out.parquet")
    assert written["id"].to_list() == [one.id for one in said]
    assert written["ts"].dt.epoch("ms").to_list() == [one.opened_at_ms for one in said]
    assert written["return_1"].to_list() == [0.125, 0.25, 0.375]
    assert written["attention_entropy"].to_list() == [gaze.entropy for gaze in gazes]
    assert written["attention_recent"].to_list() == [gaze.shares[2] for gaze in gazes]
    assert written["attention_weights"].dtype.inner == pl.Float32  # type: ignore[attr-defined]
    assert written["attention_weights"].to_list()[1] == pytest.approx([0.7, 0.1, 0.1, 0.1])
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_bands_have_two_columns_for_each_coverage(tmp_path: Path):
    margins = (Margin("return_1", 0.8, 0.25, 99), Margin("return_1", 0.9, 0.5, 99))
    bands = {"return_1": (Band(0.8, -0.25, 0.25), Band(0.9, -0.5, 0.5))}
    said = msgspec.structs.replace(a_message().prediction, bands=bands)
    with PredictionTable(tmp_path / "out.parquet", a_manifest(margins=margins)) as table:
        table.add([said])
    (row,) = pl.read_parquet(tmp_path / "out.parquet").to_dicts()
    assert (row["return_1_band_80_low"], row["return_1_band_90_high"]) == (-0.25, 0.5)


def test_a_replay_that_fails_leaves_what_was_there(tmp_path: Path):
    (tmp_path / "out.parquet").write_text("before")

    def fail() -> None:
        with PredictionTable(tmp_path / "out.parquet", a_manifest()) as table:
            table.add([a_message().prediction])
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        fail()
    assert (tmp_path / "out.parquet").read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1
