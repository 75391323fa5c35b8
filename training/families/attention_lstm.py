"""The attention LSTM: two layers of LSTM, attention over the second's states, two dense layers, one head per output.

N batch, T steps, F features, H hidden units, D units of the last dense layer, A heads.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec
import torch
from torch import Tensor, nn

from core.bundle import Input
from core.outputs import Attention, Output
from training.network.layers import Dropout, Pooling, Score, begin, bound, go_on
from training.network.model import Model
from training.recipe import Count, DropShare


class Options(msgspec.Struct, frozen=True):
    """`hidden` and `dense`: the sizes of the two recurrent and the two dense layers. `cell`: what the first two are.

    `score` of a state h: "tanh" tanh(w.h + b), which keeps every weight below e^2 / (e^2 + T - 1); "linear" and
    "bahdanau", v.tanh(W h + b), can look at one step alone. Several `heads` share the second layer's units evenly.
    """

    hidden: tuple[Count, Count] = (64, 32)
    dense: tuple[Count, Count] = (32, 16)
    cell: Literal["lstm", "gru"] = "lstm"
    score: Score = "tanh"
    heads: Count = 1
    dropout: DropShare = 0.3


class AttentionLstm(Model):
    """Causal up to the attention: the state of a step knows that step and those before it."""

    def __init__(self, options: Options, inputs: tuple[Input, ...], outputs: tuple[Output, ...]) -> None:
        (first, second), (wide, narrow) = options.hidden, options.dense
        length, features = inputs[0].row
        axes = ("time",) if options.heads == 1 else ("head", "time")
        super().__init__(features, narrow, outputs, (Attention("attention", axes, bound(options.score, length)),))
        cell = nn.LSTM if options.cell == "lstm" else nn.GRU
        self.first = cell(features, first, batch_first=True)
        self.second = cell(first, second, batch_first=True)
        self.attend = Pooling(second, options.score, options.heads)
        self.dropout = Dropout(options.dropout)
        self.wide = nn.Linear(second, wide)
        self.narrow = nn.Linear(wide, narrow)

    def raw(self, x_NTF: Tensor) -> dict[str, Tensor]:
        """(N, T, F) -> {"probability_5": (N, 1), ..., "attention": (N, T) or (N, A, T)}."""
        first_NTH, _ = self.first(self.normalise(x_NTF))
        second_NTH, _ = self.second(self.dropout(first_NTH))
        dropped_NTH = self.dropout(second_NTH)
        return self._look(dropped_NTH, self.attend.scores(dropped_NTH))

    def prefix(self, x_NTF: Tensor) -> dict[str, Tensor]:
        """All rows but the newest -> the second layer's states and their scores, and what both layers leave."""
        first_NTH, first = begin(self.first, self.normalise(x_NTF))
        second_NTH, second = begin(self.second, first_NTH)
        carried = {f"first_{name}": one for name, one in first.items()}
        carried["scores"] = self.attend.scores(second_NTH)
        return {"states": second_NTH, **carried, **{f"second_{name}": one for name, one in second.items()}}

    def step(self, states: Mapping[str, Tensor], x_N1F: Tensor) -> dict[str, Tensor]:
        """The newest row -> what forward() says of all rows."""
        first, second = (
            {name.removeprefix(layer): one for name, one in states.items() if name.startswith(layer)}
            for layer in ("first_", "second_")
        )
        newest_N1H = go_on(self.second, go_on(self.first, self.normalise(x_N1F), first), second)
        scores_NAT = torch.cat([states["scores"], self.attend.scores(newest_N1H)], dim=-1)
        return self.said(self._look(torch.cat([states["states"], newest_N1H], dim=1), scores_NAT))

    def _look(self, states_NTH: Tensor, scores_NAT: Tensor) -> dict[str, Tensor]:
        context_NH, attention = self.attend.look(states_NTH, scores_NAT)
        wide_ND = self.dropout(self.wide(context_NH).relu())
        return {**self.answers(self.narrow(wide_ND).relu()), "attention": attention}
