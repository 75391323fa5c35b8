"""Models to explain: one that shows where it looks, or does not, and one with every axis an attention can have."""

from collections.abc import Callable

import msgspec
import torch
from torch import Tensor, nn

from core.outputs import Attention, Kind, Output
from training.explain.reads import speaker
from training.explain.subject import Subject

ONE_RETURN = (Output(Kind.RETURN, 1, "log return"),)
LAYERS, HEADS, GATES = 2, 3, 5


class Pointing(nn.Module):
    """Looks at the bars with the largest relative volume and says their return. `honest`: shows where it looks."""

    def __init__(self, *, honest: bool) -> None:
        super().__init__()
        self.attentions = (Attention("attention", ("time",)),)
        self.honest = honest

    def forward(self, x_NTF: Tensor) -> dict[str, Tensor]:
        score_NT = 6 * x_NTF[..., 1]
        looked_NT = torch.softmax(score_NT, dim=1)
        shown_NT = looked_NT if self.honest else torch.softmax(-score_NT, dim=1)
        return {"return_1": (looked_NT * x_NTF[..., 0]).sum(dim=1), "attention": shown_NT}


class EveryAxis(nn.Module):
    """Self-attention by layer and head, cross-attention to a market beside, gates: every axis there is."""

    def __init__(self) -> None:
        super().__init__()
        self.attentions = (
            Attention("self_attention", ("layer", "head", "time", "time")),
            Attention("cross_attention", ("head", "time", "market")),
            Attention("gate", ("layer", "time", "gate")),
        )
        self.query = nn.Linear(3, LAYERS * HEADS * 4)
        self.key = nn.Linear(3, LAYERS * HEADS * 4)
        self.market = nn.Linear(2, LAYERS * HEADS * 4)
        self.gate = nn.Linear(3, LAYERS * GATES)

    def forward(self, x_NTF: Tensor, market_NMF: Tensor) -> dict[str, Tensor]:
        z_NTF, market_NMF = x_NTF / 0.01, market_NMF / 0.01
        query, key, beside = (
            one(z).reshape(*z.shape[:2], LAYERS, HEADS, 4).permute(0, 2, 3, 1, 4)
            for one, z in ((self.query, z_NTF), (self.key, z_NTF), (self.market, market_NMF))
        )
        weights = torch.softmax(query @ key.transpose(-1, -2), dim=-1)
        cross = torch.softmax(query[:, 0] @ beside[:, 0].transpose(-1, -2), dim=-1)
        gates = torch.sigmoid(self.gate(z_NTF)).reshape(*x_NTF.shape[:2], LAYERS, GATES).transpose(1, 2)
        said_N = (weights.mean(dim=(1, 2, 3)) * x_NTF[..., 0]).sum(dim=1)
        said_N = said_N + (cross.mean(dim=(1, 2)) * market_NMF[..., 0]).sum(dim=1) * 0.01
        return {"return_1": said_N, "self_attention": weights, "cross_attention": cross, "gate": gates}


def silent(_: str) -> Callable[[float], None]:
    """A stage that nobody watches."""
    return lambda _: None


def speaking(model: nn.Module, like: Subject) -> Subject:
    """A subject like another, with this model's voice."""
    model.eval()

    say = speaker(model, like.inputs)
    return msgspec.structs.replace(
        like, say=say, model=model, outputs=ONE_RETURN, attentions=model.attentions, history=()
    )
