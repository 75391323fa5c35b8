"""Where a prediction looked, made ready to be shown: a few cells over the window, oldest first."""

from typing import Final

import numpy as np
import numpy.typing as npt

from core import attention
from core.prediction import Gaze, Prediction

CELLS: Final = 24
_LEVELS: Final = "▁▂▃▄▅▆▇█"
_EVEN: Final = 3
"""The index of ▄, the level of a cell that is looked at as much as when looking evenly."""


def weights(gaze: Gaze) -> npt.NDArray[np.float32]:
    """(1, T). The profile over time: the mean over heads and layers where there are several."""
    return attention.profile(np.frombuffer(gaze.weights, "<f4").reshape(1, *gaze.shape))


def lifts(gaze: Gaze, cells: int = CELLS) -> list[float]:
    """For each cell the weight in it over the weight of looking evenly; a short window has a cell for each step."""
    weights_1T = weights(gaze)
    steps = weights_1T.shape[-1]
    edges = attention.bucket_edges(steps, min(cells, steps))
    even = np.diff(edges) / steps
    return [float(lift) for lift in attention.shares(weights_1T, edges)[0] / even]


def blocks(gaze: Gaze) -> str:
    """The cells as characters: ▄ is even, each level up or down is a factor of 1.41, so bars of any row compare."""
    levels = _EVEN + 2 * np.log2(np.maximum(lifts(gaze), 1e-9))
    return "".join(_LEVELS[round(level)] for level in np.clip(levels, 0, len(_LEVELS) - 1))


def strength(prediction: Prediction) -> float:
    """How far the first output is from saying nothing: probabilities from a half, everything else from zero."""
    name, value = next(iter(prediction.outputs.items()))
    first = value[len(value) // 2] if isinstance(value, tuple) else value
    return abs(first - 0.5) if name.startswith(("direction_", "probability_")) else abs(first)


def spoken(name: str, value: float | tuple[float, ...]) -> str:
    """An output for people: returns in basis points with their sign, probabilities in percent."""
    if isinstance(value, tuple):
        return " ".join(spoken(name, one) for one in value)
    kind = name.rpartition("_")[0]
    if kind in ("return", "quantiles"):
        return f"{value * 1e4:+.1f} bp"
    if kind == "deviation":
        return f"{value * 1e4:.1f} bp"
    if kind in ("probability", "direction", "ordinal"):
        return f"{value:.1%}"
    return f"{value:+.2f}"
