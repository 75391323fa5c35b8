"""The hourly LSTM: one LSTM layer, attention over its states at one scale or several, one linear head per output.

N batch, T steps, F features, H hidden units.
"""

from collections.abc import Mapping, Sequence

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional

from core.bundle import Input
from core.errors import ConfigError
from core.outputs import Attention, Output
from training.network.layers import Dropout, Pooling, Score, begin, bound, go_on
from training.network.model import Model
from training.recipe import Count, DropShare


class Options(msgspec.Struct, frozen=True):
    """`score`: how a hidden state becomes one number, see training.network.layers.Pooling.

    `heads` share the hidden units evenly. `scales`: how many of the newest steps each of several attentions may look
    at, [6, 24, 48] say; each is a head, or so many heads.
    """

    hidden: Count = 128
    score: Score = "linear"
    heads: Count = 1
    scales: tuple[Count, ...] = ()
    dropout: DropShare = 0.0


class HourlyLstm(Model):
    """Causal: the hidden state of a step knows that step and those before it, never those after."""

    def __init__(self, options: Options, inputs: tuple[Input, ...], outputs: tuple[Output, ...]) -> None:
        length, features = inputs[0].row
        scales = options.scales or (length,)
        if max(scales) > length:
            raise ConfigError(f"scales of {list(scales)} steps, the window has {length}; try: --set window.length=48")
        several = bool(options.scales) or options.heads > 1
        axes = ("head", "time") if several else ("time",)
        seen = Attention("attention", axes, bound(options.score, min(scales)))
        super().__init__(features, options.hidden * len(scales), outputs, (seen,))
        self.scales, self.heads_each, self.several = scales, options.heads, several
        self.lstm = nn.LSTM(features, options.hidden, batch_first=True)
        self.attend = nn.ModuleList(Pooling(options.hidden, options.score, options.heads) for _ in scales)
        self.dropout = Dropout(options.dropout)

    def raw(self, x_NTF: Tensor) -> dict[str, Tensor]:
        """(N, T, F) -> {"return_1": (N, 1), ..., "attention": (N, T), or (N, heads, T) of scales}."""
        states_NTH, _ = self.lstm(self.normalise(x_NTF))
        return self._look(states_NTH, self._scores(states_NTH, self.scales))

    def prefix(self, x_NTF: Tensor) -> dict[str, Tensor]:
        """All rows but the newest -> every hidden state and its scores, and what the last leaves."""
        states_NTH, carried = begin(self.lstm, self.normalise(x_NTF))
        scores = self._scores(states_NTH, [scale - 1 for scale in self.scales])
        return {"states": states_NTH, **carried, **{f"scores_{number}": one for number, one in enumerate(scores)}}

    def step(self, states: Mapping[str, Tensor], x_N1F: Tensor) -> dict[str, Tensor]:
        """The newest row -> what forward() says of all rows."""
        newest_N1H = go_on(self.lstm, self.normalise(x_N1F), states)
        newest = self._scores(newest_N1H, [1] * len(self.scales))
        scores = [torch.cat([states[f"scores_{number}"], one], dim=-1) for number, one in enumerate(newest)]
        return self.said(self._look(torch.cat([states["states"], newest_N1H], dim=1), scores))

    def _scores(self, states_NTH: Tensor, steps: Sequence[int]) -> list[Tensor]:
        """Of each attention, how much so many of the newest steps ask to be looked at."""
        first = [states_NTH.shape[1] - count for count in steps]
        return [pool.scores(states_NTH[:, at:]) for pool, at in zip(self._pools(), first, strict=True)]

    def _pools(self) -> list[Pooling]:
        return [pool for pool in self.attend if isinstance(pool, Pooling)]

    def _look(self, states_NTH: Tensor, scores: Sequence[Tensor]) -> dict[str, Tensor]:
        contexts, looks = [], []
        for pool, scale, scores_NAS in zip(self._pools(), self.scales, scores, strict=True):
            context_NH, weights_NAS = pool.look(states_NTH[:, -scale:], scores_NAS)
            contexts.append(context_NH)
            looks.append(functional.pad(weights_NAS, (states_NTH.shape[1] - scale, 0)))
        answers = self.answers(self.dropout(torch.cat(contexts, dim=-1)))
        if not self.several:
            return {**answers, "attention": looks[0]}
        heads = looks if self.heads_each > 1 else [weights_NT.unsqueeze(1) for weights_NT in looks]
        return {**answers, "attention": torch.cat(heads, dim=1)}
