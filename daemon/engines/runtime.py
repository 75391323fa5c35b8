"""ONNX Runtime itself, silent and without telemetry, and what it raises."""

import os
from typing import Final

from core.errors import EngineError

# ONNX Runtime starts to send telemetry when it is imported, before anything could tell it not to.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
try:
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as errors
except ModuleNotFoundError as error:
    raise EngineError("onnxruntime is not installed; try: pip install 'gazed[cpu]', or 'gazed[gpu]'") from error

# Each is an exception of its own; they share no base but Exception.
BAD_GRAPH: Final = (
    errors.Fail,
    errors.InvalidArgument,
    errors.InvalidGraph,
    errors.InvalidProtobuf,
    errors.NotImplemented,
)
BAD_DEVICE: Final = (errors.EPFail, errors.RuntimeException, RuntimeError)

# The default logger prints what is told elsewhere as an error that says what to do.
ort.set_default_logger_severity(4)
ort.disable_telemetry_events()

__all__ = ["BAD_DEVICE", "BAD_GRAPH", "ort"]
