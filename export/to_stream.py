"""A model as two ONNX files: model.prefix.onnx for all rows of a window but the newest, model.step.onnx for that one.

When a bar closes, all but one row of a window has been known for an hour. The prefix graph runs in that hour and leaves
states; the step graph makes of them and the newest row what model.onnx makes of the whole window. Where windows expand,
model.carry.onnx makes of a window's states those of the window that is one bar longer: none of its rows is read again.
"""

from collections.abc import Callable, Mapping
from itertools import product
from typing import Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from core import golden
from core.errors import BundleError
from core.golden import Arrays
from export import to_onnx
from export.source import Outputs, Source

_SIZES: Final = (2, 3, 17, 64)
"""Batch sizes in which bits are compared; an engine pads a row alone to two."""
_STEPS: Final = (2, 3, 17, 128)
"""The same of the step, which runs in batches of its own."""
_IN_TWO_PARTS: Final = 2


@runtime_checkable
class Causal(Protocol):
    """A model whose last row touches nothing that those before it left behind."""

    def prefix(self, *x_NTF: Tensor) -> dict[str, Tensor]:
        """All rows but the newest of every input -> states, each (N, ...)."""

    def step(self, states: Mapping[str, Tensor], *x_N1F: Tensor) -> dict[str, Tensor]:
        """States and the newest row of every input -> what forward() gives for the whole."""


@runtime_checkable
class Carrying(Protocol):
    """A causal model of windows that expand, whose states a bar more is added to."""

    carried: tuple[str, ...]
    """The states that carry() reads."""

    @property
    def recent(self) -> int:
        """Rows that carry() is given."""

    def carry(self, states: Mapping[str, Tensor], *x_NRF: Tensor) -> dict[str, Tensor]:
        """States, and the newest rows of every input, the last of them new -> the states of a window one row longer."""


NEXT: Final = "next."
"""Before the names of the states that the carry graph gives: it is given states of the same names."""


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


class _Carry(nn.Module):
    def __init__(self, model: nn.Module, states: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.states = states

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        assert isinstance(self.model, Carrying)
        reads = self.model.carried
        recent, states = given[: -len(reads)], given[-len(reads) :]
        made = self.model.carry(dict(zip(reads, states, strict=True)), *recent)
        return tuple(made[name] for name in self.states)


def why_not(source: Source) -> str:
    """Why this model has no streaming graphs; empty where it has them."""
    if isinstance(source.model, Causal):
        return ""
    return str(getattr(source.model, "not_causal", f"the family {source.manifest.family} has no prefix() and step()"))


def why_not_carried(source: Source) -> str:
    """Why the states of this model are made anew for every window; empty where they are carried from bar to bar."""
    if reason := why_not(source):
        return reason
    if all(one.window.kind == "rolling" for one in source.manifest.inputs):
        return "its window rolls: with every bar another row is the first"
    return "" if isinstance(source.model, Carrying) else f"the family {source.manifest.family} has no carry()"


def convert(source: Source) -> tuple[bytes, ...]:
    """The two graphs, and the one that carries states on where the model has it.

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
    if not isinstance(source.model, Carrying):
        return prefix, step
    model = source.model
    recent = {name: torch.from_numpy(source.inputs[name][:, -1 - model.recent : -1]) for name in names}
    read = {name: states[name] for name in model.carried}
    carry = to_onnx.trace(_Carry(model, tuple(states)), recent | read, tuple(NEXT + name for name in states))
    return prefix, step, carry


def check(files: tuple[bytes, ...], source: Source, tolerance: float) -> None:
    """Grow windows by a bar through the carry graph, if there is one.

    Raises: BundleError: what is said of them is off by more than the tolerance.
    """
    if len(files) > _IN_TWO_PARTS:
        inputs = grown(source.inputs)
        golden.check(source.said(inputs), _carried(files, source, inputs), tolerance, "model.carry.onnx")


def grown(inputs: Arrays) -> dict[str, npt.NDArray[np.float32]]:
    """Windows that are not full, so that a bar ago they were one row shorter: the first row is lacking."""
    fewer = {name: values.copy() for name, values in inputs.items()}
    for values in fewer.values():
        values[:, 0] = np.nan
    return fewer


def _carried(files: tuple[bytes, ...], source: Source, inputs: Arrays, size: int = 0) -> Outputs:
    """What the graphs make of grown windows whose states came from the window a bar before."""
    prefix, step, carry = (to_onnx.opened(file) for file in files)
    assert isinstance(source.model, Carrying)
    size, recent = size or source.rows, source.model.recent
    before = {name: np.concatenate([values[:, :1], values[:, :-2]], axis=1) for name, values in inputs.items()}
    last = {name: np.ascontiguousarray(values[:, -1 - recent : -1]) for name, values in inputs.items()}
    newest = {name: np.ascontiguousarray(values[:, -1:]) for name, values in inputs.items()}
    states = _in_batches(prefix, before, size)
    made = _in_batches(carry, {name: states[name] for name in source.model.carried} | last, size)
    return _in_batches(step, {name.removeprefix(NEXT): values for name, values in made.items()} | newest, size)


def run(files: tuple[bytes, ...], inputs: Arrays) -> Outputs:
    """What prefix and step, one after the other, make of whole windows."""
    prefix, step, *_ = files
    states = to_onnx.run(prefix, {name: np.ascontiguousarray(values[:, :-1]) for name, values in inputs.items()})
    return to_onnx.run(step, {name: np.ascontiguousarray(values[:, -1:]) for name, values in inputs.items()} | states)


def same_bits(files: tuple[bytes, ...], source: Source) -> bool:
    """Whether every golden row has the bits of model.onnx, whatever the batches it went through either graph in."""
    prefix, step, *_ = (to_onnx.opened(file) for file in files)
    known = {name: np.ascontiguousarray(values[:, :-1]) for name, values in source.inputs.items()}
    newest = {name: np.ascontiguousarray(values[:, -1:]) for name, values in source.inputs.items()}
    whole = to_onnx.run(source.onnx, source.inputs)
    for first, second in product(_SIZES, _STEPS):
        said = _in_batches(step, newest | _in_batches(prefix, known, first), second)
        if any(said[name].tobytes() != whole[name].tobytes() for name in whole):
            return False
    return len(files) == _IN_TWO_PARTS or _same_bits_carried(files, source)


def _same_bits_carried(files: tuple[bytes, ...], source: Source) -> bool:
    inputs = grown(source.inputs)
    whole = to_onnx.run(source.onnx, inputs)
    said = [_carried(files, source, inputs, size) for size in _SIZES]
    return all(one[name].tobytes() == whole[name].tobytes() for one in said for name in whole)


def _in_batches(graph: Callable[[Arrays], Outputs], inputs: Arrays, size: int) -> Outputs:
    """Batches of this size; the last is filled up with the first rows, as a row alone takes another path."""
    rows = len(next(iter(inputs.values())))
    parts = []
    for start in range(0, rows, size):
        which = np.arange(start, start + size) % rows
        made = graph({name: values[which] for name, values in inputs.items()})
        parts.append({name: values[: min(size, rows - start)] for name, values in made.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
