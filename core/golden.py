"""Does what is computed here match the golden arrays? The one answer that export, the daemon and verify share.

golden.npz: bars (N, L, 5) float64, opened_at_ms (N,) of each last bar, symbol (N,); `market.NAME` (N, L, 5), the bars
of a market up to its lag, or the rows of breadth, (N, T, F); `external.NAME` (N, T, E) float32, what was known at each
bar; `input.NAME` (N, T, F) float32, the features of these bars where the model was exported; `output.NAME`, what
PyTorch said to them; `KIND.NAME`, what a lossy form of the model said to them where it was made.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.bundle import Manifest
from core.errors import BundleError
from core.inputs import Inputs

INPUT: Final = "input."
OUTPUT: Final = "output."
MARKET: Final = "market."
EXTERNAL: Final = "external."

Arrays = Mapping[str, npt.NDArray[Any]]


def features(manifest: Manifest, arrays: Arrays) -> dict[str, npt.NDArray[np.float32]]:
    """What each input of the graph is given for windows that end at the last of these `bars`: (N, T, F).

    Raises: BundleError: this gaze computes some feature otherwise than the one that trained.
    """
    inputs = Inputs(manifest.inputs, manifest.grid)
    read = (*inputs.markets, *(one for one, _ in inputs.breadths))
    markets = {one.name: arrays[MARKET + one.name] for one in read}
    external = {one.name: arrays[EXTERNAL + one.name] for one in inputs.external}
    return inputs.make(arrays["bars"], arrays["opened_at_ms"], markets, external=external)


def named(prefix: str, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    """The arrays whose names begin with INPUT or OUTPUT, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def differences(golden: Arrays, found: Arrays, what: str) -> dict[str, float]:
    """The largest difference of each array, as a share of its largest golden value.

    A share, because a return of 0.001 and a probability of 0.5 cannot be held to one absolute bound.

    Raises: BundleError: an array is missing, has another shape, or a value that is not finite.
    """
    shares: dict[str, float] = {}
    for name, expected in golden.items():
        if name not in found:
            has = ", ".join(sorted(found)) or "nothing"
            raise BundleError(f"{what} gives no {name!r}, only {has}; try: gaze export again")
        got = found[name]
        if got.shape != expected.shape:
            raise BundleError(
                f"{what} gives {name!r} in shape {got.shape}, expected is {expected.shape}; try: gaze export again"
            )
        if not (np.isfinite(got).all() and np.isfinite(expected).all()):
            raise BundleError(f"{what} or the bundle has {name!r} with values that are not finite; try: another engine")
        away = np.abs(got.astype(np.float64) - expected.astype(np.float64)).max(initial=0.0)
        scale = np.abs(expected.astype(np.float64)).max(initial=0.0)
        shares[name] = float(away / (scale or 1.0))
    return shares


def check(golden: Arrays, found: Arrays, tolerance: float, what: str) -> dict[str, float]:
    """As `differences`, and refuse what is further off than the tolerance.

    Raises: BundleError: some array differs by more, or there is nothing to compare; the message names the worst.
    """
    shares = differences(golden, found, what)
    if not shares:
        raise BundleError(f"{what} has no golden values to be held against; try: gaze export again")
    worst = max(shares, key=lambda name: shares[name])
    if shares[worst] > tolerance:
        raise BundleError(
            f"{what} does not reproduce its golden values: {worst!r} is off by {shares[worst]:.2g} of its largest "
            f"value, allowed is {tolerance:.2g}; the file is damaged or this machine computes otherwise. "
            "try: gaze export again, or another engine"
        )
    return shares
