"""The dual tower: one tower reads the newest row, the other the rows around it in no order; they meet at the end.

N batch, T steps, F features, E units of an embedding.
"""

import msgspec
import torch
from torch import Tensor, nn

from core.bundle import Input
from core.outputs import Attention, Output
from training.network.layers import Dropout, Pooling, Score, bound
from training.network.model import Model
from training.recipe import Count, DropShare


class Options(msgspec.Struct, frozen=True):
    """`hidden`: of each tower's inner layer. `embedding`: what a tower says in the end."""

    hidden: Count = 128
    embedding: Count = 64
    dropout: DropShare = 0.2
    score: Score = "linear"


class DualTower(Model):
    """It knows no order of time: what it gains beside a model that does is what order is worth."""

    not_causal = "its context tower keeps no state between bars"

    def __init__(self, options: Options, inputs: tuple[Input, ...], outputs: tuple[Output, ...]) -> None:
        length, features = inputs[0].row
        seen = Attention("attention", ("time",), bound(options.score, length))
        super().__init__(features, options.embedding, outputs, (seen,))
        self.stock, self.context = _tower(features, options), _tower(features, options)
        self.pool = Pooling(options.embedding, options.score)
        self.meet = nn.Linear(3 * options.embedding, options.embedding)

    def raw(self, x_NTF: Tensor) -> dict[str, Tensor]:
        """(N, T, F) -> {"return_1": (N, 1), ..., "attention": (N, T)}."""
        x_NTF = self.normalise(x_NTF)
        stock_NE = self.stock(x_NTF[:, -1])
        context_NE, attention_NT = self.pool(self.context(x_NTF))
        met_NE = self.meet(torch.cat([stock_NE, context_NE, stock_NE * context_NE], dim=-1))
        return {**self.answers(nn.functional.gelu(met_NE)), "attention": attention_NT}


def _tower(features: int, options: Options) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(features, options.hidden),
        nn.GELU(),
        Dropout(options.dropout),
        nn.Linear(options.hidden, options.embedding),
    )
