"""A bundle as a function. The one file of training that runs ONNX, and it loads the runtime when it is called."""

import os

import numpy as np

from core.bundle import Bundle
from training.explain.reads import Floats, Reads, Say, together

MOST = 256


def speaker(bundle: Bundle) -> Say:
    """A function from what the inputs read to every output and attention of the bundle's ONNX graph.

    A row has the bits that the daemon's CPU engine gives it: it is never run alone, which takes another path.
    """
    # ONNX Runtime starts to send telemetry when it is imported, before anything could tell it not to.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime  # noqa: PLC0415 - training itself never needs it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.use_deterministic_compute = True
    onnxruntime.disable_telemetry_events()
    path = bundle.path(bundle.manifest.artefact("onnx").file)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = list(bundle.manifest.graph_outputs)
    reads = [one.name for one in bundle.manifest.inputs]
    batch = min(MOST, together(bundle.manifest.inputs))

    def say(x: Reads) -> dict[str, Floats]:
        rows = len(x[0])
        parts = [_run(tuple(one[at : at + batch] for one in x)) for at in range(0, rows, batch)]
        return {name: np.concatenate(values) for name, values in zip(names, zip(*parts, strict=True), strict=True)}

    def _run(x: Reads) -> list[Floats]:
        rows = len(x[0])
        fed = {name: _pair(values) for name, values in zip(reads, x, strict=True)}
        return [values[:rows] for values in session.run(names, fed)]

    return say


def _pair(values: Floats) -> Floats:
    return np.repeat(values, 2, axis=0) if len(values) == 1 else values
