"""The temporal convolutional network: causal convolutions that reach twice as far back in every block, then attention.

N batch, T steps, F features, C channels.
"""

import msgspec
from torch import Tensor, nn
from torch.nn import functional

from core.bundle import Input
from core.outputs import Attention, Output
from training.network.layers import Dropout, Pooling, Score, bound
from training.network.model import Model
from training.recipe import Count, DropShare


class Options(msgspec.Struct, frozen=True):
    """A step sees 1 + 2 (kernel - 1) (2**blocks - 1) steps: 125 as it stands."""

    channels: Count = 64
    kernel: Count = 3
    blocks: Count = 5
    dropout: DropShare = 0.2
    score: Score = "linear"


class Tcn(Model):
    """Causal: the channels of a step know that step and those before it."""

    not_causal = "its convolutions keep no state between bars"

    def __init__(self, options: Options, inputs: tuple[Input, ...], outputs: tuple[Output, ...]) -> None:
        length, features = inputs[0].row
        seen = Attention("attention", ("time",), bound(options.score, length))
        super().__init__(features, options.channels, outputs, (seen,))
        self.widen = nn.Linear(features, options.channels)
        self.blocks = nn.ModuleList(_Block(options, 2**number) for number in range(options.blocks))
        self.pool = Pooling(options.channels, options.score)

    def raw(self, x_NTF: Tensor) -> dict[str, Tensor]:
        """(N, T, F) -> {"return_1": (N, 1), ..., "attention": (N, T)}."""
        x_NCT = self.widen(self.normalise(x_NTF)).transpose(1, 2)
        for block in self.blocks:
            x_NCT = block(x_NCT)
        context_NC, attention_NT = self.pool(x_NCT.transpose(1, 2))
        return {**self.answers(context_NC), "attention": attention_NT}


class _Block(nn.Module):
    """Two dilated convolutions, added to what came in."""

    def __init__(self, options: Options, dilation: int) -> None:
        super().__init__()
        self.reach = (options.kernel - 1) * dilation
        self.first, self.second = (
            nn.Conv1d(options.channels, options.channels, options.kernel, dilation=dilation) for _ in range(2)
        )
        self.dropout = Dropout(options.dropout)

    def forward(self, x_NCT: Tensor) -> Tensor:
        y_NCT = self.dropout(functional.gelu(self.first(functional.pad(x_NCT, (self.reach, 0)))))
        y_NCT = self.dropout(functional.gelu(self.second(functional.pad(y_NCT, (self.reach, 0)))))
        passed_NCT: Tensor = x_NCT + y_NCT
        return passed_NCT
