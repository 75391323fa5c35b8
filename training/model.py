"""What every family is: a module that takes raw features and gives named outputs and attention weights.

N batch, T steps, F features, H hidden units.
"""

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from core.outputs import Attention, Output


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


class Head(nn.Module):
    """Hidden units -> one output in its own unit: a linear layer times the deviation of the training labels."""

    scale: Tensor

    def __init__(self, hidden: int, output: Output) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden, output.width)
        self.single = output.width == 1
        self.register_buffer("scale", torch.ones(()))

    def forward(self, context_NH: Tensor) -> Tensor:
        """(N, H) -> (N,), or (N, width) where the output has several numbers."""
        y_NW: Tensor = self.linear(context_NH) * self.scale
        return y_NW.squeeze(-1) if self.single else y_NW


class Model(nn.Module, ABC):
    """One family's network. `heads` has one Head per output, by the output's name."""

    def __init__(
        self, features: int, hidden: int, outputs: tuple[Output, ...], attentions: tuple[Attention, ...]
    ) -> None:
        super().__init__()
        self.outputs = outputs
        self.attentions = attentions
        self.normalise = Normalise(features)
        self.heads = nn.ModuleDict({output.name: Head(hidden, output) for output in outputs})

    @abstractmethod
    def forward(self, x_NTF: Tensor) -> dict[str, Tensor]:
        """(N, T, F) raw float32 features -> every output and every attention by name; weights sum to 1 over time."""

    def head(self, output: Output) -> Head:
        """The head of an output."""
        head = self.heads[output.name]
        assert isinstance(head, Head)
        return head
