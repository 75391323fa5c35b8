"""Does this machine compute what the bundle says? Asked before the first prediction, and by `gaze bundle verify`."""

from typing import Final

import msgspec
import numpy as np

from core import golden
from core.bundle import GOLDEN, Bundle
from core.golden import INPUT, OUTPUT, Arrays
from daemon.engines import OpenEngine
from daemon.ports import Float32s

FEATURE_TOLERANCE: Final = 1e-6
"""Largest difference of a feature, as a share of its largest golden value: another machine's logarithm, in float32."""

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


def prove(engine: OpenEngine, bundle: Bundle) -> Proof:
    """Compute the golden features and outputs again.

    Raises: BundleError: a feature is computed otherwise here, or an output is off by more than its tolerance.
    """
    arrays = bundle.arrays(GOLDEN)
    inputs, expected = golden.named(INPUT, arrays), golden.named(OUTPUT, arrays)
    made = golden.features(bundle.manifest, arrays)
    features = golden.check(
        _by_feature(bundle, inputs), _by_feature(bundle, made), FEATURE_TOLERANCE, "the features computed here"
    )
    together = engine.run(inputs)
    what = f"{engine.artefact.file} on {engine.name}"
    outputs = golden.check(expected, together, engine.artefact.tolerance, what)
    return Proof(
        rows=len(arrays["bars"]),
        features=features,
        outputs=outputs,
        tolerance=engine.artefact.tolerance,
        same_bits_alone=_same_bits_alone(engine, inputs, together),
    )


def warm(engine: OpenEngine, bundle: Bundle) -> None:
    """Run a few batch sizes, so that the first real bars find memory and code in place."""
    for rows in _WARMING:
        engine.run({one.name: np.zeros((rows, *one.row), np.float32) for one in bundle.manifest.inputs})


def _by_feature(bundle: Bundle, arrays: Arrays) -> Arrays:
    """One array a feature: a return of 0.001 must not hide behind a volume of 3."""
    return {
        f"{one.name}.{feature}": arrays[one.name][..., column]
        for one in bundle.manifest.inputs
        for column, feature in enumerate(one.features)
    }


def _same_bits_alone(engine: OpenEngine, inputs: dict[str, Float32s], together: dict[str, Float32s]) -> bool:
    for row in range(len(next(iter(inputs.values())))):
        alone = engine.run({name: values[row : row + 1] for name, values in inputs.items()})
        if any(alone[name].tobytes() != together[name][row : row + 1].tobytes() for name in together):
            return False
    return True
