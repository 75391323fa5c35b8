"""A model as one ONNX file whose weights are 8-bit integers: a third of the size, faster row by row, and not the same.

The scale of what flows through it is taken from the batch it is in, so a row's numbers depend on the rows beside it.
Whoever runs it gives it one row at a time.
"""

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from core.golden import Arrays
from export import to_onnx
from export.source import Outputs, Source


def convert(source: Source) -> tuple[bytes]:
    """model.onnx with its LSTMs and matrix products quantised."""
    with tempfile.TemporaryDirectory() as folder, _quietly():
        path = Path(folder) / "model.onnx"
        quantize_dynamic(onnx.load_model_from_string(source.onnx), path, weight_type=QuantType.QInt8)
        content: bytes = onnx.load_model(path).SerializeToString(deterministic=True)
        return (content,)


def run(files: tuple[bytes, ...], inputs: Arrays) -> Outputs:
    """What ONNX Runtime makes of these inputs, one row at a time."""
    graph = to_onnx.opened(files[0])
    rows = len(next(iter(inputs.values())))
    parts = [graph({name: values[row : row + 1] for name, values in inputs.items()}) for row in range(rows)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """The quantiser advises a step that model.onnx has behind it."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
