"""Do these outputs match the golden ones? The one answer that export, the daemon and `gaze bundle verify` share."""

import numpy as np
import numpy.typing as npt

from core.errors import BundleError

Arrays = dict[str, npt.NDArray[np.generic]]


def largest_difference(golden: Arrays, found: Arrays) -> dict[str, float]:
    """The largest absolute difference of each output.

    Raises: BundleError: an output is missing, has another shape, or is not finite where the golden one is.
    """
    differences: dict[str, float] = {}
    for name, expected in golden.items():
        if name not in found:
            raise BundleError(f"output {name!r} is missing; found: {', '.join(sorted(found))}")
        got = found[name]
        if got.shape != expected.shape:
            raise BundleError(f"output {name!r} has shape {got.shape}, expected {expected.shape}")
        difference = np.abs(got.astype(np.float64) - expected.astype(np.float64))
        if not np.isfinite(difference).all():
            raise BundleError(f"output {name!r} has values that are not finite where the golden ones are")
        differences[name] = float(difference.max(initial=0.0))
    return differences


def check(golden: Arrays, found: Arrays, tolerance: float, what: str) -> dict[str, float]:
    """As `largest_difference`, and refuse what is further off than the tolerance.

    Raises: BundleError: some output differs by more; the message names the worst and what to do.
    """
    differences = largest_difference(golden, found)
    worst = max(differences, key=lambda name: differences[name])
    if differences[worst] > tolerance:
        raise BundleError(
            f"{what} does not reproduce its golden outputs: {worst!r} is off by {differences[worst]:.3g}, allowed is "
            f"{tolerance:.3g}; the file is damaged or this engine computes otherwise. try: gaze export again, "
            "or another engine"
        )
    return differences
