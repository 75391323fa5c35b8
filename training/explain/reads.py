"""What a model reads: the symbol's window, and beside it the market's where there is one.

N windows, T steps, F features.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from core.bundle import Input
from training.data.dataset import Panel
from training.data.windows import Windows
from training.network.model import Model

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Reads = tuple[Floats, ...]
"""(N, T, F) of each input, in the order of the graph; NaN where an expanding window lacks rows."""
Say = Callable[[Reads], dict[str, Floats]]
"""Every output and every attention, by name."""

CELLS_TOGETHER: Final = 1 << 20
"""A model that looks from every step at every step holds T x T numbers a window, of each head: so many at once."""
MOST_TOGETHER: Final = 1_024


def together(inputs: tuple[Input, ...]) -> int:
    """How many windows a model is given at once."""
    return max(8, min(MOST_TOGETHER, CELLS_TOGETHER // max(one.window.length for one in inputs) ** 2))


class Reader:
    """Cuts windows out of a panel: called with the rows of their last bars, it gives what the model reads."""

    def __init__(self, panel: Panel) -> None:
        self._windows = Windows(panel, torch.device("cpu"))

    def __call__(self, ends_N: Rows) -> Reads:
        """(N,) -> (N, T, F) of each input."""
        return tuple(one.numpy() for one in self._windows.inputs(torch.from_numpy(ends_N)))


def speaker(model: nn.Module, inputs: tuple[Input, ...]) -> Say:
    """A model of PyTorch as a function, a few windows at a time where they are long.

    Calibrated outputs are also told as they would be without that, as `training.network.model` names them.
    """
    batch = together(inputs)
    speak = model.both if isinstance(model, Model) else model

    def say(x: Reads) -> dict[str, Floats]:
        with torch.inference_mode():
            batches = (torch.split(torch.from_numpy(one), batch) for one in x)
            parts = [speak(*part) for part in zip(*batches, strict=True)]
        return {name: torch.cat([part[name] for part in parts]).numpy() for name in parts[0]}

    return say
