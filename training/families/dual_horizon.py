"""The dual-horizon model: a bidirectional LSTM, attention that asks with its final state, one tower for each horizon.

N batch, T steps, F features, H hidden units, A heads.
"""

from itertools import pairwise
from typing import Literal

import msgspec
import torch
from torch import Tensor, nn

from core.bundle import Input
from core.outputs import Attention, Output
from training.network.layers import Dropout, MultiHead
from training.network.model import Model
from training.recipe import Count, DropShare


class Options(msgspec.Struct, frozen=True):
    """`head_hidden`: the layers of each horizon's tower. `weights`: told for each head, or their mean.

    A bidirectional LSTM gives twice `hidden` numbers a step; `project`: one linear layer brings them back to `hidden`.
    """

    hidden: Count = 128
    layers: Count = 2
    heads: Count = 4
    bidirectional: bool = True
    project: bool = True
    head_hidden: tuple[Count, ...] = (64, 32)
    weights: Literal["heads", "mean"] = "heads"
    dropout: DropShare = 0.2


class DualHorizon(Model):
    """Outputs of one horizon share a tower: with labels "trend" and "direction" each says both."""

    not_causal = "its attention asks with the final state, which only the whole window gives"

    def __init__(self, options: Options, inputs: tuple[Input, ...], outputs: tuple[Output, ...]) -> None:
        axes = ("time",) if options.weights == "mean" else ("head", "time")
        wide = options.hidden * (2 if options.bidirectional else 1)
        hidden = options.hidden if options.project else wide
        narrow = (hidden, *options.head_hidden)[-1]
        _, features = inputs[0].row
        super().__init__(features, narrow, outputs, (Attention("attention", axes),))
        self.averaged = options.weights == "mean"
        self.lstm = nn.LSTM(
            features,
            options.hidden,
            options.layers,
            batch_first=True,
            dropout=options.dropout if options.layers > 1 else 0.0,
            bidirectional=options.bidirectional,
        )
        self.project = nn.Linear(wide, hidden) if wide > hidden else nn.Identity()
        self.attend = MultiHead(hidden, options.heads, options.dropout)
        self.towers = nn.ModuleDict({str(output.horizon): _tower(hidden, options) for output in outputs})

    def raw(self, x_NTF: Tensor) -> dict[str, Tensor]:
        """(N, T, F) -> {"trend_1": (N, 1), "direction_1": (N, 2), ..., "attention": (N, A, T) or (N, T)}."""
        states_NTW, (final_LNH, _) = self.lstm(self.normalise(x_NTF))
        ends = 2 if self.lstm.bidirectional else 1
        final_NW = torch.cat([final_LNH[place - ends] for place in range(ends)], dim=-1)
        context_N1H, weights_NA1T = self.attend(self.project(final_NW).unsqueeze(1), self.project(states_NTW))
        towers = {horizon: tower(context_N1H[:, 0]) for horizon, tower in self.towers.items()}
        answers = {output.name: self.head(output)(towers[str(output.horizon)]) for output in self.outputs}
        weights_NAT = weights_NA1T[:, :, 0]
        return {**answers, "attention": weights_NAT.mean(dim=1) if self.averaged else weights_NAT}


def _tower(hidden: int, options: Options) -> nn.Sequential:
    sizes = (hidden, *options.head_hidden)
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(sizes):
        layers += [nn.Linear(wide, narrow), nn.ReLU(), Dropout(options.dropout)]
    return nn.Sequential(*layers)
