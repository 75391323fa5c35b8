"""`gaze.load`, the door for notebooks: what it says is what the daemon and `gaze explain` say."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from runs import a_recipe, a_run, some_bars, write_parquet
from typer.testing import CliRunner

import core
import gaze
from core.errors import BundleError, DataError, UsageError
from daemon.config import BundleConfig, Config, FeedConfig
from daemon.replaying.job import replayed
from export.bundle import make_bundle
from export.run import describe, read_sample


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_parquet(some_bars(), tmp_path_factory.mktemp("bars") / "bars.parquet")


@pytest.fixture(scope="module")
def model(bars: Path, tmp_path_factory: pytest.TempPathFactory) -> gaze.Model:
    folder = tmp_path_factory.mktemp("model")
    run = a_run(a_recipe(), bars, folder / "run")
    make_bundle(folder / "bundle", run.model, describe(run, "small", "1"), *read_sample(folder / "run"), ("onnx",), {})
    return gaze.load(folder / "bundle", "onnxruntime")


def test_a_frame_is_predicted_as_the_daemon_would(model: gaze.Model, bars: Path, tmp_path: Path):
    told = model.predict(pl.read_parquet(bars))
    out = tmp_path / "replayed.parquet"
    config = Config(BundleConfig(str(model.folder), "onnxruntime"), FeedConfig(("S0", "S1")))
    replayed(config, bars, out, "", None, None)
    assert told.equals(pl.read_parquet(out).sort("ts", "symbol", maintain_order=True))
    assert told["symbol"].unique().sort().to_list() == ["S0", "S1"]
    assert {"return_1", "attention_weights"} <= set(told.columns)
    assert told["attention_weights"].arr.sum().is_between(0.999, 1.001).all()


def test_a_file_may_be_given_and_symbols_chosen(model: gaze.Model, bars: Path):
    told = model.predict(bars, symbols=("S1",))
    assert told.equals(model.predict(pl.read_parquet(bars)).filter(pl.col("symbol") == "S1"))


def test_too_few_bars_are_said(model: gaze.Model, bars: Path):
    with pytest.raises(DataError, match="unbroken bars"):
        model.predict(pl.read_parquet(bars).group_by("symbol").head(10))


def test_a_replay_from_behind_the_last_bar_says_where_the_file_ends(model: gaze.Model, bars: Path, tmp_path: Path):
    config = Config(BundleConfig(str(model.folder), "onnxruntime"), FeedConfig(("S0",), "generic"))
    end = pl.read_parquet(bars)["ts"].max() + timedelta(hours=1)
    with pytest.raises(DataError, match=f"ends at {end:%Y-%m-%dT%H:%M}, before the first bar"):
        replayed(config, bars, tmp_path / "predictions.parquet", "", int(end.timestamp() * 1_000), None)
    assert not (tmp_path / "predictions.parquet").exists()


def test_an_explanation_is_written_and_its_report_given(model: gaze.Model, bars: Path, tmp_path: Path):
    report = model.explain(pl.read_parquet(bars), tmp_path / "explained")
    assert (tmp_path / "explained" / "index.html").is_file()
    assert report.attentions[0].findings


def test_what_is_no_bundle_is_said(tmp_path: Path):
    with pytest.raises(BundleError, match=r"it has no manifest\.json\. try: gaze export RUN --out"):
        gaze.load(tmp_path)
    with pytest.raises(BundleError, match=r"no such folder\. try: gaze export RUN --out"):
        gaze.load(tmp_path / "nowhere")
    (tmp_path / "run.json").touch()
    with pytest.raises(BundleError, match=f"try: gaze export {tmp_path} --out bundle"):
        gaze.load(tmp_path)


def test_the_version_is_told():
    assert CliRunner().invoke(gaze.table(), ["--version"]).output == f"gaze {core.__version__}\n"


def test_bars_that_were_not_simulated_are_not_overwritten_by_some_that_are(bars: Path):
    before = bars.read_bytes()
    told = CliRunner().invoke(gaze.table(), ["bars", "simulate", "--out", str(bars)])
    assert isinstance(told.exception, UsageError)
    assert bars.read_bytes() == before


def typed(*words: str, **environment: str) -> str:
    """What the installed command prints, under these variables alone."""
    program = Path(sys.executable).with_name("gaze")
    told = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run([program, *words], env=told, capture_output=True, text=True, timeout=250, check=False).stdout


def test_a_shell_completes_commands_and_their_commands():
    assert typed(_GAZE_COMPLETE="complete_bash", COMP_WORDS="gaze bund", COMP_CWORD="1").split() == ["bundle"]
    assert typed(_GAZE_COMPLETE="complete_bash", COMP_WORDS="gaze bars im", COMP_CWORD="2").split() == ["import"]


def test_colours_obey_no_color():
    assert "\x1b[" in typed("--help", FORCE_COLOR="1", COLUMNS="80")
    for words in (["--help"], ["doctor"]):
        assert "\x1b[3" not in typed(*words, FORCE_COLOR="1", NO_COLOR="1", COLUMNS="80")


def refused(*words: str) -> tuple[int, str]:
    """The status and last words of the installed command where no file may grow beyond 8 KiB."""
    program = Path(sys.executable).with_name("gaze")
    limited = ["bash", "-c", 'ulimit -f 8; exec "$@"', "limited", program, *words]
    told = subprocess.run(limited, capture_output=True, text=True, timeout=100, check=False)
    return told.returncode, told.stderr


def test_a_file_that_cannot_grow_ends_in_one_line_and_leaves_nothing(tmp_path: Path):
    """A disk without room is a person's business, not a bug: no traceback."""
    status, said = refused("bars", "simulate", "--out", str(tmp_path / "bars.parquet"))
    assert (status, said) == (
        74,
        f"gaze: {tmp_path / 'bars.parquet'}: File too large; try: free some space, or write elsewhere\n",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_a_folder_ends_in_one_line(tmp_path: Path):
    (tmp_path / "taken").touch()
    status, said = refused("init", str(tmp_path / "taken" / "first"))
    assert status == 74
    assert said.startswith("gaze: ")
    assert said.endswith("; try: another name\n")
    assert said.count("\n") == 1
