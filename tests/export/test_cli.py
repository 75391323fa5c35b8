"""`gaze export`: from a run to a bundle that another program can serve."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import torch
from runs import a_recipe, a_run, some_bars, write_parquet
from typer.testing import CliRunner

from core import bundle, golden
from core.bundle import GOLDEN, REFERENCE, Bundle
from core.errors import DataError
from export.cli import app
from training.runs.run import Run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs")
    bars = write_parquet(some_bars(symbols=2), folder / "bars.parquet")
    return a_run(a_recipe(), bars, folder / "tiny")


def told(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


@pytest.fixture(scope="module")
def made(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundles") / "demo"
    said = told(trained.folder, "--out", folder)
    one = bundle.read(folder)
    assert f"bundle demo 1 written to {folder}, digest {one.digest}" in said
    return one


def test_a_bundle_says_what_its_run_said(trained: Run, made: Bundle):
    said = made.manifest
    assert (said.name, said.version, said.family) == ("demo", "1", "hourly_lstm")
    assert (said.inputs, said.outputs, said.attentions) == (trained.inputs, trained.outputs, trained.attentions)
    assert (said.training, said.scores) == (trained.training, trained.scores)
    assert said.created_at == trained.facts.created_at
    assert said.recipe["model"]["options"]["hidden"] == 8
    assert made.path(REFERENCE).read_bytes() == (trained.folder / REFERENCE).read_bytes()


def test_a_bundle_has_the_outputs_of_the_trained_weights(trained: Run, made: Bundle):
    arrays = made.arrays(GOLDEN)
    (inputs,) = golden.named(golden.INPUT, arrays).values()
    with torch.inference_mode():
        said = {name: one.numpy() for name, one in trained.model(torch.from_numpy(inputs)).items()}
    golden.check(golden.named(golden.OUTPUT, arrays), said, 1e-6, "the run")


def test_a_copy_of_a_run_gives_the_same_bundle_wherever_it_goes(trained: Run, made: Bundle, tmp_path: Path):
    copied = shutil.copytree(trained.folder, tmp_path / "copied")
    for file in copied.iterdir():
        os.utime(file, (0, 0))
    told(copied, "--out", tmp_path / "elsewhere")
    again = bundle.read(tmp_path / "elsewhere").manifest
    # Whoever works on Gaze while its tests run may commit in between.
    assert msgspec.structs.replace(again, commit=made.manifest.commit) == made.manifest


def test_name_version_and_tolerance_can_be_said(trained: Run, tmp_path: Path):
    words = ("--name", "bitcoin", "--version", "7", "--tolerance", "0.001", "--json")
    said = json.loads(told(trained.folder, "--out", tmp_path / "demo", *words))
    named = bundle.read(tmp_path / "demo")
    assert (named.manifest.name, named.manifest.version) == ("bitcoin", "7")
    assert said["digest"] == named.digest
    assert {one["tolerance"] for one in said["artefacts"]} == {0.001}


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="is not a run"):
        told(tmp_path, "--out", tmp_path / "demo")


def test_a_run_without_its_sample_is_refused(trained: Run, tmp_path: Path):
    shutil.copytree(trained.folder, tmp_path / "run")
    (tmp_path / "run" / "sample.npz").unlink()
    with pytest.raises(DataError, match="lacks what a bundle is proven on"):
        told(tmp_path / "run", "--out", tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


def test_a_model_of_real_bars_is_exported(shared_data: Path, tmp_path: Path):
    recipe = a_recipe('data.symbols=["BTCUSDT"]', "window.stride=24", "window.length=48")
    run = a_run(recipe, shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet", tmp_path / "run")
    told(run.folder, "--out", tmp_path / "demo")
    made = bundle.read(tmp_path / "demo")
    assert set(made.arrays(GOLDEN)["symbol"]) == {"BTCUSDT"}
    assert max(made.manifest.artefacts[0].measured.values()) < 1e-5


def test_a_help_text_loads_nothing_heavy():
    code = (
        "import sys; from typer.testing import CliRunner; from export.cli import app; "
        "said = CliRunner().invoke(app, ['--help']).stdout; assert 'Example' in said, said; "
        "print([name for name in ('numpy', 'numba', 'torch', 'onnx', 'onnxruntime') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_baseline_is_exported_in_the_place_of_its_network(trained: Run, tmp_path: Path):
    told(trained.folder, "--out", tmp_path / "linear", "--baseline", "linear")
    said = bundle.read(tmp_path / "linear").manifest
    assert (said.name, said.family, said.outputs, said.attentions) == ("demo_linear", "linear", trained.outputs, ())
    own = {(one.measure, one.value) for one in trained.scores if one.predictor == "linear"}
    assert own == {(one.measure, one.value) for one in said.scores if one.predictor == "model"}
