"""ONNX Runtime on the CPU or on an NVIDIA GPU. The one that was asked for, or an error: never a silent fallback."""

import contextlib
import ctypes
import io
import os
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import numpy as np

from core.bundle import Bundle, Manifest
from core.errors import BundleError, EngineError
from daemon.ports import Float32s

try:
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as errors
except ModuleNotFoundError as error:
    raise EngineError("onnxruntime is not installed; try: pip install 'gazed[cpu]', or 'gazed[gpu]'") from error

Device = Literal["cpu", "cuda"]

# Each is an exception of its own; they share no base but Exception.
_BAD_GRAPH: Final = (
    errors.Fail,
    errors.InvalidArgument,
    errors.InvalidGraph,
    errors.InvalidProtobuf,
    errors.NotImplemented,
)
_BAD_DEVICE: Final = (errors.EPFail, errors.RuntimeException)

_OR_CPU: Final = 'engine = "onnxruntime", which runs on the CPU'


class _Kind(msgspec.Struct, frozen=True):
    """How a device is used. Batches are cut into chunks; the rows of a chunk are padded up to `fewest`."""

    engine: str
    device: str
    provider: str
    options: dict[str, str]
    chunk: int
    fewest: int


_KINDS: Final = {
    # Of 16 to 256 rows, chunks of 64 ran fastest. A single row takes another code path and comes out in other bits.
    "cpu": _Kind("onnxruntime", "cpu", "CPUExecutionProvider", {}, 64, 2),
    # Kernels are chosen by batch size, so every call has the same size. TF32 would keep 10 bits of 23.
    "cuda": _Kind("onnxruntime-cuda", "cuda:0", "CUDAExecutionProvider", {"use_tf32": "0"}, 256, 256),
}


class OnnxRuntime:
    """Runs model.onnx. A row's bits depend neither on the rows beside it nor on how many there are."""

    def __init__(self, bundle: Bundle, device: Device = "cpu") -> None:
        self._kind = _KINDS[device]
        self.name = self._kind.engine
        self.device = self._kind.device
        self.reason = "asked for"
        self.artefact = bundle.manifest.artefact("onnx")
        self._outputs = list(bundle.manifest.graph_outputs)
        if device == "cuda":
            _load_cuda()
        self._session = _open(bundle.path(self.artefact.file), self._kind)
        _refuse_other_graph(self._session, bundle.manifest, self.artefact.file)
        self._try_once(bundle.manifest)

    def run(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        """Every input (N, T, F) -> every output (N, ...), in chunks."""
        rows = len(next(iter(inputs.values())))
        chunk = self._kind.chunk
        parts = [self._run_chunk(inputs, start, min(start + chunk, rows)) for start in range(0, max(rows, 1), chunk)]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in self._outputs}

    def _run_chunk(self, inputs: dict[str, Float32s], start: int, end: int) -> dict[str, Float32s]:
        rows = end - start
        fed = {name: _padded(values[start:end], self._kind.fewest) for name, values in inputs.items()}
        made = self._session.run(self._outputs, fed)
        return {name: values[:rows] for name, values in zip(self._outputs, made, strict=True)}

    def _try_once(self, manifest: Manifest) -> None:
        """A session can open on a GPU that cannot run it; the first call tells."""
        try:
            self.run({one.name: np.zeros((1, *one.row), np.float32) for one in manifest.inputs})
        except (*_BAD_GRAPH, *_BAD_DEVICE) as error:
            raise EngineError(
                f"{self.name} opened {self.artefact.file} but cannot run it ({error}); "
                "try: another engine, or gaze export again"
            ) from error


def _padded(values: Float32s, fewest: int) -> Float32s:
    if len(values) >= fewest:
        return np.ascontiguousarray(values)
    padded = np.zeros((fewest, *values.shape[1:]), np.float32)
    padded[: len(values)] = values
    return padded


def _open(path: Path, kind: _Kind) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4
    # The default logger prints what is told here as an error that says what to do.
    ort.set_default_logger_severity(4)
    ort.disable_telemetry_events()
    try:
        session = ort.InferenceSession(path.read_bytes(), options, providers=[(kind.provider, kind.options)])
    except _BAD_GRAPH as error:
        raise BundleError(
            f"onnxruntime {ort.__version__} cannot load {path} ({error}); try: gaze export again"
        ) from error
    except _BAD_DEVICE as error:
        raise EngineError(f"{kind.engine} was asked for, but cannot start ({error}); try: {_OR_CPU}") from error
    if session.get_providers()[0] != kind.provider:
        raise EngineError(f"{kind.engine} was asked for, but {_why_no_cuda()}, or {_OR_CPU}")
    return session


def _load_cuda() -> None:
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        raise EngineError(
            f"onnxruntime-cuda was asked for, but this onnxruntime {ort.__version__} is built without CUDA; "
            f"try: pip uninstall onnxruntime, then pip install 'gazed[gpu]', or {_OR_CPU}"
        )
    # It prints what it does not find; the session tells whether that mattered.
    with contextlib.redirect_stdout(io.StringIO()):
        ort.preload_dlls()


def _why_no_cuda() -> str:
    """The reason ONNX Runtime does not give: which library cannot be loaded, and what to do about it."""
    provider = Path(ort.__file__).parent / "capi" / "libonnxruntime_providers_cuda.so"
    for library, missing, do in (
        ("libcuda.so.1", "there is no NVIDIA driver", "install the driver and look at nvidia-smi"),
        (str(provider), "its CUDA libraries do not load", "pip install 'onnxruntime-gpu[cuda,cudnn]'"),
    ):
        try:
            ctypes.CDLL(library, mode=os.RTLD_LAZY)
        except OSError as error:
            return f"{missing} here ({error}); try: {do}"
    return "it fell back to the CPU without giving a reason; try: nvidia-smi, to see whether the GPU is free"


def _refuse_other_graph(session: Any, manifest: Manifest, file: str) -> None:
    shapes = {value.name: value.shape for value in session.get_inputs()}
    for one in manifest.inputs:
        shape = shapes.pop(one.name, None)
        if shape is None or not one.fits(shape):
            raise BundleError(
                f"{file} takes input {one.name!r} in shape {shape}, its manifest says any batch of {one.row}; "
                "try: gaze export again"
            )
    if shapes:
        raise BundleError(
            f"{file} wants inputs its manifest does not name: {', '.join(shapes)}; try: gaze export again"
        )
    lacking = set(manifest.graph_outputs) - {value.name for value in session.get_outputs()}
    if lacking:
        raise BundleError(
            f"{file} does not give {', '.join(sorted(lacking))}, its manifest says so; try: gaze export again"
        )
