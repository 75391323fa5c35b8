"""TensorRT's plan of an ONNX graph, as export and the daemon both build it: bytes in, bytes out.

The library is handed in, TensorRT or TensorRT-RTX: both are asked in the same words.
"""

import importlib
import warnings
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Final

from core.errors import BundleError

MODULES: Final = ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings")
MOST_ROWS: Final = 256
"""The largest batch a plan takes; the engine cuts larger ones."""
_USUAL_ROWS: Final = 64

Told = Callable[[str, int, int], None]
"""Of a phase of the building: its name, the steps done, and of how many."""


def installed() -> ModuleType | None:
    """TensorRT, or TensorRT-RTX; None where neither is."""
    for name in MODULES:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def build(
    trt: ModuleType, graph: bytes, rows: Mapping[str, tuple[int, ...]], timings: bytes = b"", told: Told | None = None
) -> tuple[bytes, bytes]:
    """The plan and what was timed for it: batches of 1 to MOST_ROWS of these rows, in the graph's types, without TF32.

    `timings`: what an earlier build on the same device measured. Two builds of one graph differ in some bytes.

    Raises: BundleError: it does not know an operator, or cannot build.
    """
    log = log_of(trt)
    builder = trt.Builder(log)
    typed = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)  # the graph says what is half precision
    network = builder.create_network(0 if typed is None else 1 << int(typed))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(graph):
        said = "; ".join(parser.get_error(number).desc() for number in range(parser.num_errors))
        raise BundleError(f"TensorRT {trt.__version__} cannot read this model: {said}. try: without --to tensorrt")
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # it would keep 10 bits of 23
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorRT-RTX needs no timings; TensorRT does
        config.set_timing_cache(config.create_timing_cache(timings), ignore_mismatch=False)
        kept = config.get_timing_cache()
    if told:
        config.progress_monitor = _monitor(trt, told)
    profile = builder.create_optimization_profile()
    for name, row in rows.items():
        profile.set_shape(name, *((count, *row) for count in (1, _USUAL_ROWS, MOST_ROWS)))
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BundleError(
            f"TensorRT {trt.__version__} cannot build: {'; '.join(log.errors)}. try: without --to tensorrt"
        )
    return bytes(plan), bytes(kept.serialize())


def log_of(trt: ModuleType) -> Any:
    """A log that prints nothing and keeps what went wrong."""

    class Log(trt.ILogger):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.ERROR:
                self.errors.append(message)

    return Log()


def _monitor(trt: ModuleType, told: Told) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:  # noqa: ARG002
            self.steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            told(phase_name, step + 1, self.steps[phase_name])
            return True

        def phase_finish(self, phase_name: str) -> None:
            self.steps.pop(phase_name, None)

    return Monitor()
