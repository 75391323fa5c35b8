"""Does this machine compute what the bundle says? Asked before the first prediction, and by `gaze bundle verify`."""

from collections.abc import Callable
from itertools import product
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core import golden
from core.bundle import GOLDEN, Bundle
from core.errors import EngineError
from core.golden import INPUT, Arrays
from daemon.engines import OpenEngine, OpenStream, open_stream
from daemon.ports import Float32s

FEATURE_TOLERANCE: Final = 1e-6
"""Largest difference of a feature, as a share of its largest golden value: another machine's logarithm, in float32."""

_STREAMED: Final = (1, 2, 5, 64)
"""Batch sizes of prefix and step, each with each, in which the bits of whole windows are asked for."""
_WARMING: Final = (1, 2, 64, 257)


class Proof(msgspec.Struct, frozen=True):
    """What was measured on this machine, each difference as a share of the largest golden value."""

    rows: int
    features: dict[str, float]
    outputs: dict[str, float]
    tolerance: float
    same_bits_alone: bool
    """Each golden row run alone gives the bits that it gives beside all others."""

    @property
    def same_feature_bits(self) -> bool:
        """Every feature has the very bits that it had where the model was exported."""
        return not any(self.features.values())


class StreamProof(msgspec.Struct, frozen=True):
    """What was measured of the streaming graphs, as in Proof. Without `same_bits`, run whole windows instead."""

    rows: int
    outputs: dict[str, float]
    tolerance: float
    same_bits: bool
    """In every batch they gave the bits that the engine gives of whole windows."""


def prove(engine: OpenEngine, bundle: Bundle) -> Proof:
    """Compute the golden features and outputs again.

    Raises: BundleError: a feature is computed otherwise here, or an output is off by more than its tolerance.
    """
    arrays = bundle.arrays(GOLDEN)
    inputs, expected = golden.named(INPUT, arrays), golden.named(engine.artefact.golden, arrays)
    made = golden.features(bundle.manifest, arrays)
    features = golden.check(
        _by_feature(bundle, inputs), _by_feature(bundle, made), FEATURE_TOLERANCE, "the features computed here"
    )
    together = engine.run(inputs)
    what = f"{' and '.join(engine.artefact.files)} on {engine.name}"
    outputs = golden.check(expected, together, engine.artefact.tolerance, what)
    return Proof(
        rows=len(arrays["bars"]),
        features=features,
        outputs=outputs,
        tolerance=engine.artefact.tolerance,
        same_bits_alone=_same_bits_alone(engine, inputs, together),
    )


def prove_stream(stream: OpenStream, engine: OpenEngine, bundle: Bundle) -> StreamProof:
    """Run the golden windows in two parts, in batches of several sizes, beside the engine that runs them whole.

    Raises: BundleError: an output is off by more than the tolerance.
    """
    arrays = bundle.arrays(GOLDEN)
    inputs, expected = golden.named(INPUT, arrays), golden.named(stream.artefact.golden, arrays)
    whole = engine.run(inputs)
    same_bits, measured = True, {}
    for first, second in product(_STREAMED, _STREAMED):
        said = _in_two_parts(stream, inputs, first, second)
        what = f"{' and '.join(stream.artefact.files)} on {engine.name}"
        measured = golden.check(expected, said, stream.artefact.tolerance, what)
        same_bits = same_bits and all(said[name].tobytes() == whole[name].tobytes() for name in expected)
    if stream.recent:
        same_bits = _carried(stream, engine, inputs) and same_bits
    return StreamProof(len(arrays["bars"]), measured, stream.artefact.tolerance, same_bits)


def stream_of(graph: str, engine: OpenEngine, bundle: Bundle) -> tuple[OpenStream | None, str]:
    """The streaming graphs, proven, where windows are to be run ahead; else None. And why.

    `graph`: "full" never, "stream" always, "auto" where they give the bits of whole windows on this machine.
    Raises: EngineError: "stream", and there are none to be run. BundleError: they do not reproduce the golden values.
    """
    if graph == "full":
        return None, "whole windows were asked for"
    beside = any(one.external or one.parts > 1 for one in bundle.manifest.inputs)
    stream = None if beside else open_stream(engine, bundle)
    if stream is None:
        why = bundle.manifest.not_streaming or f"{engine.name} has no streaming graphs of this bundle"
        why = "what is known beside a window may still change before its close" if beside else why
        if graph == "stream":
            raise EngineError(f'graph = "stream" was asked for, but {why}; try: graph = "auto"')
        return None, why
    proof = prove_stream(stream, engine, bundle)
    if proof.same_bits:
        return stream, "they give the bits of whole windows"
    if graph == "stream":
        return stream, f"they were asked for, though in other bits: off by {max(proof.outputs.values()):.1g}"
    return None, "streaming graphs give other bits than whole windows here"


def warm(engine: OpenEngine, bundle: Bundle) -> None:
    """Run a few batch sizes, so that the first real bars find memory and code in place."""
    for rows in _WARMING:
        engine.run({one.name: np.zeros((rows, *one.row), np.float32) for one in bundle.manifest.inputs})


def _by_feature(bundle: Bundle, arrays: Arrays) -> Arrays:
    """One array a feature: a return of 0.001 must not hide behind a volume of 3. Rows that are lacking are one more."""
    by_feature: dict[str, npt.NDArray[np.float32]] = {}
    for one in bundle.manifest.inputs:
        values_NTF = arrays[one.name]
        if one.window.kind == "expanding":
            lacking_NTF = np.isnan(values_NTF)
            by_feature[f"{one.name}, rows lacking"] = lacking_NTF.astype(np.float32)
            values_NTF = np.where(lacking_NTF, np.float32(0), values_NTF)
        by_feature |= {f"{one.name}.{feature}": values_NTF[..., at] for at, feature in enumerate(one.features)}
    return by_feature


def _same_bits_alone(engine: OpenEngine, inputs: dict[str, Float32s], together: dict[str, Float32s]) -> bool:
    for row in range(len(next(iter(inputs.values())))):
        alone = engine.run({name: values[row : row + 1] for name, values in inputs.items()})
        if any(alone[name].tobytes() != together[name][row : row + 1].tobytes() for name in together):
            return False
    return True


def _carried(stream: OpenStream, engine: OpenEngine, inputs: dict[str, Float32s]) -> bool:
    """Whether windows that grew by a bar, their states carried on from those before, have the engine's bits."""
    grown = {name: values.copy() for name, values in inputs.items()}
    for values in grown.values():
        values[:, 0] = np.nan
    whole = engine.run(grown)
    known = {name: np.concatenate([values[:, :1], values[:, :-2]], axis=1) for name, values in grown.items()}
    recent = {name: values[:, -1 - stream.recent : -1] for name, values in grown.items()}
    states = stream.carry(stream.prefix(known), recent)
    said = stream.step(states, {name: values[:, -1:] for name, values in grown.items()})
    golden.check(whole, said, stream.artefact.tolerance, f"{stream.artefact.files[-1]} on {engine.name}")
    return all(said[name].tobytes() == whole[name].tobytes() for name in whole)


def _in_two_parts(stream: OpenStream, inputs: dict[str, Float32s], first: int, second: int) -> dict[str, Float32s]:
    known = {name: values[:, :-1] for name, values in inputs.items()}
    newest = {name: values[:, -1:] for name, values in inputs.items()}
    states = _in_batches(stream.prefix, known, first)

    def step(part: dict[str, Float32s]) -> dict[str, Float32s]:
        return stream.step({name: part[name] for name in states}, {name: part[name] for name in newest})

    return _in_batches(step, states | newest, second)


def _in_batches(
    run: Callable[[dict[str, Float32s]], dict[str, Float32s]], inputs: dict[str, Float32s], size: int
) -> dict[str, Float32s]:
    rows = len(next(iter(inputs.values())))
    parts = [run({name: values[at : at + size] for name, values in inputs.items()}) for at in range(0, rows, size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
