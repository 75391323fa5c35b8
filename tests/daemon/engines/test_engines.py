"""The engine that was asked for, or an error that says what to do: every entry of ENGINES, and "auto"."""

import sys
from ctypes.util import find_library
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from bundles import float_weights, rewritten, scaled

from core import golden
from core.bundle import GOLDEN, Bundle
from core.errors import BundleError, EngineError
from core.golden import INPUT
from daemon.engines import AUTO, ENGINES, OpenEngine, open_engine
from daemon.engines.proof import prove

HAS_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers() and find_library("cuda") is not None
ON_GPU = tuple(name for name in ENGINES if "cuda" in name or "tensorrt" in name)
HALF = tuple(name for name in ON_GPU if name.endswith("fp16"))
"""Held to PyTorch within half precision: a weight that is wrong by one percent may hide there."""
ELSEWHERE = ("litert", "onnxruntime-buckets")
"""Engines whose artefact this bundle does not have: tests of their own."""
HERE = [name for name in ENGINES if (HAS_CUDA or name not in ON_GPU) and name not in ELSEWHERE]
"""A GPU's engines run the same tests where there is one; the first test says when they do not."""


@pytest.fixture(scope="module", params=HERE)
def engine(request: pytest.FixtureRequest, exported: Bundle) -> OpenEngine:
    name: str = request.param
    return open_engine(name, exported)


@pytest.mark.parametrize(
    "name",
    [AUTO, *HERE, *(pytest.param(name, marks=pytest.mark.skip("no GPU here")) for name in ON_GPU if not HAS_CUDA)],
)
def test_an_engine_reproduces_the_golden_values(name: str, exported: Bundle):
    proof = prove(open_engine(name, exported), exported)
    assert proof.same_bits_alone
    assert proof.outputs.keys() == {"return_1", "attention"}


def test_an_engine_says_what_it_is(engine: OpenEngine, exported: Bundle):
    assert engine.name in ENGINES
    assert engine.reason == "asked for"
    assert engine.artefact in exported.manifest.artefacts


@pytest.mark.parametrize("rows", [0, 1, 2, 63, 64, 65, 300])
def test_an_engine_gives_as_many_rows_as_it_was_given(engine: OpenEngine, rows: int, exported: Bundle):
    x_NTF = np.zeros((rows, *exported.manifest.inputs[0].row), np.float32)
    made = engine.run({"bars": x_NTF})
    assert {key: values.shape for key, values in made.items()} == {"return_1": (rows,), "attention": (rows, 48)}
    assert {values.dtype for values in made.values()} == {np.dtype(np.float32)}


def test_an_engine_leaves_its_inputs_alone(engine: OpenEngine, exported: Bundle):
    inputs = golden.named(INPUT, exported.arrays(GOLDEN))
    before = {key: values.copy() for key, values in inputs.items()}
    engine.run(inputs)
    assert all(np.array_equal(inputs[key], before[key]) for key in inputs)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if HAS_CUDA else pytest.mark.skip("no GPU here"))
        for name in ON_GPU
        if name not in HALF
    ],
)
def test_on_a_gpu_weights_that_are_wrong_by_one_percent_are_refused(name: str, exported: Bundle, tmp_path: Path):
    for weight in float_weights(exported.path("model.onnx").read_bytes()):
        wrong = rewritten(exported, tmp_path / "wrong", "model.onnx", scaled(weight, 1.01))
        with pytest.raises(BundleError, match="does not reproduce its golden values"):
            prove(open_engine(name, wrong), wrong)


def test_an_unknown_engine_is_refused_with_the_nearest(exported: Bundle):
    with pytest.raises(EngineError, match=r"no engine is called 'onnxrt'.*try: onnxruntime"):
        open_engine("onnxrt", exported)


@pytest.mark.parametrize("name", [AUTO, *(name for name in ENGINES if name.startswith("onnxruntime"))])
def test_without_onnxruntime_the_error_says_what_to_install(
    name: str, exported: Bundle, monkeypatch: pytest.MonkeyPatch
):
    for module in ("onnxruntime", "session", "bound", "nvidia", "runtime"):
        monkeypatch.delitem(sys.modules, f"daemon.engines.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EngineError, match=r"onnxruntime is not installed; try: pip install 'gazed\[cpu\]'"):
        open_engine(name, exported)
