"""What every family is: a module that takes raw features and gives named outputs and attention weights.

N batch, T steps, F features, H hidden units.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from core.outputs import Attention, Output
from training.network import heads
from training.network.heads import Head

PLAIN: Final = "plain."
"""With an output's name: what it would say without its calibration."""


class Normalise(nn.Module):
    """Raw features -> features of mean 0 and deviation 1 over the training part; part of the model and its graph."""

    mean: Tensor
    std: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))

    def fit(self, rows_RF: npt.NDArray[np.float32]) -> None:
        """Set mean and deviation from feature rows of the training part; a constant feature keeps deviation 1."""
        std_F = rows_RF.std(axis=0, dtype=np.float64)
        self.mean.copy_(torch.from_numpy(rows_RF.mean(axis=0, dtype=np.float64)))
        self.std.copy_(torch.from_numpy(np.where(std_F > 0, std_F, 1.0)))

    def forward(self, x_NTF: Tensor) -> Tensor:
        """(N, T, F) -> (N, T, F)."""
        return (x_NTF - self.mean) / self.std


class Model(nn.Module):
    """One family's network. `heads` has one Head per output, by the output's name.

    `normalise` is that of the first input, the symbol's own; `normalise_market` that of the market, where there is one,
    `normalise_scales` those of its longer bars; each `scales` many features.
    """

    raw: Callable[..., dict[str, Tensor]]
    """What a family writes: (N, T, F) of each input -> the raw numbers of every head and every attention, by name."""

    def __init__(
        self,
        features: int,
        hidden: int,
        outputs: tuple[Output, ...],
        attentions: tuple[Attention, ...],
        *,
        market: int = 0,
        scales: tuple[int, ...] = (),
        coral: bool = False,
    ) -> None:
        super().__init__()
        self.outputs = outputs
        self.attentions = attentions
        self.normalise = Normalise(features)
        self.normalise_market = Normalise(market) if market else None
        self.normalise_scales = nn.ModuleList(map(Normalise, scales))
        self.heads = nn.ModuleDict({output.name: heads.make(hidden, output, coral=coral) for output in outputs})

    def forward(self, *x_NTF: Tensor) -> dict[str, Tensor]:
        """(N, T, F) raw float32 features of each input -> every output and every attention by name.

        Weights sum to 1 over their last axis; activations of gates, whose last axis is "gate", to nothing.
        """
        return self.said(self.raw(*x_NTF))

    def both(self, *x_NTF: Tensor) -> dict[str, Tensor]:
        """As forward, and under PLAIN and its name what each calibrated output would say without its calibration."""
        raw = self.raw(*x_NTF)
        calibrated = [one for one in self.outputs if self.head(one).calibrated]
        return self.said(raw) | {PLAIN + one.name: self.head(one).plain(raw[one.name]) for one in calibrated}

    def said(self, raw: dict[str, Tensor]) -> dict[str, Tensor]:
        """What raw numbers say, each output in its unit; attention stays as it is."""
        return raw | {output.name: self.head(output).say(raw[output.name]) for output in self.outputs}

    def answers(self, context_NH: Tensor) -> dict[str, Tensor]:
        """The raw numbers of every head for one context."""
        return {name: head(context_NH) for name, head in self.heads.items()}

    def head(self, output: Output) -> Head:
        """The head of an output."""
        head = self.heads[output.name]
        assert isinstance(head, Head)
        return head
