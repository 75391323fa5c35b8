"""The axes that an attention can have, and what each means for its statistics and pictures. The one place that knows.

The last axis is what is looked at: weights sum to one over it. A step axis before it is who looks (self-attention,
cross-attention). Heads and layers are compared. Gates are activations from 0 to 1 and sum to nothing.
"""

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.errors import DataError

Floats = npt.NDArray[np.float32]


class Axis(msgspec.Struct, frozen=True):
    """One axis: what a picture writes beside it, and whether it counts steps of a window, newest last."""

    label: str
    steps: bool = False


AXES: Final[dict[str, Axis]] = {
    "time": Axis("bars ago", steps=True),
    "market": Axis("bars ago in the market's window", steps=True),
    "head": Axis("head"),
    "layer": Axis("layer"),
    "query": Axis("which asks"),
    "gate": Axis("gate"),
}


class Layout(msgspec.Struct, frozen=True):
    """The axes of one attention after the batch, in order."""

    axes: tuple[str, ...]

    @classmethod
    def of(cls, axes: tuple[str, ...]) -> "Layout":
        """The layout of an attention.

        Raises: DataError: an axis that AXES does not describe, or weights that lie over no steps.
        """
        unknown = [name for name in axes if name not in AXES]
        if unknown or not axes:
            raise DataError(f"attention axes {axes} have no description for {unknown}; try: one of {', '.join(AXES)}")
        if not AXES[axes[-1]].steps and axes[-1] != "gate":
            raise DataError(f"attention axes {axes} end in {axes[-1]!r}, which is no step; try: steps last")
        return cls(axes)

    @property
    def gates(self) -> bool:
        """Whether these are activations of gates, not weights."""
        return self.axes[-1] == "gate"

    @property
    def looking(self) -> str | None:
        """The step axis that looks, where it is not the model as a whole."""
        before = [name for name in self.axes[:-1] if AXES[name].steps]
        return before[0] if before and not self.gates else None

    def has(self, axis: str) -> bool:
        """Whether there is such an axis before the last."""
        return axis in self.axes[:-1]

    def kept(self, values: Floats, *keep: str) -> Floats:
        """(N, axes...) -> (N, keep..., last): the mean over every other axis, in the layout's own order."""
        gone = tuple(place for place, name in enumerate(self.axes[:-1], start=1) if name not in keep)
        return np.ascontiguousarray(values.mean(axis=gone, dtype=np.float64).astype(np.float32)) if gone else values
