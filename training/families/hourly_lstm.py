"""The hourly LSTM: one LSTM layer, attention over its hidden states, one linear head per output.

N batch, T steps, F features, H hidden units.
"""

from collections.abc import Mapping

import msgspec
import torch
from torch import Tensor, nn

from core.bundle import Input
from core.outputs import Attention, Output
from training.layers import Pooling, Score, begin, bound, go_on
from training.model import Model
from training.recipe import Count, Dropout


class Options(msgspec.Struct, frozen=True):
    """`score`: how a hidden state becomes one number, see training.layers.Pooling."""

    hidden: Count = 128
    score: Score = "linear"
    dropout: Dropout = 0.0


class HourlyLstm(Model):
    """Causal: the hidden state of a step knows that step and those before it, never those after."""

    def __init__(self, options: Options, inputs: tuple[Input, ...], outputs: tuple[Output, ...]) -> None:
        length, features = inputs[0].row
        seen = Attention("attention", ("time",), bound(options.score, length))
        super().__init__(features, options.hidden, outputs, (seen,))
        self.lstm = nn.LSTM(features, options.hidden, batch_first=True)
        self.attend = Pooling(options.hidden, options.score)
        self.dropout = nn.Dropout(options.dropout)

    def raw(self, x_NTF: Tensor) -> dict[str, Tensor]:
        """(N, T, F) -> {"return_1": (N, 1), ..., "attention": (N, T)}."""
        states_NTH, _ = self.lstm(self.normalise(x_NTF))
        return self._look(states_NTH)

    def prefix(self, x_NTF: Tensor) -> dict[str, Tensor]:
        """All rows but the newest -> every hidden state, and what the last leaves."""
        states_NTH, carried = begin(self.lstm, self.normalise(x_NTF))
        return {"states": states_NTH, **carried}

    def step(self, states: Mapping[str, Tensor], x_N1F: Tensor) -> dict[str, Tensor]:
        """The newest row -> what forward() says of all rows."""
        newest_N1H = go_on(self.lstm, self.normalise(x_N1F), states)
        return self.said(self._look(torch.cat([states["states"], newest_N1H], dim=1)))

    def _look(self, states_NTH: Tensor) -> dict[str, Tensor]:
        context_NH, attention_NT = self.attend(states_NTH)
        return {**self.answers(self.dropout(context_NH)), "attention": attention_NT}
