"""A TensorRT plan on an NVIDIA GPU, by whichever of TensorRT and TensorRT-RTX is installed.

Never run by its authors: no GPU was at hand. It is proven on the golden outputs before it predicts, as every engine is.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

from core import plan
from core.bundle import Artefact, Bundle
from core.errors import EngineError, ModelError
from daemon.engines.auto import cache_folder
from daemon.engines.cuda import Cuda
from daemon.engines.driver import Driver
from daemon.engines.plans import kept_or_built
from daemon.ports import Float32s

log = logging.getLogger("gaze.plans")

ROWS: Final = plan.MOST_ROWS
"""Every call has so many rows, filled up with zeros: kernels are chosen by batch size, and their bits with them."""
_OR_CPU: Final = 'engine = "onnxruntime", which runs on the CPU'


class TensorRt:
    """Runs the plan in the bundle, or where it holds none that fits, one built here. One call at a time.

    `kind`: of the artefact whose graph is built here.
    """

    device = "cuda:0"

    def __init__(self, bundle: Bundle, kind: str = "onnx", environment: Mapping[str, str] = os.environ) -> None:
        self.name = "tensorrt" if kind == "onnx" else "tensorrt-fp16"
        self.reason = "asked for"
        trt = _module(self.name)
        self._kind, self._log = kind, plan.log_of(trt)
        try:
            self._driver = Driver()
            self._cuda = Cuda()
        except EngineError as error:
            raise EngineError(f"{self.name} was asked for, but {error}, or {_OR_CPU}") from error
        self._runtime = trt.Runtime(self._log)
        self.artefact, self._engine = self._opened(bundle, trt, cache_folder(environment) / "plans")
        self._context = self._engine.create_execution_context()
        rows = {one.name: one.row for one in bundle.manifest.inputs}
        for name, row in rows.items():
            self._context.set_input_shape(name, (ROWS, *row))
        self._inputs, self._outputs = tuple(rows), bundle.manifest.graph_outputs
        shapes = {name: tuple(self._context.get_tensor_shape(name)) for name in (*rows, *self._outputs)}
        self._host = {name: self._driver.pinned(shape, np.float32) for name, shape in shapes.items()}
        self._device = {name: self._cuda.allocate(array.nbytes) for name, array in self._host.items()}
        for name, address in self._device.items():
            self._context.set_tensor_address(name, address)
        self._enqueue()
        self._cuda.wait()
        self._recorded, why_not = self._cuda.record(self._enqueue)
        if why_not:
            self.reason += f", without a CUDA graph: {why_not}"

    def _opened(self, bundle: Bundle, trt: ModuleType, folder: Path) -> tuple[Artefact, Any]:
        kinds = {one.kind for one in bundle.manifest.artefacts}
        if self._kind == "onnx" and "tensorrt" in kinds:
            artefact = bundle.manifest.artefact("tensorrt")
            engine = self._runtime.deserialize_cuda_engine(bundle.path(artefact.file).read_bytes())
            if engine is not None:
                return artefact, engine
            told = "; ".join(self._log.errors[-2:])
            if self._kind not in kinds:
                raise EngineError(
                    f"TensorRT {trt.__version__} cannot load {artefact.file} ({told}); a plan fits the GPU and the "
                    "version that it was built for. try: gaze export --to onnx,tensorrt on this machine"
                )
            log.warning("the plan in the bundle does not fit this device", extra={"reason": told})
        artefact = bundle.manifest.artefact(self._kind)
        device = f"{self._driver.words()}, {trt.__name__} {trt.__version__}"
        engine = self._runtime.deserialize_cuda_engine(kept_or_built(bundle, trt, device, folder, self._kind))
        if engine is None:
            raise EngineError(
                f"TensorRT {trt.__version__} cannot load the plan that it built for {device} "
                f'({"; ".join(self._log.errors[-2:])}); try: engine = "onnxruntime-cuda"'
            )
        return artefact, engine

    def run(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        """Every input (N, T, F) -> every output (N, ...), in chunks."""
        rows = len(next(iter(inputs.values())))
        parts = [self._run_chunk(inputs, at, min(at + ROWS, rows)) for at in range(0, max(rows, 1), ROWS)]
        return {name: np.concatenate([part[name] for part in parts]) for name in self._outputs}

    def _run_chunk(self, inputs: dict[str, Float32s], start: int, end: int) -> dict[str, Float32s]:
        for name, values in inputs.items():
            self._host[name][: end - start] = values[start:end]
            self._host[name][end - start :] = 0
        try:
            if self._recorded is None:
                self._enqueue()
            else:
                self._cuda.replay(self._recorded)
            self._cuda.wait()
        except EngineError as error:
            raise ModelError(f"{self.name} failed on {end - start} windows: {error}") from error
        return {name: self._host[name][: end - start].copy() for name in self._outputs}

    def _enqueue(self) -> None:
        for name in self._inputs:
            self._cuda.upload(self._device[name], self._host[name])
        if not self._context.execute_async_v3(self._cuda.stream):
            raise EngineError(
                f'TensorRT cannot run its plan ({"; ".join(self._log.errors[-2:])}); try: engine = "onnxruntime-cuda"'
            )
        for name in self._outputs:
            self._cuda.download(self._host[name], self._device[name])


def _module(engine: str) -> ModuleType:
    trt = plan.installed()
    if trt is None:
        raise EngineError(
            f"{engine} was asked for, but neither TensorRT nor TensorRT-RTX is installed; "
            "try: pip install 'gazed[tensorrt-rtx]', or tensorrt"
        )
    return trt
