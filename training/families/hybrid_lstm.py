"""The hybrid LSTM: one LSTM for each of several fixed windows, one for an expanding window, fused by attention.

The fixed windows are the newest rows of the expanding one, so a single input feeds all; or, where the recipe names
`data.scales`, windows of longer bars joined of the same, an input each. Rows that are lacking are NaN,
oldest first; an LSTM must not run over them, so windows are shifted to their first row, read, and told from there.

N batch, T steps, F features, H hidden units, S fixed windows, A heads.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional

from core.bundle import Input
from core.errors import ConfigError
from core.outputs import Attention, Output
from training.network.layers import Dropout, MultiHead, begin_late, go_on
from training.network.model import Model
from training.recipe import Count, DropShare


class Options(msgspec.Struct, frozen=True):
    """`windows`: the lengths of the fixed ones, in bars.

    `queries`: whether every step of the expanding window asks where to look, or its last alone, at a third of the cost.
    """

    windows: tuple[Count, ...] = (15, 60, 240)
    hidden: Count = 128
    heads: Count = 8
    queries: Literal["all", "last"] = "all"
    dropout: DropShare = 0.3


class HybridLstm(Model):
    """Shows where the expanding window looks at itself, averaged over the steps that ask, and where the fixed look."""

    @property
    def not_causal(self) -> str:
        """Why it has no streaming graphs."""
        if self.ask_all:
            return "every step of its window asks where to look, and looks at the newest too (queries = 'all')"
        return "its longer bars do not move on with every bar"

    def __init__(self, options: Options, inputs: tuple[Input, ...], outputs: tuple[Output, ...]) -> None:
        (length, features), scales = inputs[0].row, inputs[1:]
        if not scales and (not options.windows or max(options.windows) > length):
            raise ConfigError(
                f"fixed windows of {list(options.windows)} bars are read from one of {length}; "
                f"try: --set window.length={max(options.windows, default=length)}, or other model.options.windows"
            )
        hidden = options.hidden
        seen = tuple(Attention(name, ("head", "time")) for name in ("attention", "cross_attention"))
        widths = [one.row[1] for one in scales] or [features] * len(options.windows)
        super().__init__(features, hidden // 2, outputs, seen, scales=tuple(one.row[1] for one in scales))
        self.windows, self.ask_all = options.windows, options.queries == "all"
        self.fixed = nn.ModuleList(nn.LSTM(width, hidden, batch_first=True) for width in widths)
        self.expanding = nn.LSTM(features, hidden, batch_first=True)
        self.look = MultiHead(hidden, options.heads, options.dropout)
        self.norm = nn.LayerNorm(hidden)
        self.cross = MultiHead(hidden, options.heads, options.dropout)
        wide = hidden * (2 * len(widths) + 1)
        self.fuse = nn.Sequential(nn.Linear(wide, hidden), nn.ReLU(), Dropout(options.dropout))
        self.towers = nn.ModuleDict({str(output.horizon): _tower(options) for output in outputs})

    def raw(self, x_NTF: Tensor, *scales_NTF: Tensor) -> dict[str, Tensor]:
        """(N, T, F), NaN where rows are lacking -> {"direction_15": (N, 2), ..., "attention": (N, A, T), ...}."""
        lacking_NT = x_NTF.isnan().any(dim=-1)
        x_NTF = self.normalise(x_NTF).masked_fill(lacking_NT.unsqueeze(-1), 0.0)
        finals = self._scales(scales_NTF) if scales_NTF else self._newest(x_NTF, lacking_NT)
        states_NTH, _ = _read(self.expanding, x_NTF, lacking_NT)
        return self._fused(finals, states_NTH, lacking_NT)

    def _fused(self, finals: list[Tensor], states_NTH: Tensor, lacking_NT: Tensor) -> dict[str, Tensor]:
        """The last states of the fixed windows and every state of the expanding one -> what raw() gives."""
        last_N1H = states_NTH[:, -1:]
        seen_NQH, weights_NAQT = self.look(states_NTH if self.ask_all else last_N1H, states_NTH, lacking_NT)
        if self.ask_all:
            states_NTH = self.norm(states_NTH + seen_NQH)
            last_N1H = states_NTH[:, -1:]
        else:
            last_N1H = self.norm(last_N1H + seen_NQH)
        fixed_NSH = torch.stack(finals, dim=1)
        crossed_NSH, cross_NAST = self.cross(fixed_NSH, states_NTH, lacking_NT)
        context_NH = self.fuse(torch.cat([fixed_NSH.flatten(1), crossed_NSH.flatten(1), last_N1H[:, 0]], dim=-1))
        towers = {horizon: tower(context_NH) for horizon, tower in self.towers.items()}
        answers = {output.name: self.head(output)(towers[str(output.horizon)]) for output in self.outputs}
        attention_NAT = _over_queries(weights_NAQT, lacking_NT) if self.ask_all else weights_NAQT[:, :, 0]
        return {**answers, "attention": attention_NAT, "cross_attention": cross_NAST.mean(dim=2)}

    def _newest(self, x_NTF: Tensor, lacking_NT: Tensor) -> list[Tensor]:
        """Of each fixed window its last state."""
        return [
            _read(lstm, x_NTF[:, -window:], lacking_NT[:, -window:])[1]
            for lstm, window in zip(self.fixed, self.windows, strict=True)
        ]

    def _scales(self, scales_NTF: tuple[Tensor, ...]) -> list[Tensor]:
        """Of each window of longer bars its last state; these lack no row."""
        return [
            lstm(normalise(x_NTF))[0][:, -1]
            for lstm, normalise, x_NTF in zip(self.fixed, self.normalise_scales, scales_NTF, strict=True)
        ]


class LastQuery(HybridLstm):
    """Only the newest step asks, so all before it can be run before it is there.

    The expanding window's states are carried on from bar to bar until it is full and its first row moves on. Those of
    the fixed windows, whose first row always does, are made anew.
    """

    def prefix(self, x_NTF: Tensor) -> dict[str, Tensor]:
        """All rows but the newest, NaN where they are lacking -> the expanding window's states, and what all leave."""
        lacking_NT = x_NTF.isnan().any(dim=-1)
        x_NTF = self.normalise(x_NTF).masked_fill(lacking_NT.unsqueeze(-1), 0.0)
        states_NTH, carried = begin_late(_lstm(self.expanding), x_NTF, lacking_NT)
        there = {"states": states_NTH, "lacking": lacking_NT.to(x_NTF.dtype)}
        return there | carried | self._fixed(x_NTF, lacking_NT)

    def step(self, states: Mapping[str, Tensor], x_N1F: Tensor) -> dict[str, Tensor]:
        """The newest row -> what forward() says of all rows."""
        x_N1F = self.normalise(x_N1F)
        finals = []
        for number, lstm in enumerate(self.fixed):
            own = {name: states[f"fixed_{number}_{name}"] for name in ("hidden", "cell")}
            finals.append(go_on(_lstm(lstm), x_N1F, own)[:, 0])
        newest_N1H = go_on(_lstm(self.expanding), x_N1F, states)
        lacking_NT = functional.pad(states["lacking"], (0, 1)) > 0
        return self.said(self._fused(finals, torch.cat([states["states"], newest_N1H], dim=1), lacking_NT))

    carried = ("states", "lacking", "hidden", "cell")
    """The states that carry() reads."""

    @property
    def recent(self) -> int:
        """Rows that carry() is given."""
        return max(1, *(window - 1 for window in self.windows))

    def carry(self, states: Mapping[str, Tensor], x_NRF: Tensor) -> dict[str, Tensor]:
        """The states that one bar more makes of those before it; so many newest rows, that bar's the last of them."""
        lacking_NR = x_NRF.isnan().any(dim=-1)
        x_NRF = self.normalise(x_NRF).masked_fill(lacking_NR.unsqueeze(-1), 0.0)
        before = states["hidden"].unsqueeze(0), states["cell"].unsqueeze(0)
        newest_N1H, (hidden_1NH, cell_1NH) = self.expanding(x_NRF[:, -1:], before)
        return {
            "states": torch.cat([states["states"][:, 1:], newest_N1H], dim=1),
            "lacking": functional.pad(states["lacking"][:, 1:], (0, 1)),
            "hidden": hidden_1NH[0],
            "cell": cell_1NH[0],
            **self._fixed(x_NRF, lacking_NR),
        }

    def _fixed(self, x_NTF: Tensor, lacking_NT: Tensor) -> dict[str, Tensor]:
        """What each fixed window leaves before its newest row."""
        left: dict[str, Tensor] = {}
        for number, (lstm, window) in enumerate(zip(self.fixed, self.windows, strict=True)):
            first = x_NTF.shape[1] - window + 1
            zero_NH = x_NTF.new_zeros(x_NTF.shape[0], _lstm(lstm).hidden_size)
            carried = {"hidden": zero_NH, "cell": zero_NH}
            if window > 1:
                _, carried = begin_late(_lstm(lstm), x_NTF[:, first:], lacking_NT[:, first:])
            left |= {f"fixed_{number}_{name}": one for name, one in carried.items()}
        return left


def build(options: Options, inputs: tuple[Input, ...], outputs: tuple[Output, ...]) -> HybridLstm:
    """The model; one that can be cut before its newest row where only the newest asks and no bars are longer."""
    can = options.queries == "last" and len(inputs) == 1
    return (LastQuery if can else HybridLstm)(options, inputs, outputs)


def _lstm(module: nn.Module) -> nn.LSTM:
    assert isinstance(module, nn.LSTM)
    return module


def _read(lstm: nn.Module, x_NTF: Tensor, lacking_NT: Tensor) -> tuple[Tensor, Tensor]:
    """The states of every step, in its own place, and the last: those of a window that begins at its first row."""
    steps = x_NTF.shape[1]
    lacking_N1 = lacking_NT.sum(dim=-1, keepdim=True)
    place_T = torch.arange(steps, device=x_NTF.device)
    shifted_NTF = _taken(x_NTF, (place_T + lacking_N1).clamp(max=steps - 1))
    states_NTH, _ = lstm(shifted_NTF)
    states_NTH = _taken(states_NTH, (place_T - lacking_N1).clamp(min=0))
    return states_NTH, states_NTH[:, -1]


def _taken(x_NTF: Tensor, place_NT: Tensor) -> Tensor:
    return x_NTF.gather(1, place_NT.unsqueeze(-1).expand(-1, -1, x_NTF.shape[-1]))


def _over_queries(weights_NAQT: Tensor, lacking_NQ: Tensor) -> Tensor:
    """(N, A, Q, T) -> (N, A, T): the mean over the steps that are there."""
    asks_NQ = (~lacking_NQ).to(weights_NAQT.dtype)
    share_NQ = asks_NQ / asks_NQ.sum(dim=-1, keepdim=True)
    return (weights_NAQT * share_NQ[:, None, :, None]).sum(dim=2)


def _tower(options: Options) -> nn.Sequential:
    return nn.Sequential(nn.Linear(options.hidden, options.hidden // 2), nn.ReLU(), Dropout(options.dropout))
