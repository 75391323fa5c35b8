"""One ONNX graph on ONNX Runtime, on the CPU or on an NVIDIA GPU: what was asked for, or an error.

Never a silent fallback, and never a row whose bits depend on the rows beside it.
"""

import contextlib
import ctypes
import io
import os
import threading
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from core.errors import BundleError, EngineError, ModelError
from daemon.ports import Float32s

# ONNX Runtime starts to send telemetry when it is imported, before anything could tell it not to.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
try:
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as errors
except ModuleNotFoundError as error:
    raise EngineError("onnxruntime is not installed; try: pip install 'gazed[cpu]', or 'gazed[gpu]'") from error

# Each is an exception of its own; they share no base but Exception.
_BAD_GRAPH: Final = (
    errors.Fail,
    errors.InvalidArgument,
    errors.InvalidGraph,
    errors.InvalidProtobuf,
    errors.NotImplemented,
)
_BAD_DEVICE: Final = (errors.EPFail, errors.RuntimeException)

_TYPES: Final = {"tensor(float)": np.float32, "tensor(int64)": np.int64}

_OR_CPU: Final = 'engine = "onnxruntime", which runs on the CPU'


class Kind(msgspec.Struct, frozen=True):
    """How a graph is run on a device. Batches are cut into chunks; the rows of a chunk are padded up to `fewest`.

    `bound`: the device, in ONNX Runtime's words, where inputs and outputs have places of their own; then every call has
    `chunk` rows.
    """

    engine: str
    device: str
    provider: str
    options: dict[str, str]
    chunk: int
    fewest: int
    bound: str = ""


# Of 16 to 256 rows, chunks of 64 ran fastest. A single row takes another code path and comes out in other bits.
CPU: Final = Kind("onnxruntime", "cpu", "CPUExecutionProvider", {}, 64, 2)
FP16: Final = Kind("onnxruntime-fp16", "cpu", "CPUExecutionProvider", {}, 64, 2)
# Integers take their scale from the batch they are in, so a batch is one row.
INT8: Final = Kind("onnxruntime-int8", "cpu", "CPUExecutionProvider", {}, 1, 1)
# Kernels are chosen by batch size, so every call has the same size. TF32 would keep 10 bits of 23.
CUDA: Final = Kind("onnxruntime-cuda", "cuda:0", "CUDAExecutionProvider", {"use_tf32": "0"}, 256, 256, "cuda")


class Bound:
    """A graph whose inputs and outputs have places of their own on the device, made once for batches of one size.

    A call copies numbers there and back and nothing else; fixed places are also what a CUDA graph needs.
    """

    def __init__(self, session: Any, device: str, rows: int) -> None:
        self._session = session
        self._binding = session.io_binding()
        self._given = {one.name: self._place(one, device, rows) for one in session.get_inputs()}
        self._said = {one.name: self._place(one, device, rows) for one in session.get_outputs()}
        for name, place in self._given.items():
            self._binding.bind_ortvalue_input(name, place)
        for name, place in self._said.items():
            self._binding.bind_ortvalue_output(name, place)
        self._one_at_a_time = threading.Lock()

    def run(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        """Every input (rows, ...) -> every output (rows, ...)."""
        with self._one_at_a_time:
            for name, values in inputs.items():
                self._given[name].update_inplace(values)
            self._session.run_with_iobinding(self._binding)
            return {name: place.numpy().copy() for name, place in self._said.items()}

    def _place(self, one: Any, device: str, rows: int) -> Any:
        return ort.OrtValue.ortvalue_from_shape_and_type([rows, *one.shape[1:]], _TYPES[one.type], device, 0)


class Session:
    """A graph that is loaded. Calls from several threads at once are safe.

    Raises: BundleError: the file is no graph that can be loaded. EngineError: the device cannot run it.
    """

    def __init__(self, path: Path, kind: Kind) -> None:
        self._kind = kind
        self._file = path.name
        if kind.provider == CUDA.provider:
            _load_cuda()
        self._session = _open(path, kind)
        self._types = {one.name: _TYPES[one.type] for one in self._session.get_inputs()}
        self.inputs: dict[str, list[int | str | None]] = {one.name: one.shape for one in self._session.get_inputs()}
        self.outputs: dict[str, list[int | str | None]] = {one.name: one.shape for one in self._session.get_outputs()}
        self._names = list(self.outputs)
        self._bound = Bound(self._session, kind.bound, kind.chunk) if kind.bound else None
        self._try_once()

    def run(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        """Every input (N, ...) -> every output (N, ...), in chunks."""
        rows = len(next(iter(inputs.values())))
        chunk = self._kind.chunk
        parts = [self._run_chunk(inputs, start, min(start + chunk, rows)) for start in range(0, max(rows, 1), chunk)]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in self._names}

    def _run_chunk(self, inputs: dict[str, Float32s], start: int, end: int) -> dict[str, Float32s]:
        rows = end - start
        fed = {name: _padded(values[start:end], self._kind.fewest) for name, values in inputs.items()}
        try:
            made = self._bound.run(fed) if self._bound else self._run_unbound(fed)
        except (*_BAD_GRAPH, *_BAD_DEVICE) as error:
            raise ModelError(
                f"{self._file} failed on {rows} windows in {self._kind.engine} ({error}); try: gaze bundle verify"
            ) from error
        return {name: made[name][:rows] for name in self._names}

    def _run_unbound(self, fed: dict[str, Float32s]) -> dict[str, Float32s]:
        return dict(zip(self._names, self._session.run(self._names, fed), strict=True))

    def _try_once(self) -> None:
        """A session can open on a GPU that cannot run it; the first call tells."""
        rows = {name: [axis if isinstance(axis, int) else 1 for axis in shape] for name, shape in self.inputs.items()}
        try:
            self.run({name: np.ones(row, self._types[name]) for name, row in rows.items()})
        except ModelError as error:
            raise EngineError(
                f"{self._kind.engine} opened {self._file} but cannot run it ({error}); "
                "try: another engine, or gaze export again"
            ) from error


def _padded(values: Float32s, fewest: int) -> Float32s:
    if len(values) >= fewest:
        return np.ascontiguousarray(values)
    padded = np.zeros((fewest, *values.shape[1:]), values.dtype)
    padded[: len(values)] = values
    return padded


def _open(path: Path, kind: Kind) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4
    # The default logger prints what is told here as an error that says what to do.
    ort.set_default_logger_severity(4)
    ort.disable_telemetry_events()
    try:
        session = _on(kind, path.read_bytes(), options)
    except _BAD_GRAPH as error:
        raise BundleError(
            f"onnxruntime {ort.__version__} cannot load {path} ({error}); try: gaze export again"
        ) from error
    except _BAD_DEVICE as error:
        raise EngineError(f"{kind.engine} was asked for, but cannot start ({error}); try: {_OR_CPU}") from error
    if session.get_providers()[0] != kind.provider:
        raise EngineError(f"{kind.engine} was asked for, but {_why_no_cuda()}, or {_OR_CPU}")
    return session


def _on(kind: Kind, graph: bytes, options: Any) -> Any:
    """On CUDA all kernels of a call are started at once, where every one of them runs on the GPU."""
    if kind.provider == CUDA.provider:
        recorded = kind.options | {"enable_cuda_graph": "1"}
        with contextlib.suppress(*_BAD_GRAPH, *_BAD_DEVICE):
            return ort.InferenceSession(graph, options, providers=[(kind.provider, recorded)])
    return ort.InferenceSession(graph, options, providers=[(kind.provider, kind.options)])


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
