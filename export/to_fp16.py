"""A model as one ONNX file of half precision: half the size, and off by what 11 bits of 24 cannot tell.

The converter is ONNX Runtime's own. Left in float32 are inputs and outputs, and the normalisation, whose raw features
half precision may not hold. There are two such files: the one for a CPU also computes recurrent layers in float32,
which crash ONNX Runtime there in half precision, and keeps only their weights in it; the one for a GPU does not, and is
never loaded on a CPU.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from core.golden import Arrays
from export import to_onnx
from export.source import Outputs, Source

_RECURRENT: Final = ("GRU", "LSTM")
_NORMALISING: Final = frozenset({"Sub", "Div", "Slice", "IsNaN"})
_ENOUGH: Final = 16
"""Numbers of a weight that is worth being kept in half precision."""


def convert(source: Source) -> tuple[bytes]:
    """model.onnx in half precision, for a CPU."""
    half = _halved(source, _RECURRENT)
    _halve_recurrent_weights(half)
    return (_bytes(half),)


def convert_for_gpu(source: Source) -> tuple[bytes]:
    """model.onnx in half precision, recurrent layers too."""
    return (_bytes(_halved(source, ())),)


def run_twin(source: Source, inputs: Arrays) -> Outputs:
    """What the file for a CPU makes of these inputs: as near as a CPU comes to what the one for a GPU will say."""
    return run(convert(source), inputs)


def run(files: tuple[bytes, ...], inputs: Arrays) -> Outputs:
    """What ONNX Runtime makes of these inputs; a row alone is padded to two, as it would come out in other bits."""
    rows = len(next(iter(inputs.values())))
    padded = {name: values if rows > 1 else np.repeat(values, 2, axis=0) for name, values in inputs.items()}
    return {name: values[:rows] for name, values in to_onnx.run(files[0], padded).items()}


def _halved(source: Source, whole: tuple[str, ...]) -> ModelProto:
    """The graph in half precision, all but the operators of these types."""
    graph = onnx.load_model_from_string(source.onnx)
    half: ModelProto = convert_float_to_float16(
        graph,
        keep_io_types=True,
        op_block_list=[*DEFAULT_OP_BLOCK_LIST, *whole],
        node_block_list=list(_normalising(graph)),
    )
    _drop_doubles(half)
    return half


def _bytes(graph: ModelProto) -> bytes:
    content: bytes = graph.SerializeToString(deterministic=True)
    return content


def _normalising(graph: ModelProto) -> Iterator[str]:
    """The nodes between the inputs and the normalised features."""
    raw = {one.name for one in graph.graph.input}
    for node in graph.graph.node:
        if raw.intersection(node.input) and node.op_type in _NORMALISING:
            raw.update(node.output)
            yield node.name


def _drop_doubles(graph: ModelProto) -> None:
    """The converter casts a tensor twice that a layer reads twice, under one name."""
    seen: set[str] = set()
    once: list[NodeProto] = []
    for node in graph.graph.node:
        if node.output[0] not in seen:
            once.append(node)
        seen.update(node.output)
    del graph.graph.node[:]
    graph.graph.node.extend(once)


def _halve_recurrent_weights(graph: ModelProto) -> None:
    read = {name for node in graph.graph.node if node.op_type in _RECURRENT for name in node.input}
    casts: list[NodeProto] = []
    for weight in graph.graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.name in read and values.dtype == np.float32 and values.size >= _ENOUGH:
            whole, half = weight.name, f"{weight.name}.half"
            weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), half))
            casts.append(helper.make_node("Cast", [half], [whole], f"{whole}.cast", to=TensorProto.FLOAT))
    rest = list(graph.graph.node)
    del graph.graph.node[:]
    graph.graph.node.extend([*casts, *rest])
