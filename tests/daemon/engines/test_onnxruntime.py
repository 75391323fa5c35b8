"""ONNX Runtime gives every row its own bits, refuses graphs that are not the bundle's, and never falls back."""

import ctypes
from ctypes.util import find_library
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from bundles import rewritten, scaled, weights

from core.bundle import Bundle
from core.errors import BundleError, EngineError
from daemon.engines import ENGINES, open_engine
from daemon.engines.bound import Bound
from daemon.engines.onnxruntime import OnnxRuntime
from daemon.engines.proof import prove
from daemon.engines.session import CPU, Session
from daemon.ports import Float32s

CUDA_BUILD = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
IN_PLACES = msgspec.structs.replace(CPU, chunk=50, fewest=50, bound="cpu")
without_gpu = pytest.mark.skipif(CUDA_BUILD and find_library("cuda") is not None, reason="a GPU is here")


class Here:
    """The CPU's own memory as that of a device: copies are copies."""

    def pinned(self, shape: tuple[int, ...], kind: npt.DTypeLike) -> npt.NDArray[Any]:
        return np.zeros(shape, kind)

    def upload(self, address: int, array: npt.NDArray[Any]) -> None:
        ctypes.memmove(address, array.ctypes.data, array.nbytes)

    def download(self, array: npt.NDArray[Any], address: int) -> None:
        ctypes.memmove(array.ctypes.data, address, array.nbytes)


@pytest.fixture(scope="module", params=["onnxruntime", "onnxruntime-fp16", "onnxruntime-int8"])
def engine(request: pytest.FixtureRequest, wide: Bundle) -> OnnxRuntime:
    return OnnxRuntime(wide, request.param)


@pytest.fixture(scope="module")
def windows() -> Float32s:
    """(200, 48, 3) features of usual sizes."""
    drawn = np.random.default_rng(1).normal(size=(200, 48, 3)) * [5e-3, 0.5, 5e-3]
    return drawn.astype(np.float32)


def test_a_row_has_the_same_bits_in_a_batch_of_any_size(engine: OnnxRuntime, windows: Float32s):
    whole = engine.run({"bars": windows})
    for rows in range(1, len(windows) + 1):
        part = engine.run({"bars": windows[:rows]})
        for name in whole:
            assert part[name].tobytes() == whole[name][:rows].tobytes(), (rows, name)


def test_a_row_has_the_same_bits_in_any_place_and_beside_any_other(engine: OnnxRuntime, windows: Float32s):
    whole = engine.run({"bars": windows})
    order = np.random.default_rng(2).permutation(len(windows))
    shuffled = engine.run({"bars": windows[order]})
    beside_nan = np.full((3, 48, 3), np.nan, np.float32)
    beside_nan[1] = windows[7]
    alone = engine.run({"bars": beside_nan})
    for name in whole:
        assert shuffled[name].tobytes() == whole[name][order].tobytes()
        assert alone[name][1].tobytes() == whole[name][7].tobytes()


def test_views_of_an_array_are_as_good_as_copies(engine: OnnxRuntime, windows: Float32s):
    every_second = engine.run({"bars": windows[::2]})
    copied = engine.run({"bars": windows[::2].copy()})
    assert all(every_second[name].tobytes() == copied[name].tobytes() for name in copied)


def test_a_graph_with_places_of_its_own_gives_the_same_bits_call_after_call(wide: Bundle, windows: Float32s):
    """What runs on a GPU, with places in the memory of the CPU."""
    bound, whole = Session(wide.path("model.onnx"), IN_PLACES, Here()), OnnxRuntime(wide).run({"bars": windows})
    for first, last in ((0, 200), (50, 120), (0, 1), (199, 200), (0, 200)):
        said = bound.run({"bars": windows[first:last]})
        for name, values in said.items():
            assert values.tobytes() == whole[name][first:last].tobytes()


def test_places_of_its_own_are_what_a_graph_is_run_in(wide: Bundle, windows: Float32s, monkeypatch: pytest.MonkeyPatch):
    calls: list[int] = []
    run = Bound.run
    monkeypatch.setattr(Bound, "run", lambda self, inputs: calls.append(len(inputs["bars"])) or run(self, inputs))
    Session(wide.path("model.onnx"), IN_PLACES, Here()).run({"bars": windows[:120]})
    assert calls == [50, 50, 50, 50]


def test_a_graph_with_places_of_its_own_is_compiled_for_so_many_rows_and_tells_its_shapes_as_any(wide: Bundle):
    bound = Session(wide.path("model.onnx"), IN_PLACES, Here())
    whole = Session(wide.path("model.onnx"), CPU)
    assert (bound.inputs, bound.outputs) == (whole.inputs, whole.outputs)
    assert "Shape" in whole.placed["CPUExecutionProvider"]
    assert "Shape" not in bound.placed["CPUExecutionProvider"]


@without_gpu
@pytest.mark.parametrize(
    "engine", [name for name in ENGINES if name.startswith(("onnxruntime-cuda", "onnxruntime-te"))]
)
def test_a_gpu_asked_for_and_not_there_is_refused_loudly(
    exported: Bundle, engine: str, capfd: pytest.CaptureFixture[str]
):
    provider = "TensorRT" if "tensorrt" in engine else "CUDA"
    reason = "there is no NVIDIA driver here" if CUDA_BUILD else f"is built without {provider}"
    with pytest.raises(EngineError, match=rf"{engine} was asked for, but .*{reason}.*; try: ") as refused:
        open_engine(engine, exported)
    assert refused.value.exit_code == 78
    assert capfd.readouterr() == ("", "")


@without_gpu
def test_auto_takes_the_cpu_where_there_is_no_gpu_and_says_why(exported: Bundle):
    engine = open_engine("auto", exported)
    assert (engine.name, engine.device) == ("onnxruntime", "cpu")
    for other in ("onnxruntime-cuda", "onnxruntime-tensorrt"):
        assert f"; not {other}: " in engine.reason
    assert "fp16" not in engine.reason


def test_weights_that_are_wrong_by_one_percent_are_refused(exported: Bundle, tmp_path: Path):
    accepted = set()
    for name, values in weights(exported).items():
        wrong = rewritten(exported, tmp_path / "wrong", "model.onnx", scaled(name, 1.01))
        try:
            prove(OnnxRuntime(wrong), wrong)
        except BundleError as error:
            assert "model.onnx on onnxruntime does not reproduce its golden values" in str(error)  # noqa: PT017
        else:
            accepted |= {name} if values.any() else set()
    # A softmax does not see what is added to all its scores: this weight says nothing.
    assert accepted == {"model.score.bias"}


@pytest.mark.parametrize("kind", ["fp16", "int8"])
def test_weights_of_fewer_bits_that_are_wrong_by_one_percent_are_refused(exported: Bundle, tmp_path: Path, kind: str):
    file, engine, accepted = f"model.{kind}.onnx", f"onnxruntime-{kind}", set()
    for name, values in weights(exported, file).items():
        wrong = rewritten(exported, tmp_path / "wrong", file, scaled(name, 1.01))
        try:
            prove(OnnxRuntime(wrong, engine), wrong)
        except BundleError as error:
            assert f"{file} on {engine} does not reproduce its golden values" in str(error)  # noqa: PT017
        else:
            accepted |= {name} if values.any() else set()
    assert accepted == {"model.score.bias"}


def test_a_file_that_is_no_graph_is_refused(exported: Bundle, tmp_path: Path):
    broken = rewritten(exported, tmp_path / "broken", "model.onnx", lambda content: content[: len(content) // 2])
    with pytest.raises(BundleError, match=r"cannot load .*model\.onnx .*; try: gaze export again"):
        OnnxRuntime(broken)


def test_an_empty_file_is_refused(exported: Bundle, tmp_path: Path):
    with pytest.raises(BundleError, match="cannot load"):
        OnnxRuntime(rewritten(exported, tmp_path / "empty", "model.onnx", lambda _: b""))


def test_nothing_is_printed_when_a_graph_is_refused(
    exported: Bundle, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    broken = rewritten(exported, tmp_path / "broken", "model.onnx", lambda _: b"no graph")
    with pytest.raises(BundleError):
        OnnxRuntime(broken)
    assert capfd.readouterr() == ("", "")
