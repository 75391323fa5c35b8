"""A model as one ONNX file: normalisation inside, outputs and attention by name, any number of rows, fixed T and F."""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import onnxslim
import torch
from torch import Tensor, nn

from core.bundle import Manifest
from core.errors import BundleError
from core.golden import Arrays

OPSET = 20


class _Named(nn.Module):
    """The model with its outputs in a fixed order, as an exporter wants them."""

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = tuple(names)

    def forward(self, *x_NTF: Tensor) -> tuple[Tensor, ...]:
        said = self.model(*x_NTF)
        return tuple(said[name] for name in self.names)


def convert(model: nn.Module, manifest: Manifest, inputs: Arrays) -> bytes:
    """The graph, traced on these inputs; the same bytes for the same weights.

    Raises: BundleError: PyTorch cannot convert the model, or the graph came out with another axis frozen or free.
    """
    example = {one.name: torch.from_numpy(inputs[one.name]) for one in manifest.inputs}
    return trace(_Named(model, manifest.graph_outputs), example, manifest.graph_outputs)


def trace(module: nn.Module, example: Mapping[str, Tensor], outputs: Sequence[str]) -> bytes:
    """The graph of a module that takes these inputs, two rows or more, in order and gives a tuple of outputs."""
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registration.level
    registration.setLevel(logging.ERROR)  # it warns of torchvision's operators, which nobody here has
    try:
        with warnings.catch_warnings():
            # The exporter trips over its own deprecations; what matters is whether the graph agrees with the model.
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module.eval(),
                tuple(example.values()),
                dynamo=True,
                opset_version=OPSET,
                external_data=False,
                input_names=list(example),
                output_names=list(outputs),
                dynamic_shapes=(tuple({0: torch.export.Dim("batch")} for _ in example),),
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise BundleError(f"PyTorch cannot convert this model to ONNX: {reason}; try: another family") from error
    finally:
        registration.setLevel(level)
    assert program is not None
    # It also drops the notes that PyTorch leaves in every node, paths of this machine among them.
    graph = onnxslim.slim(program.model_proto)
    _refuse_other_shapes(graph, {name: tuple(values.shape[1:]) for name, values in example.items()})
    content: bytes = graph.SerializeToString(deterministic=True)
    return content


def run(content: bytes, inputs: Arrays) -> dict[str, npt.NDArray[np.float32]]:
    """What ONNX Runtime on the CPU makes of these inputs."""
    return opened(content)(inputs)


def opened(content: bytes) -> Callable[[Arrays], dict[str, npt.NDArray[np.float32]]]:
    """The graph on ONNX Runtime, on one thread of the CPU: a function from inputs to outputs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.use_deterministic_compute = True
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, dict(inputs)), strict=True))


def _refuse_other_shapes(graph: onnx.ModelProto, rows: Mapping[str, tuple[int, ...]]) -> None:
    """`rows`: the shape of one row of each input."""
    shapes = {value.name: [_size(axis) for axis in value.type.tensor_type.shape.dim] for value in graph.graph.input}
    for name, row in rows.items():
        shape = shapes.get(name)
        if shape != [None, *row]:
            raise BundleError(
                f"the ONNX graph takes input {name!r} in shape {shape}, expected is any batch of {row}; "
                "the exporter froze or freed an axis. try: a forward() whose Python code depends on no size"
            )


def _size(axis: onnx.TensorShapeProto.Dimension) -> int | None:
    return axis.dim_value if axis.HasField("dim_value") else None
