"""The few calls of the CUDA runtime that an engine of our own needs, all on one stream.

Never run by its authors on a GPU; that it refuses where there is none is tested.
"""

import importlib
from collections.abc import Callable
from typing import Any

from core.errors import EngineError
from daemon.ports import Float32s


class Cuda:
    """One stream on the first GPU.

    Raises: EngineError: there is no CUDA, or it says no.
    """

    def __init__(self) -> None:
        try:
            self._runtime = importlib.import_module("cuda.bindings.runtime")
        except ImportError as error:
            raise EngineError(
                "cuda-bindings is not installed; try: pip install 'gazed[tensorrt-rtx]', or cuda-bindings"
            ) from error
        self.stream = int(self._checked(self._runtime.cudaStreamCreate()))

    def allocate(self, size: int) -> int:
        """So many bytes on the device; they are freed when the process ends."""
        return int(self._checked(self._runtime.cudaMalloc(max(size, 1))))

    def upload(self, address: int, array: Float32s) -> None:
        """Queue a copy to the device."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._checked(self._runtime.cudaMemcpyAsync(address, array.ctypes.data, array.nbytes, kind, self.stream))

    def download(self, array: Float32s, address: int) -> None:
        """Queue a copy from the device."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._checked(self._runtime.cudaMemcpyAsync(array.ctypes.data, address, array.nbytes, kind, self.stream))

    def wait(self) -> None:
        """Until all that was queued is done."""
        self._checked(self._runtime.cudaStreamSynchronize(self.stream))

    def record(self, queue: Callable[[], None]) -> tuple[Any, str]:
        """What this queues as one graph, started at once; or None, and why it cannot be recorded: loops cannot."""
        mode = self._runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._checked(self._runtime.cudaStreamBeginCapture(self.stream, mode))
        refused = ""
        try:
            queue()
        except EngineError as error:
            refused = str(error)
        code, graph = self._runtime.cudaStreamEndCapture(self.stream)
        if refused or int(code) != 0:
            return None, refused or code.name
        return self._checked(self._runtime.cudaGraphInstantiate(graph, 0)), ""

    def replay(self, recorded: Any) -> None:
        """Queue what was recorded."""
        self._checked(self._runtime.cudaGraphLaunch(recorded, self.stream))

    def _checked(self, answer: tuple[Any, ...]) -> Any:
        code, *values = answer
        if int(code) != 0:
            raise EngineError(f"CUDA says {code.name}; try: nvidia-smi, to see whether the GPU is free")
        return values[0] if values else None
