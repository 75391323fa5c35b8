"""`gaze bundle show` and `gaze bundle verify`."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bundles import a_bundle, rewritten
from typer.testing import CliRunner

from core.bundle import Artefact, Bundle, Score
from core.errors import BundleError, EngineError
from daemon.bundle_cli import app


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return a_bundle(tmp_path_factory.mktemp("bundles") / "small")


def told(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_show_says_what_a_bundle_is_and_needs(exported: Bundle):
    said = told("show", exported.folder)
    for word in ("demo 1", exported.digest, "rolling window of 48 bars of 1h", "72 bars", "return_1", "model.onnx"):
        assert word in said
    assert "onnxruntime, onnxruntime-cuda, onnxruntime-tensorrt, tensorrt" in " ".join(said.split())


def test_show_has_the_scores_of_a_form_of_fewer_bits_beside_the_models(exported: Bundle, tmp_path: Path):
    scores = tuple(Score("return_1", "mae", one, value, 0.1, 0.2) for one, value in (("model", 0.123), ("int8", 0.129)))
    artefact = Artefact("int8", ("model.onnx",), 1e-5, {"return_1": 0.0}, cost={"return_1": 3e-3}, scores=scores)
    artefacts = (*exported.manifest.artefacts, artefact)
    lossy = rewritten(exported, tmp_path / "lossy", "model.onnx", bytes, artefacts=artefacts)
    said = told("show", lossy.folder)
    for word in ("scores of int8", "0.123", "0.129", "return_1 off from PyTorch by 0.003"):
        assert word in said


def test_show_as_json_is_the_manifest(exported: Bundle):
    said = json.loads(told("show", exported.folder, "--json"))
    assert said["digest"] == exported.digest
    assert said["manifest"] == json.loads((exported.folder / "manifest.json").read_text())


def test_verify_says_what_was_proven_and_on_what(exported: Bundle):
    said = told("verify", exported.folder, "--engine", "onnxruntime")
    for word in (
        "5 as their digests say",
        "onnxruntime on cpu",
        "the same bits as whole windows",
        "reproduces all 12 golden rows",
    ):
        assert word in said


def test_verify_says_why_auto_chose_what_it_chose(exported: Bundle):
    said = "".join(told("verify", exported.folder).split())
    reason = json.loads(told("verify", exported.folder, "--json"))["reason"]
    assert "".join(reason.split()) in said


def test_verify_as_json_gives_every_difference(exported: Bundle):
    said = json.loads(told("verify", exported.folder, "--engine", "onnxruntime", "--json"))
    assert said["engine"] == "onnxruntime"
    assert said["proof"]["outputs"].keys() == {"return_1", "attention"}
    assert said["proof"]["same_bits_alone"] is True
    assert said["stream"]["same_bits"] is True


@pytest.mark.parametrize("command", ["show", "verify"])
def test_a_tampered_bundle_is_refused(exported: Bundle, tmp_path: Path, command: str):
    shutil.copytree(exported.folder, tmp_path / "copy")
    (tmp_path / "copy" / "model.onnx").write_bytes(b"")
    with pytest.raises(BundleError, match=r"model\.onnx was changed"):
        told(command, tmp_path / "copy")


def test_an_unknown_engine_is_refused(exported: Bundle):
    with pytest.raises(EngineError, match="no engine is called 'tensorflow'"):
        told("verify", exported.folder, "--engine", "tensorflow")


def test_a_help_text_loads_nothing_heavy():
    code = (
        "import sys; from typer.testing import CliRunner; from daemon.bundle_cli import app; "
        "said = CliRunner().invoke(app, ['verify', '--help']).stdout; assert 'Example' in said, said; "
        "print([name for name in ('numpy', 'numba', 'onnxruntime', 'msgspec') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
