"""The transformer: every step looks at every step, layer by layer, then attention pools the steps.

N batch, T steps, F features, H units (d_model), L layers, A heads.
"""

from typing import Literal

import msgspec
import torch
from torch import Tensor, nn

from core.bundle import Input
from core.outputs import Attention, Output
from training.network.layers import Embedding, Encoder, Pooling, Score
from training.network.model import Model
from training.recipe import Count, DropShare


class Options(msgspec.Struct, frozen=True):
    """As it stands about 4.2 million parameters.

    `matrices`: self-attention is told as the mean over the steps that look ("mean"), or whole ("all"), T times as much.
    """

    d_model: Count = 256
    heads: Count = 8
    layers: Count = 8
    feed_forward: Count = 512
    dropout: DropShare = 0.1
    score: Score = "linear"
    matrices: Literal["mean", "all"] = "mean"


class Transformer(Model):
    """Shows what the pooling weighs, and where each head of each layer looks."""

    not_causal = "its steps look at later steps of the window"

    def __init__(self, options: Options, inputs: tuple[Input, ...], outputs: tuple[Output, ...]) -> None:
        length, features = inputs[0].row
        looking = () if options.matrices == "mean" else ("time",)
        own = Attention("self_attention", ("layer", "head", *looking, "time"))
        super().__init__(features, options.d_model, outputs, (Attention("attention", ("time",)), own))
        self.whole = options.matrices == "all"
        self.embed = Embedding(features, options.d_model, length, options.dropout)
        self.layers = nn.ModuleList(
            Encoder(options.d_model, options.heads, options.feed_forward, options.dropout)
            for _ in range(options.layers)
        )
        self.norm = nn.LayerNorm(options.d_model)
        self.pool = Pooling(options.d_model, options.score)

    def raw(self, x_NTF: Tensor) -> dict[str, Tensor]:
        """(N, T, F) -> raw outputs, attention (N, T), self_attention (N, L, A, T) or (N, L, A, T, T)."""
        x_NTH, seen = self.embed(self.normalise(x_NTF)), []
        for layer in self.layers:
            x_NTH, weights_NATT = layer(x_NTH)
            seen.append(weights_NATT if self.whole else weights_NATT.mean(dim=2))
        context_NH, attention_NT = self.pool(self.norm(x_NTH))
        return {**self.answers(context_NH), "attention": attention_NT, "self_attention": torch.stack(seen, dim=1)}
