"""Attention by hand: exporters take it at any batch, and it gives the weights of every head.

N batch, T steps, Q queries, K keys, H hidden units, A heads.
"""

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.errors import ConfigError

Score = Literal["linear", "tanh", "bahdanau"]


def bound(score: Score, length: int) -> float:
    """The largest weight a step can have: tanh keeps two scores within 2 of each other."""
    return math.exp(2) / (math.exp(2) + length - 1) if score == "tanh" else 1.0


def begin(cell: nn.LSTM | nn.GRU, x_NTF: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """(N, T, F) -> (N, T, H) and what the cell carries on after the last step, (N, H) each."""
    states_NTH, carried = cell(x_NTF)
    names = ("hidden", "cell") if isinstance(cell, nn.LSTM) else ("hidden",)
    each = carried if isinstance(cell, nn.LSTM) else (carried,)
    return states_NTH, {name: one_1NH[0] for name, one_1NH in zip(names, each, strict=True)}


def go_on(cell: nn.LSTM | nn.GRU, x_N1F: Tensor, carried: Mapping[str, Tensor]) -> Tensor:
    """(N, 1, F) -> (N, 1, H): one step more, from what `begin` left."""
    hidden_1NH = carried["hidden"].unsqueeze(0)
    state = (hidden_1NH, carried["cell"].unsqueeze(0)) if isinstance(cell, nn.LSTM) else hidden_1NH
    states_N1H: Tensor = cell(x_N1F, state)[0]
    return states_N1H


def begin_late(cell: nn.LSTM, x_NTF: Tensor, lacking_NT: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """As `begin`, of rows the oldest of which may be lacking (zeros): the cell begins at the first that is there.

    One more feature, 1 where a row is lacking, takes the biases back: every gate then hears nothing, and what is
    carried stays the zero that it begins with.
    """
    into_GF, own_GH, bias_G, own_bias_G = (getattr(cell, name) for name in cell._all_weights[0])  # noqa: SLF001
    weights = [torch.cat([into_GF, -(bias_G + own_bias_G).unsqueeze(1)], dim=1), own_GH, bias_G, own_bias_G]
    marked_NTF = torch.cat([x_NTF, lacking_NT.to(x_NTF.dtype).unsqueeze(-1)], dim=-1)
    zero_1NH = x_NTF.new_zeros(1, x_NTF.shape[0], cell.hidden_size)
    states_NTH, hidden_1NH, cell_1NH = torch.lstm(
        marked_NTF,
        (zero_1NH, zero_1NH),
        weights,
        has_biases=True,
        num_layers=1,
        dropout=0.0,
        train=False,
        bidirectional=False,
        batch_first=True,
    )
    return states_NTH, {"hidden": hidden_1NH[0], "cell": cell_1NH[0]}


class Dropout(nn.Module):
    """As torch's own, but on a CPU it draws 16 random bits for each number, several times faster than a float."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape: in training so large a share of the numbers becomes zero, and the rest grows to match."""
        if not self.training or self.share == 0:
            return x
        if x.device.type != "cpu":
            return functional.dropout(x, self.share)
        numbers = x.numel()
        drawn = torch.empty((numbers + 3) // 4, dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
        kept = drawn[:numbers].view(x.shape) >= round(self.share * 2**16) - 2**15
        return x * (kept * (1 / (1 - self.share))).to(x.dtype)


class Pooling(nn.Module):
    """Steps -> one context, each step weighed by a learned score of itself, once or by several heads.

    `score` of a hidden state h: "linear" w.h + b, "tanh" tanh(w.h + b), "bahdanau" v.tanh(W h + b). Each of several
    heads scores and sums its own share of the hidden units.
    """

    def __init__(self, hidden: int, score: Score, heads: int = 1) -> None:
        super().__init__()
        self.heads = shared(hidden, heads)
        own = hidden // heads
        if score == "bahdanau":
            layers: list[nn.Module] = [_Scores(heads, own, own), nn.Tanh(), _Scores(heads, own, 1, bias=False)]
        else:
            layers = [_Scores(heads, own, 1), nn.Tanh()] if score == "tanh" else [_Scores(heads, own, 1)]
        self.score = nn.Sequential(*layers)

    def forward(self, states_NTH: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, H) -> (N, H) and the weights: (N, T), or (N, A, T) of several heads."""
        return self.look(states_NTH, self.scores(states_NTH))

    def scores(self, states_NTH: Tensor) -> Tensor:
        """(N, T, H) -> (N, A, T): how much each step asks to be looked at, which hangs on no other step."""
        scores_NAT: Tensor = self.score(split(states_NTH, self.heads)).squeeze(-1)
        return scores_NAT

    def look(self, states_NTH: Tensor, scores_NAT: Tensor) -> tuple[Tensor, Tensor]:
        """States and their scores -> what forward() gives."""
        own_NATO = split(states_NTH, self.heads)
        weights_NAT = torch.softmax(scores_NAT, dim=-1)
        context_NH = (weights_NAT.unsqueeze(2) @ own_NATO).flatten(1)
        return context_NH, weights_NAT.squeeze(1) if self.heads == 1 else weights_NAT


class MultiHead(nn.Module):
    """Queries look at keys, each head in its own share of the hidden units. The key's bias would change no weight.

    Where queries are few, they are carried over to the keys' side and what is seen back: the same weights from one
    product with all keys, where making keys and values of every step would be two of the whole matrices.
    """

    def __init__(self, hidden: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = shared(hidden, heads)
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden, bias=False)
        self.value = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, hidden)
        self.dropout = Dropout(dropout)

    def forward(self, query_NQH: Tensor, key_NKH: Tensor, lacking_NK: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(N, Q, H) and (N, K, H) -> (N, Q, H) and the weights (N, A, Q, K); keys that are lacking get none."""
        if query_NQH.shape[1] * self.heads < query_NQH.shape[2]:
            return self._few(query_NQH, key_NKH, lacking_NK)
        query_NAQO, key_NAKO, value_NAKO = (
            split(layer(x), self.heads)
            for layer, x in ((self.query, query_NQH), (self.key, key_NKH), (self.value, key_NKH))
        )
        weights_NAQK = _weights(query_NAQO @ key_NAKO.transpose(-1, -2) / math.sqrt(query_NAQO.shape[-1]), lacking_NK)
        seen_NAQO = self.dropout(weights_NAQK) @ value_NAKO
        return self.out(seen_NAQO.transpose(1, 2).flatten(2)), weights_NAQK

    def _few(self, query_NQH: Tensor, key_NKH: Tensor, lacking_NK: Tensor | None) -> tuple[Tensor, Tensor]:
        """Keys and values are never made: each head asks for rows in their place. B = A x Q, of rank 3 for LiteRT."""
        queries, hidden = query_NQH.shape[1:]
        query_NAQO = split(self.query(query_NQH), self.heads)
        key_AOH, value_AOH = (layer.weight.reshape(self.heads, -1, hidden) for layer in (self.key, self.value))
        asked_NBH = torch.cat([query_NAQO[:, head] @ weight_OH for head, weight_OH in enumerate(key_AOH)], dim=1)
        score_NBK = asked_NBH / math.sqrt(hidden // self.heads) @ key_NKH.transpose(-1, -2)
        weights_NBK = _weights(score_NBK, lacking_NK)
        kept_NBK = self.dropout(weights_NBK)
        found_NBH, share_NB1 = kept_NBK @ key_NKH, kept_NBK.sum(dim=-1, keepdim=True)
        told_NQO = zip(
            *(x.split(queries, dim=1) for x in (found_NBH, share_NB1)),
            value_AOH,
            self.value.bias.reshape(self.heads, -1),
            strict=True,
        )
        seen_NQH = torch.cat([found @ weight.T + share * bias for found, share, weight, bias in told_NQO], dim=-1)
        return self.out(seen_NQH), weights_NBK.reshape(-1, self.heads, queries, weights_NBK.shape[-1])


def _weights(score: Tensor, lacking_NK: Tensor | None) -> Tensor:
    """(N, ..., K) -> (N, ..., K), of which each last axis adds up to one; keys that are lacking get none."""
    if lacking_NK is not None:
        between = (None,) * (score.ndim - 2)
        score = score.masked_fill(lacking_NK[:, *between], -math.inf)
    return torch.softmax(score, dim=-1)


class Encoder(nn.Module):
    """One layer of a transformer, normalised before each part: steps look at steps, then each is thought over."""

    def __init__(self, hidden: int, heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.before_look, self.before_think = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.look = MultiHead(hidden, heads, dropout)
        self.think = nn.Sequential(nn.Linear(hidden, feed_forward), nn.GELU(), nn.Linear(feed_forward, hidden))
        self.dropout = Dropout(dropout)

    def forward(self, x_NTH: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, H) -> (N, T, H) and the weights (N, A, T, T)."""
        calm_NTH = self.before_look(x_NTH)
        seen_NTH, weights_NATT = self.look(calm_NTH, calm_NTH)
        x_NTH = x_NTH + self.dropout(seen_NTH)
        return x_NTH + self.dropout(self.think(self.before_think(x_NTH))), weights_NATT


class Embedding(nn.Module):
    """Features -> hidden units, with the place of each step in the window added as sines and cosines."""

    place_TH: Tensor

    def __init__(self, features: int, hidden: int, length: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(features, hidden)
        self.dropout = Dropout(dropout)
        step_T1 = torch.arange(length).unsqueeze(1)
        unit_H = torch.arange(hidden)
        angle_TH = step_T1 / 10_000 ** (2 * (unit_H // 2) / hidden)
        self.register_buffer("place_TH", torch.where(unit_H % 2 == 0, angle_TH.sin(), angle_TH.cos()), persistent=False)

    def forward(self, x_NTF: Tensor) -> Tensor:
        """(N, T, F) -> (N, T, H)."""
        x_NTH: Tensor = self.dropout(self.linear(x_NTF) + self.place_TH)
        return x_NTH


def shared(hidden: int, heads: int) -> int:
    """The heads, if they share the hidden units evenly.

    Raises: ConfigError: they do not.
    """
    if hidden % heads:
        raise ConfigError(f"{hidden} hidden units are not shared evenly by {heads} heads; try: heads = 4")
    return heads


def split(x_NTH: Tensor, heads: int) -> Tensor:
    """(N, T, H) -> (N, A, T, H / A): each head's own hidden units."""
    return x_NTH.reshape(*x_NTH.shape[:2], heads, -1).transpose(1, 2)


class _Scores(nn.Module):
    """A linear layer for each head: (N, A, T, I) -> (N, A, T, O)."""

    def __init__(self, heads: int, inside: int, out: int, *, bias: bool = True) -> None:
        super().__init__()
        reach = 1 / math.sqrt(inside)
        self.weight = nn.Parameter(torch.empty(heads, inside, out).uniform_(-reach, reach))
        self.bias = nn.Parameter(torch.empty(heads, 1, out).uniform_(-reach, reach)) if bias else None

    def forward(self, x_NATI: Tensor) -> Tensor:
        # One head is one product of two matrices, which is faster than as many small ones as there are rows.
        single = len(self.weight) == 1
        y_NATO = (x_NATI.squeeze(1) @ self.weight[0]).unsqueeze(1) if single else x_NATI @ self.weight
        return y_NATO if self.bias is None else y_NATO + self.bias
