"""A TensorRT plan on an NVIDIA GPU, by whichever of TensorRT and TensorRT-RTX is installed.

Never run by its authors: no GPU was at hand. It is proven on the golden outputs before it predicts, as every engine is.
"""

import importlib
from types import ModuleType
from typing import Any, Final

import numpy as np

from core.bundle import Bundle
from core.errors import EngineError
from daemon.ports import Float32s

_MODULES: Final = ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings")
ROWS: Final = 256
"""Every call has so many rows, filled up with zeros: kernels are chosen by batch size, and their bits with them."""


class TensorRt:
    """Runs model.tensorrt.engine. One call at a time."""

    name = "tensorrt"
    device = "cuda:0"

    def __init__(self, bundle: Bundle) -> None:
        self.reason = "asked for"
        self.artefact = bundle.manifest.artefact("tensorrt")
        trt = _module()
        self._log = _log(trt)
        self._cuda = _Cuda()
        self._runtime = trt.Runtime(self._log)
        self._engine = self._runtime.deserialize_cuda_engine(bundle.path(self.artefact.file).read_bytes())
        if self._engine is None:
            told = "; ".join(self._log.errors[-2:])
            raise EngineError(
                f"TensorRT {trt.__version__} cannot load {self.artefact.file} ({told}); a plan fits the GPU and the "
                "version that it was built for. try: gaze export --to onnx,tensorrt on this machine"
            )
        self._context = self._engine.create_execution_context()
        rows = {one.name: one.row for one in bundle.manifest.inputs}
        for name, row in rows.items():
            self._context.set_input_shape(name, (ROWS, *row))
        outputs = bundle.manifest.graph_outputs
        self._host = {
            name: np.zeros(tuple(self._context.get_tensor_shape(name)), np.float32) for name in (*rows, *outputs)
        }
        self._outputs = outputs
        self._device = {name: self._cuda.allocate(array.nbytes) for name, array in self._host.items()}
        for name, address in self._device.items():
            self._context.set_tensor_address(name, address)

    def run(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        """Every input (N, T, F) -> every output (N, ...), in chunks."""
        rows = len(next(iter(inputs.values())))
        parts = [self._run_chunk(inputs, at, min(at + ROWS, rows)) for at in range(0, max(rows, 1), ROWS)]
        return {name: np.concatenate([part[name] for part in parts]) for name in self._outputs}

    def _run_chunk(self, inputs: dict[str, Float32s], start: int, end: int) -> dict[str, Float32s]:
        for name, values in inputs.items():
            self._host[name][: end - start] = values[start:end]
            self._host[name][end - start :] = 0
            self._cuda.upload(self._device[name], self._host[name])
        if not self._context.execute_async_v3(self._cuda.stream):
            raise RuntimeError("; ".join(self._log.errors[-2:]))
        for name in self._outputs:
            self._cuda.download(self._host[name], self._device[name])
        self._cuda.wait()
        return {name: self._host[name][: end - start].copy() for name in self._outputs}


class _Cuda:
    """The few calls of the CUDA runtime that copying needs, all on one stream."""

    def __init__(self) -> None:
        try:
            self._runtime = importlib.import_module("cuda.bindings.runtime")
        except ImportError as error:
            raise EngineError(
                "tensorrt was asked for, but there is no CUDA here; try: pip install cuda-bindings"
            ) from error
        self.stream = int(self._checked(self._runtime.cudaStreamCreate()))

    def allocate(self, size: int) -> int:
        """So many bytes on the device; they are freed when the process ends."""
        return int(self._checked(self._runtime.cudaMalloc(max(size, 1))))

    def upload(self, address: int, array: Float32s) -> None:
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._checked(self._runtime.cudaMemcpyAsync(address, array.ctypes.data, array.nbytes, kind, self.stream))

    def download(self, array: Float32s, address: int) -> None:
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._checked(self._runtime.cudaMemcpyAsync(array.ctypes.data, address, array.nbytes, kind, self.stream))

    def wait(self) -> None:
        self._checked(self._runtime.cudaStreamSynchronize(self.stream))

    def _checked(self, answer: tuple[Any, ...]) -> Any:
        code, *values = answer
        if int(code) != 0:
            raise EngineError(
                f"tensorrt was asked for, but CUDA says {code.name}; try: nvidia-smi, or "
                'engine = "onnxruntime", which runs on the CPU'
            )
        return values[0] if values else None


def _module() -> ModuleType:
    for name in _MODULES:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise EngineError(
        "tensorrt was asked for, but neither TensorRT nor TensorRT-RTX is installed; "
        "try: pip install 'gazed[tensorrt-rtx]', or tensorrt"
    )


def _log(trt: ModuleType) -> Any:
    """A log that prints nothing and keeps what went wrong."""

    class Log(trt.ILogger):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.ERROR:
                self.errors.append(message)

    return Log()
