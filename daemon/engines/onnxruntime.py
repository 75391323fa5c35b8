"""ONNX Runtime: model.onnx on the CPU or an NVIDIA GPU, model.int8.onnx on the CPU, and the two streaming graphs."""

from collections.abc import Mapping
from typing import Final

from core.bundle import Bundle, Manifest
from core.errors import BundleError
from daemon.engines.session import CPU, CUDA, INT8, Session
from daemon.ports import Float32s

_GRAPHS: Final = {kind.engine: (kind, artefact) for kind, artefact in ((CPU, "onnx"), (CUDA, "onnx"), (INT8, "int8"))}


class OnnxRuntime:
    """Runs one graph of a bundle. A row's bits depend neither on the rows beside it nor on how many there are."""

    def __init__(self, bundle: Bundle, engine: str = CPU.engine) -> None:
        kind, artefact = _GRAPHS[engine]
        self.name = kind.engine
        self.device = kind.device
        self.reason = "asked for"
        self.artefact = bundle.manifest.artefact(artefact)
        self._session = Session(bundle.path(self.artefact.file), kind)
        _refuse_other_graph(self._session, bundle.manifest, self.artefact.file)

    def run(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        """Every input (N, T, F) -> every output (N, ...)."""
        return self._session.run(inputs)


class OnnxRuntimeStream:
    """Runs model.prefix.onnx and model.step.onnx on the CPU. Both may run at once, in two threads."""

    def __init__(self, bundle: Bundle) -> None:
        self.name = CPU.engine
        self.device = CPU.device
        self.artefact = bundle.manifest.artefact("stream")
        prefix, step = self.artefact.files
        self._prefix = Session(bundle.path(prefix), CPU)
        self._step = Session(bundle.path(step), CPU)
        inputs = bundle.manifest.inputs
        _refuse_other_inputs(self._prefix, {one.name: (one.row[0] - 1, one.row[1]) for one in inputs}, prefix)
        states: dict[str, tuple[object, ...]] = {name: tuple(shape[1:]) for name, shape in self._prefix.outputs.items()}
        newest: dict[str, tuple[object, ...]] = {one.name: (1, one.row[1]) for one in inputs}
        _refuse_other_inputs(self._step, newest | states, step)
        _refuse_other_outputs(self._step, bundle.manifest, step)

    def prefix(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        """All rows but the newest of every input (N, T-1, F) -> states, each (N, ...)."""
        return self._prefix.run(inputs)

    def step(self, states: dict[str, Float32s], newest: dict[str, Float32s]) -> dict[str, Float32s]:
        """States and the newest row of every input (N, 1, F) -> every output (N, ...)."""
        return self._step.run(states | newest)


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
