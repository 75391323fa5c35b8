"""A model as two ONNX files: model.prefix.onnx for all rows of a window but the newest, model.step.onnx for that one.

When a bar closes, all but one row of a rolling window has been known for an hour. The prefix graph runs in that hour
and leaves states; the step graph makes of them and the newest row what model.onnx makes of the whole window.
"""

from collections.abc import Callable, Mapping
from itertools import product
from typing import Final, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from core.errors import BundleError
from core.golden import Arrays
from export import to_onnx
from export.source import Outputs, Source

_SIZES: Final = (2, 3, 17, 64)
"""Batch sizes, rows of prefix and step apart, in which bits are compared; an engine pads a row alone to two."""


@runtime_checkable
class Causal(Protocol):
    """A model whose last row touches nothing that those before it left behind."""

    def prefix(self, *x_NTF: Tensor) -> dict[str, Tensor]:
        """All rows but the newest of every input -> states, each (N, ...)."""

    def step(self, states: Mapping[str, Tensor], *x_N1F: Tensor) -> dict[str, Tensor]:
        """States and the newest row of every input -> what forward() gives for the whole."""


class _Prefix(nn.Module):
    def __init__(self, model: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *x_NTF: Tensor) -> tuple[Tensor, ...]:
        assert isinstance(self.model, Causal)
        states = self.model.prefix(*x_NTF)
        return tuple(states[name] for name in self.names)


class _Step(nn.Module):
    def __init__(self, model: nn.Module, states: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.states = states
        self.outputs = outputs

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        assert isinstance(self.model, Causal)
        newest, states = given[: -len(self.states)], given[-len(self.states) :]
        said = self.model.step(dict(zip(self.states, states, strict=True)), *newest)
        return tuple(said[name] for name in self.outputs)


def why_not(source: Source) -> str:
    """Why this model has no streaming graphs; empty where it has them."""
    for one in source.manifest.inputs:
        if one.window.kind != "rolling":
            return f"the window of input {one.name!r} is {one.window.kind}: its first row does not move on"
    if isinstance(source.model, Causal):
        return ""
    return str(getattr(source.model, "not_causal", f"the family {source.manifest.family} has no prefix() and step()"))


def convert(source: Source) -> tuple[bytes, bytes]:
    """The two graphs.

    Raises: BundleError: the model cannot be cut there.
    """
    reason = why_not(source)
    if reason:
        raise BundleError(f"this model has no streaming graphs: {reason}. try: --to onnx")
    model, names = source.model.eval(), [one.name for one in source.manifest.inputs]
    assert isinstance(model, Causal)
    known = {name: torch.from_numpy(source.inputs[name][:, :-1]) for name in names}
    newest = {name: torch.from_numpy(source.inputs[name][:, -1:]) for name in names}
    with torch.inference_mode():
        states = {name: values.contiguous().clone() for name, values in model.prefix(*known.values()).items()}
    outputs = source.manifest.graph_outputs
    prefix = to_onnx.trace(_Prefix(model, tuple(states)), known, tuple(states))
    step = to_onnx.trace(_Step(model, tuple(states), outputs), newest | states, outputs)
    return prefix, step


def run(files: tuple[bytes, ...], inputs: Arrays) -> Outputs:
    """What both graphs, one after the other, make of whole windows."""
    prefix, step = files
    states = to_onnx.run(prefix, {name: np.ascontiguousarray(values[:, :-1]) for name, values in inputs.items()})
    return to_onnx.run(step, {name: np.ascontiguousarray(values[:, -1:]) for name, values in inputs.items()} | states)


def same_bits(files: tuple[bytes, ...], source: Source) -> bool:
    """Whether every golden row has the bits of model.onnx, whatever the batches it went through either graph in."""
    prefix, step = (to_onnx.opened(file) for file in files)
    known = {name: np.ascontiguousarray(values[:, :-1]) for name, values in source.inputs.items()}
    newest = {name: np.ascontiguousarray(values[:, -1:]) for name, values in source.inputs.items()}
    whole = to_onnx.run(source.onnx, source.inputs)
    for first, second in product(_SIZES, _SIZES):
        said = _in_batches(step, newest | _in_batches(prefix, known, first), second)
        if any(said[name].tobytes() != whole[name].tobytes() for name in whole):
            return False
    return True


def _in_batches(graph: Callable[[Arrays], Outputs], inputs: Arrays, size: int) -> Outputs:
    """Batches of this size; the last is filled up with the first rows, as a row alone takes another path."""
    rows = len(next(iter(inputs.values())))
    parts = []
    for start in range(0, rows, size):
        which = np.arange(start, start + size) % rows
        made = graph({name: values[which] for name, values in inputs.items()})
        parts.append({name: values[: min(size, rows - start)] for name, values in made.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
