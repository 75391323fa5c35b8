"""TensorRT asked for where it cannot run is an error that says what to do."""

import sys
from ctypes.util import find_library
from pathlib import Path

import pytest
from bundles import rewritten

from core.bundle import Artefact, Bundle
from core.errors import EngineError
from daemon.engines import open_engine
from daemon.engines.tensorrt import TensorRt


@pytest.fixture
def planned(exported: Bundle, tmp_path: Path) -> Bundle:
    """A bundle that speaks of a plan; the file is another."""
    artefacts = (*exported.manifest.artefacts, Artefact("tensorrt", ("model.onnx",), 1e-5, {}))
    return rewritten(exported, tmp_path / "planned", "model.onnx", bytes, artefacts=artefacts)


@pytest.mark.skipif(find_library("cuda") is not None, reason="a GPU is here")
@pytest.mark.parametrize("kind", ["onnx", "fp16-gpu"])
def test_without_a_gpu_it_is_refused_and_nothing_is_built(exported: Bundle, tmp_path: Path, kind: str):
    name = "tensorrt" if kind == "onnx" else "tensorrt-fp16"
    with pytest.raises(EngineError, match=rf"{name} was asked for, but there is no NVIDIA driver here .*, or engine ="):
        TensorRt(exported, kind, {"XDG_CACHE_HOME": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []


def test_without_tensorrt_the_error_says_what_to_install(planned: Bundle, monkeypatch: pytest.MonkeyPatch):
    for name in ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EngineError, match=r"neither TensorRT nor TensorRT-RTX is installed; try: pip install"):
        open_engine("tensorrt", planned)


def test_auto_passes_it_over_and_says_why(planned: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings"):
        monkeypatch.setitem(sys.modules, name, None)
    engine = open_engine("auto", planned, {"XDG_CACHE_HOME": str(tmp_path)})
    assert engine.name.startswith("onnxruntime")
    assert "; not tensorrt: neither TensorRT nor TensorRT-RTX is installed" in engine.reason
