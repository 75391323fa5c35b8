"""The hourly LSTM: one LSTM layer, attention over its hidden states, one linear head per output.

N batch, T steps, F features, H hidden units.
"""

import math
from typing import Literal

import msgspec
import torch
from torch import Tensor, nn

from core.outputs import Attention, Output
from training.model import Model
from training.recipe import Count


class Options(msgspec.Struct, frozen=True):
    """`score` of a hidden state h: "linear" w.h + b, "tanh" tanh(w.h + b), "bahdanau" v.tanh(W h + b)."""

    hidden: Count = 128
    score: Literal["linear", "tanh", "bahdanau"] = "linear"
    dropout: float = 0.0


class HourlyLstm(Model):
    """Causal: the hidden state of a step knows that step and those before it, never those after."""

    def __init__(self, options: Options, features: int, length: int, outputs: tuple[Output, ...]) -> None:
        # tanh keeps two scores within 2 of each other, so no softmax weight can pass e^2 / (e^2 + T - 1).
        bound = math.exp(2) / (math.exp(2) + length - 1) if options.score == "tanh" else 1.0
        super().__init__(features, options.hidden, outputs, (Attention("attention", ("time",), bound),))
        self.lstm = nn.LSTM(features, options.hidden, batch_first=True)
        self.score = _score(options)
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, x_NTF: Tensor) -> dict[str, Tensor]:
        """(N, T, F) -> {"return_1": (N,), ..., "attention": (N, T)}."""
        states_NTH, _ = self.lstm(self.normalise(x_NTF))
        attention_NT = torch.softmax(self.score(states_NTH).squeeze(-1), dim=-1)
        context_NH = self.dropout((attention_NT.unsqueeze(-1) * states_NTH).sum(dim=1))
        said = {name: head(context_NH) for name, head in self.heads.items()}
        return {**said, "attention": attention_NT}


def _score(options: Options) -> nn.Module:
    """(N, T, H) -> (N, T, 1)."""
    hidden = options.hidden
    if options.score == "linear":
        return nn.Linear(hidden, 1)
    if options.score == "tanh":
        return nn.Sequential(nn.Linear(hidden, 1), nn.Tanh())
    return nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False))
