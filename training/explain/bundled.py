"""A bundle as a function. The one file of training that runs ONNX, and it loads the runtime when it is called."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from core.bundle import Bundle

Floats = npt.NDArray[np.float32]
BATCH = 256


def speaker(bundle: Bundle) -> Callable[[Floats], dict[str, Floats]]:
    """A function from features (N, T, F) to every output and attention of the bundle's ONNX graph."""
    import onnxruntime  # noqa: PLC0415 - training itself never needs it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = bundle.path(bundle.manifest.artefact("onnx").file)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = list(bundle.manifest.graph_outputs)
    (reads,) = (one.name for one in bundle.manifest.inputs)

    def say(x_NTF: Floats) -> dict[str, Floats]:
        parts = [session.run(names, {reads: x_NTF[at : at + BATCH]}) for at in range(0, len(x_NTF), BATCH)]
        return {name: np.concatenate(values) for name, values in zip(names, zip(*parts, strict=True), strict=True)}

    return say
