"""Heads: one for each output. Which raw numbers it makes of a context, and what they say in the output's own unit.

Losses look at raw numbers, where they are well behaved; graphs give what `say` makes of them. N batch, H hidden units,
R raw numbers, W numbers of the output.
"""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.outputs import Kind, Output

LEAST_DEVIATION: Final = 1e-3
"""Of the labels' deviation: below it a Gaussian's likelihood would grow without end."""

DIRECTIONS: Final = 2
"""Logits of a direction: down, up."""


def _quantiles(raw_NR: Tensor) -> Tensor:
    """Each level lies above the one before by a positive step, so that quantiles never cross."""
    steps_NR = torch.cat([raw_NR[:, :1], functional.softplus(raw_NR[:, 1:])], dim=-1)
    return steps_NR.cumsum(dim=-1)


SAID: Final[dict[Kind, Callable[[Tensor], Tensor]]] = {
    Kind.RETURN: lambda raw_NR: raw_NR,
    Kind.PROBABILITY: torch.sigmoid,
    Kind.DIRECTION: lambda raw_NR: torch.softmax(raw_NR, dim=-1)[:, 1:],
    Kind.TREND: torch.tanh,
    Kind.QUANTILES: _quantiles,
    Kind.ORDINAL: lambda raw_NR: torch.softmax(raw_NR, dim=-1),
    Kind.DEVIATION: lambda raw_NR: functional.softplus(raw_NR) + LEAST_DEVIATION,
}
"""What raw numbers mean, before the scale."""


class Head(nn.Module):
    """A linear layer and what its numbers mean. `scale`: the deviation of the training labels, for returns.

    `before` and `after` what is said of raw numbers is where training.fitting.calibration puts its maps.
    """

    scale: Tensor

    def __init__(self, hidden: int, output: Output) -> None:
        super().__init__()
        self.kind, self.single = output.kind, output.width == 1
        self.linear = nn.Linear(hidden, DIRECTIONS if output.kind is Kind.DIRECTION else output.width)
        self.before: nn.Module = nn.Identity()
        self.after: nn.Module = nn.Identity()
        self.register_buffer("scale", torch.ones(()))

    def forward(self, context_NH: Tensor) -> Tensor:
        """(N, H) -> (N, R)."""
        raw_NR: Tensor = self.linear(context_NH)
        return raw_NR

    def say(self, raw_NR: Tensor) -> Tensor:
        """(N, R) -> (N,), or (N, W) where the output has several numbers."""
        said_NW: Tensor = self.after(self._said(self.before(raw_NR)))
        return said_NW.squeeze(-1) if self.single else said_NW

    def plain(self, raw_NR: Tensor) -> Tensor:
        """As `say`, without calibration."""
        said_NW = self._said(raw_NR)
        return said_NW.squeeze(-1) if self.single else said_NW

    @property
    def calibrated(self) -> bool:
        """Whether what is said goes through a map."""
        return not (isinstance(self.before, nn.Identity) and isinstance(self.after, nn.Identity))

    def _said(self, raw_NR: Tensor) -> Tensor:
        return SAID[self.kind](raw_NR) * self.scale


class CoralHead(Head):
    """Ordered classes by one score and a threshold between each two (CORAL: Cao, Mirjalili, Raschka 2020).

    Raw numbers are the logits of "above class k". Thresholds grow by positive steps, so that no class can have a
    probability below zero.
    """

    def __init__(self, hidden: int, output: Output) -> None:
        super().__init__(hidden, output)
        self.linear = nn.Linear(hidden, 1, bias=False)
        thresholds = output.width - 1
        self.first = nn.Parameter(torch.tensor(0.5 * (thresholds - 1)))
        self.steps = nn.Parameter(torch.full((thresholds - 1,), 0.5))

    def forward(self, context_NH: Tensor) -> Tensor:
        """(N, H) -> (N, classes - 1), falling from left to right."""
        falls = torch.cat([self.first[None], self.first - functional.softplus(self.steps).cumsum(0)])
        logits_NK: Tensor = self.linear(context_NH) + falls
        return logits_NK

    def _said(self, raw_NR: Tensor) -> Tensor:
        above_NR = torch.sigmoid(raw_NR)
        return torch.cat([1 - above_NR[:, :1], above_NR[:, :-1] - above_NR[:, 1:], above_NR[:, -1:]], dim=-1)


def make(hidden: int, output: Output, *, coral: bool = False) -> Head:
    """The head of an output; `coral` chooses how ordered classes are told apart."""
    return CoralHead(hidden, output) if coral and output.kind is Kind.ORDINAL else Head(hidden, output)
