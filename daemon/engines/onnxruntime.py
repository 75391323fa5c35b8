"""ONNX Runtime: model.onnx on the CPU or an NVIDIA GPU, forms of fewer bits on the CPU, and the streaming graphs."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from core import buckets
from core.bundle import Bundle, Input, Manifest
from core.errors import BundleError
from daemon.engines import provider_plans
from daemon.engines.auto import cache_folder
from daemon.engines.session import (
    CPU,
    CPU_STEP,
    CUDA,
    CUDA_FP16,
    FP16,
    INT8,
    TENSORRT_FP16,
    TENSORRT_FP32,
    Kind,
    Session,
    tensorrt_device,
)
from daemon.ports import Float32s

_HALF: Final = "fp16-gpu"
_GRAPHS: Final = {
    kind.engine: (kind, artefact)
    for kind, artefact in (
        (CPU, "onnx"),
        (FP16, "fp16"),
        (INT8, "int8"),
        (CUDA, "onnx"),
        (CUDA_FP16, _HALF),
        (TENSORRT_FP32, "onnx"),
        (TENSORRT_FP16, _HALF),
    )
}
_NEXT: Final = "next."
"""Before the names of the states that the carry graph gives: it is given states of the same names."""
_AXES: Final = 3


class OnnxRuntime:
    """Runs one graph of a bundle. A row's bits depend neither on the rows beside it nor on how many there are."""

    def __init__(self, bundle: Bundle, engine: str = CPU.engine, environment: Mapping[str, str] = os.environ) -> None:
        kind, artefact = _GRAPHS[engine]
        self.name = kind.engine
        self.device = kind.device
        self.artefact = bundle.manifest.artefact(artefact)
        with _with_plans(kind, bundle, self.artefact.file, cache_folder(environment)) as told:
            self._session = Session(bundle.path(self.artefact.file), told)
        self.reason = ", ".join(("asked for", *self._session.remarks))
        _refuse_other_graph(self._session, bundle.manifest, self.artefact.file)

    def run(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        """Every input (N, T, F) -> every output (N, ...)."""
        return self._session.run(inputs)


class OnnxRuntimeBuckets:
    """Runs each expanding window on the CPU in the smallest of several graphs that holds it.

    A row's bits hang on how many of its own rows are there, and on nothing beside it.
    """

    name = "onnxruntime-buckets"
    device = CPU.device

    def __init__(self, bundle: Bundle) -> None:
        self.reason = "asked for"
        self.artefact = bundle.manifest.artefact("buckets")
        self._graphs: dict[int, buckets.Graph] = {}
        (one,) = [one for one in bundle.manifest.inputs if one.window.kind == "expanding"]
        for file in self.artefact.files:
            session = Session(bundle.path(file), CPU)
            size = _recent(session, one, file)
            rows: dict[str, tuple[object, ...]] = {other.name: other.row for other in bundle.manifest.inputs}
            _refuse_other_inputs(session, rows | {one.name: (size, one.row[1]), buckets.LENGTHS: ()}, file)
            _refuse_other_outputs(session, bundle.manifest, file)
            self._graphs[size] = session.run
        if max(self._graphs) != one.window.length:
            raise BundleError(
                f"the largest bucket holds {max(self._graphs)} rows, the window {one.window.length}; "
                "try: gaze export again"
            )
        self._name = one.name
        self._looks = {one.name for one in bundle.manifest.attentions if one.axes[-1] == "time"}

    def run(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        """Every input (N, T, F) -> every output (N, ...)."""
        return buckets.run(self._graphs, self._name, self._looks, inputs)


class OnnxRuntimeStream:
    """Runs model.prefix.onnx, model.step.onnx and, where there is one, model.carry.onnx on the CPU.

    Prefix and step may run at once, in two threads.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.name = CPU.engine
        self.device = CPU.device
        self.artefact = bundle.manifest.artefact("stream")
        prefix, step, *carry = self.artefact.files
        self._prefix = Session(bundle.path(prefix), CPU)
        self._step = Session(bundle.path(step), CPU_STEP)
        inputs = bundle.manifest.inputs
        _refuse_other_inputs(self._prefix, {one.name: (one.row[0] - 1, one.row[1]) for one in inputs}, prefix)
        states: dict[str, tuple[object, ...]] = {name: tuple(shape[1:]) for name, shape in self._prefix.outputs.items()}
        newest: dict[str, tuple[object, ...]] = {one.name: (1, one.row[1]) for one in inputs}
        _refuse_other_inputs(self._step, newest | states, step)
        _refuse_other_outputs(self._step, bundle.manifest, step)
        self.recent = 0
        for file in carry:
            self._carry = Session(bundle.path(file), CPU)
            self._reads = [name for name in self._carry.inputs if name in states]
            self.recent = _recent(self._carry, inputs[0], file)
            recent: dict[str, tuple[object, ...]] = {one.name: (self.recent, one.row[1]) for one in inputs}
            _refuse_other_inputs(self._carry, recent | {name: states[name] for name in self._reads}, file)
            given = {name: tuple(shape[1:]) for name, shape in self._carry.outputs.items()}
            if given != {_NEXT + name: shape for name, shape in states.items()}:
                raise BundleError(f"{file} gives other states than {prefix}; try: gaze export again")

    def prefix(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        """All rows but the newest of every input (N, T-1, F) -> states, each (N, ...)."""
        return self._prefix.run(inputs)

    def step(self, states: dict[str, Float32s], newest: dict[str, Float32s]) -> dict[str, Float32s]:
        """States and the newest row of every input (N, 1, F) -> every output (N, ...)."""
        return self._step.run(states | newest)

    def carry(self, states: dict[str, Float32s], recent: dict[str, Float32s]) -> dict[str, Float32s]:
        """States, and so many newest rows of every input, the last of them new (N, R, F) -> states, each (N, ...)."""
        made = self._carry.run({name: states[name] for name in self._reads} | recent)
        return {name.removeprefix(_NEXT): values for name, values in made.items()}


@contextlib.contextmanager
def _with_plans(kind: Kind, bundle: Bundle, file: str, cache: Path) -> Iterator[Kind]:
    """The kind; TensorRT's with the folder of its plans, which are watched while it is opened."""
    if kind.provider != TENSORRT_FP32.provider:
        yield kind
        return
    device = tensorrt_device(kind)
    plans, timings = provider_plans.places(cache / "plans", bundle.digest, device, file)
    told = provider_plans.options(plans, timings, half=kind is TENSORRT_FP16)
    with provider_plans.watched(plans, timings, bundle.digest, device):
        yield msgspec.structs.replace(kind, options=told)


def _recent(session: Session, one: Input, file: str) -> int:
    """Rows of this input that the graph takes."""
    shape = session.inputs.get(one.name, [])
    if len(shape) != _AXES or not isinstance(shape[1], int):
        raise BundleError(f"{file} takes input {one.name!r} in shape {shape}, not in rows; try: gaze export again")
    return shape[1]


def _refuse_other_graph(session: Session, manifest: Manifest, file: str) -> None:
    _refuse_other_inputs(session, {one.name: one.row for one in manifest.inputs}, file)
    _refuse_other_outputs(session, manifest, file)


def _refuse_other_inputs(session: Session, rows: Mapping[str, tuple[object, ...]], file: str) -> None:
    shapes = dict(session.inputs)
    for name, row in rows.items():
        shape = shapes.pop(name, None)
        if shape is None or isinstance(shape[0], int) or tuple(shape[1:]) != row:
            raise BundleError(
                f"{file} takes input {name!r} in shape {shape}, its manifest says any batch of {row}; "
                "try: gaze export again"
            )
    if shapes:
        raise BundleError(
            f"{file} wants inputs its manifest does not name: {', '.join(shapes)}; try: gaze export again"
        )


def _refuse_other_outputs(session: Session, manifest: Manifest, file: str) -> None:
    lacking = set(manifest.graph_outputs) - session.outputs.keys()
    if lacking:
        raise BundleError(
            f"{file} does not give {', '.join(sorted(lacking))}, its manifest says so; try: gaze export again"
        )
