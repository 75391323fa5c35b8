"""The gated cross-attention transformer: a symbol's steps look at each other and, through gates, at a market's steps.

N batch, T steps of the symbol, M steps of the market, F features, H units (d_model), L layers, A heads, G gates.

It reads two inputs: the symbol's window, and beside it the market's.
"""

from typing import Literal

import msgspec
import torch
from torch import Tensor, nn

from core.bundle import Input
from core.outputs import Attention, Output
from training.network.layers import Embedding, Encoder, MultiHead, Pooling, Score
from training.network.model import Model
from training.recipe import Count, DropShare


class Options(msgspec.Struct, frozen=True):
    """`layer_drop`: how likely a layer is passed over in a training step.

    `ordinal`: how ordered classes (label "buckets") are told apart. `gates`: told one by one, or their mean; all of
    them are many numbers. `score`: of the pooling, see training.network.layers.Pooling.
    """

    d_model: Count = 128
    heads: Count = 8
    layers: Count = 4
    feed_forward: Count = 512
    market_layers: Count = 2
    dropout: DropShare = 0.1
    layer_drop: DropShare = 0.0
    ordinal: Literal["softmax", "coral"] = "softmax"
    score: Score = "linear"
    gates: Literal["mean", "all"] = "mean"


class CrossAttention(Model):
    """Shows which steps the pooling weighs, where each layer's heads look in the market, and how open the gates are.

    Looks at the market are averaged over the symbol's steps that look.
    """

    not_causal = "its steps look at later steps of the window"

    def __init__(self, options: Options, inputs: tuple[Input, ...], outputs: tuple[Output, ...]) -> None:
        (length, features), (market_length, market) = (one.row for one in inputs)
        seen = (
            Attention("attention", ("time",)),
            Attention("cross_attention", ("layer", "head", "market")),
            Attention("gate", ("layer", "time", "gate")),
        )
        hidden, coral = options.d_model, options.ordinal == "coral"
        super().__init__(features, hidden, outputs, seen, market=market, coral=coral)
        self.layer_drop, self.every_gate = options.layer_drop, options.gates == "all"
        self.symbol = Embedding(features, hidden, length, options.dropout)
        self.market = Embedding(market, hidden, market_length, options.dropout)
        sizes = (hidden, options.heads, options.feed_forward, options.dropout)
        self.market_layers = nn.ModuleList(Encoder(*sizes) for _ in range(options.market_layers))
        self.layers = nn.ModuleList(_Layer(*sizes) for _ in range(options.layers))
        self.norm = nn.LayerNorm(hidden)
        self.pool = Pooling(hidden, options.score)

    def raw(self, x_NTF: Tensor, market_NMF: Tensor) -> dict[str, Tensor]:
        """(N, T, F) and (N, M, F) -> raw outputs, attention (N, T), cross (N, L, A, M), gate (N, L, T, 1 or G)."""
        assert self.normalise_market is not None
        market_NMH = self.market(self.normalise_market(market_NMF))
        for encoder in self.market_layers:
            market_NMH, _ = encoder(market_NMH)
        x_NTH = self.symbol(self.normalise(x_NTF))
        crosses, gates = [], []
        for layer in self.layers:
            passed_NTH, cross_NAM, gate_NTG = layer(x_NTH, market_NMH)
            dropped = self.training and torch.rand(()).item() < self.layer_drop
            x_NTH = x_NTH if dropped else passed_NTH
            crosses.append(cross_NAM)
            gates.append(gate_NTG if self.every_gate else gate_NTG.mean(dim=-1, keepdim=True))
        context_NH, attention_NT = self.pool(self.norm(x_NTH))
        looks = {"attention": attention_NT, "cross_attention": torch.stack(crosses, 1), "gate": torch.stack(gates, 1)}
        return {**self.answers(context_NH), **looks}


class _Layer(nn.Module):
    """Steps look at each other, then at the market; a gate for each unit decides how much of that is let in."""

    def __init__(self, hidden: int, heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.own = Encoder(hidden, heads, feed_forward, dropout)
        self.before, self.before_market = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.cross = MultiHead(hidden, heads, dropout)
        self.gate = nn.Linear(2 * hidden, hidden)

    def forward(self, x_NTH: Tensor, market_NMH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, T, H) and (N, M, H) -> (N, T, H), weights on the market (N, A, M), gates (N, T, G)."""
        x_NTH, _ = self.own(x_NTH)
        calm_NTH = self.before(x_NTH)
        seen_NTH, weights_NATM = self.cross(calm_NTH, self.before_market(market_NMH))
        gate_NTG = torch.sigmoid(self.gate(torch.cat([calm_NTH, seen_NTH], dim=-1)))
        return x_NTH + gate_NTG * seen_NTH, weights_NATM.mean(dim=2), gate_NTG
