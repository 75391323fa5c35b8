"""One ONNX graph on ONNX Runtime, on the CPU or on an NVIDIA GPU: what was asked for, or an error.

Never a silent fallback, and never a row whose bits depend on the rows beside it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from core.errors import BundleError, EngineError, ModelError
from daemon.engines.bound import TYPES, Bound
from daemon.engines.driver import Driver, Memory
from daemon.engines.nvidia import CUDA as CUDA_PROVIDER
from daemon.engines.nvidia import OR_CPU, TENSORRT, ready, tensorrt_version
from daemon.engines.runtime import BAD_DEVICE, BAD_GRAPH, ort
from daemon.ports import Float32s

_CPU_PROVIDER: Final = "CPUExecutionProvider"
_BATCH: Final = "batch"
"""What export calls the axis of rows."""
_RECORDED: Final = 3
"""Runs after which a CUDA graph has been recorded and replayed."""
_SHAPES: Final = {"Cast", "Concat", "ConstantOfShape", "Expand", "Gather", "Range", "Reshape", "Shape", "Size", "Slice",
                  "Squeeze", "Unsqueeze"}  # fmt: skip
"""Operators that ONNX Runtime may leave on the CPU beside a GPU: of shapes and counts, where they are worth no trip."""


class Kind(msgspec.Struct, frozen=True):
    """How a graph is run on a device. Batches are cut into chunks; the rows of a chunk are padded up to `fewest`.

    `bound`: the device, in ONNX Runtime's words, where inputs and outputs have places of their own; then every call has
    `chunk` rows, and the graph is compiled for so many. `recording`: what else makes one CUDA graph of a call, tried
    first. `beside`: the provider of what this one cannot run.
    """

    engine: str
    device: str
    provider: str
    options: dict[str, str]
    chunk: int
    fewest: int
    bound: str = ""
    recording: dict[str, str] = {}
    beside: str = ""


# Of 16 to 256 rows, chunks of 64 ran fastest. A single row takes another code path and comes out in other bits.
CPU: Final = Kind("onnxruntime", "cpu", _CPU_PROVIDER, {}, 64, 2)
# A step is so little work that what each call costs counts.
CPU_STEP: Final = msgspec.structs.replace(CPU, chunk=128)
FP16: Final = Kind("onnxruntime-fp16", "cpu", _CPU_PROVIDER, {}, 64, 2)
# Integers take their scale from the batch they are in, so a batch is one row.
INT8: Final = Kind("onnxruntime-int8", "cpu", _CPU_PROVIDER, {}, 1, 1)
# Kernels are chosen by batch size, so every call has the same size. TF32 would keep 10 bits of 23.
CUDA: Final = Kind(
    "onnxruntime-cuda", "cuda:0", CUDA_PROVIDER, {"use_tf32": "0"}, 256, 256, "cuda", {"enable_cuda_graph": "1"}
)
CUDA_FP16: Final = msgspec.structs.replace(CUDA, engine="onnxruntime-cuda-fp16")
# Its options name the folder of its plans: daemon/engines/provider_plans.py.
TENSORRT_FP32: Final = Kind(
    "onnxruntime-tensorrt", "cuda:0", TENSORRT, {}, 256, 256, "cuda", {"trt_cuda_graph_enable": "1"}, CUDA_PROVIDER
)
TENSORRT_FP16: Final = msgspec.structs.replace(TENSORRT_FP32, engine="onnxruntime-tensorrt-fp16")


class Session:
    """A graph that is loaded. Calls from several threads at once are safe.

    `remarks`: how it came to run, where that is not simply as asked. `placed`: its operators by the provider that runs
    them. `memory`: of the device it is bound to; a GPU's is its driver's.

    Raises: BundleError: the file is no graph that can be loaded. EngineError: the device cannot run it.
    """

    def __init__(self, path: Path, kind: Kind, memory: Memory | None = None) -> None:
        self._kind, self._file, self._memory = kind, path.name, memory
        self.remarks: tuple[str, ...] = ()
        if kind.provider != _CPU_PROVIDER:
            self._memory = _ready(kind)
        graph = path.read_bytes()
        if not self._records(path, graph):
            self._open(path, graph, kind.options)
            self._try(1)

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
        except (*BAD_GRAPH, *BAD_DEVICE, EngineError) as error:
            raise ModelError(
                f"{self._file} failed on {rows} windows in {self._kind.engine} ({error}); try: gaze bundle verify"
            ) from error
        return {name: made[name][:rows] for name in self._names}

    def _run_unbound(self, fed: dict[str, Float32s]) -> dict[str, Float32s]:
        return dict(zip(self._names, self._session.run(self._names, fed), strict=True))

    def _records(self, path: Path, graph: bytes) -> bool:
        """Whether all kernels of a call are started at once, as one CUDA graph."""
        if not self._kind.recording:
            return False
        try:
            self._open(path, graph, self._kind.options | self._kind.recording)
            self._try(_RECORDED)
        except (BundleError, EngineError) as error:
            self.remarks = (f"without a CUDA graph: {str(error).splitlines()[0]}",)
            return False
        return True

    def _open(self, path: Path, graph: bytes, options: Mapping[str, str]) -> None:
        kind = self._kind
        self._session = _opened(path, graph, kind, options)
        self.inputs = {one.name: self._shape(one.shape) for one in self._session.get_inputs()}
        self.outputs = {one.name: self._shape(one.shape) for one in self._session.get_outputs()}
        self._types = {one.name: TYPES[one.type] for one in self._session.get_inputs()}
        self._names = list(self.outputs)
        self.placed = _placed(self._session)
        self.remarks += tuple(elsewhere(self.placed, kind)) if kind.provider != _CPU_PROVIDER else ()
        self._bound = self._places(self._memory) if self._memory else None

    def _places(self, memory: Memory) -> Bound:
        try:
            return Bound(self._session, self._kind.bound, self._kind.chunk, memory)
        except BAD_DEVICE as error:
            what = f"{self._kind.engine} finds no room for what {self._file} reads and says"
            raise EngineError(f"{what} ({error}); try: nvidia-smi") from error

    def _shape(self, shape: list[int | str | None]) -> list[int | str | None]:
        """As the file says: of a session that is compiled for so many rows the first axis is that number."""
        fixed = self._kind.bound and shape[:1] == [self._kind.chunk]
        return [_BATCH, *shape[1:]] if fixed else shape

    def _try(self, times: int) -> None:
        """A session can open on a GPU that cannot run it; the first calls tell."""
        rows = {name: [axis if isinstance(axis, int) else 1 for axis in shape] for name, shape in self.inputs.items()}
        try:
            for _ in range(times):
                self.run({name: np.ones(row, self._types[name]) for name, row in rows.items()})
        except ModelError as error:
            raise EngineError(
                f"{self._kind.engine} opened {self._file} but cannot run it ({error}); "
                "try: another engine, or gaze export again"
            ) from error


def tensorrt_device(kind: Kind) -> str:
    """All that a plan of this kind depends on but the bundle, in words: GPU, driver and libraries.

    Raises: EngineError: it cannot run here, and why.
    """
    return f"{_ready(kind).words()}, onnxruntime {ort.__version__}, {tensorrt_version()}"


def _ready(kind: Kind) -> Driver:
    try:
        return ready(kind.provider)
    except EngineError as error:
        raise EngineError(f"{kind.engine} was asked for, but {error}") from error


def elsewhere(placed: Mapping[str, Sequence[str]], kind: Kind) -> list[str]:
    """What is to be said of a graph whose operators were placed so, by provider.

    Raises: EngineError: the provider that was asked for has none, or the CPU has some that compute.
    """
    computing = sorted(set(placed.get(_CPU_PROVIDER, ())) - _SHAPES)
    if computing or not placed.get(kind.provider):
        what = f"{', '.join(computing)} would run on the CPU" if computing else f"{kind.provider} takes no part of it"
        raise EngineError(f"{kind.engine} was asked for, but {what}; try: {OR_CPU}")
    rest = sorted(set(placed.get(kind.beside, ())))
    return [f"{kind.beside} runs its {', '.join(rest)}"] if rest else []


def _placed(session: Any) -> dict[str, list[str]]:
    """The operators of a graph by the provider that runs them."""
    placed: dict[str, list[str]] = {}
    for part in session.get_provider_graph_assignment_info():
        placed.setdefault(part.ep_name, []).extend(node.op_type for node in part.get_nodes())
    return placed


def _padded(values: Float32s, fewest: int) -> Float32s:
    if len(values) >= fewest:
        return np.ascontiguousarray(values)
    padded = np.zeros((fewest, *values.shape[1:]), values.dtype)
    padded[: len(values)] = values
    return padded


def _opened(path: Path, graph: bytes, kind: Kind, told: Mapping[str, str]) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if kind.bound:
        options.add_free_dimension_override_by_name(_BATCH, kind.chunk)
    providers = [(kind.provider, dict(told)), *([(kind.beside, {"use_tf32": "0"})] if kind.beside else [])]
    try:
        # Unless told not to, it goes on without what failed and prints that; at the first call too.
        session = ort.InferenceSession(graph, options, providers=providers, enable_fallback=0)
    except BAD_GRAPH as error:
        raise BundleError(
            f"onnxruntime {ort.__version__} cannot load {path} ({error}); try: gaze export again"
        ) from error
    except BAD_DEVICE as error:
        raise EngineError(f"{kind.engine} was asked for, but cannot start ({error}); try: {OR_CPU}") from error
    if session.get_providers()[0] != kind.provider:
        raise EngineError(
            f"{kind.engine} was asked for, but {session.get_providers()[0]} would run {path.name}; try: {OR_CPU}"
        )
    return session
