"""A model family of one's own, without touching Gaze: this file adds it and is then used where `gaze` would be.

    python examples/custom_family.py train recipe.toml --bars bars.parquet --out run \
        --set model.family=last_look --set 'model.options={hidden = 16}'

Only training and export need it: a bundle is an ONNX graph, which any daemon serves.
"""

import msgspec
import torch
from torch import Tensor, nn

import gaze
from core.bundle import Input
from core.outputs import Attention, Output
from training.families import FAMILIES, Family
from training.network.model import Model
from training.recipe import Count


class Options(msgspec.Struct, frozen=True):
    """What [model.options] may say."""

    hidden: Count = 32


class LastLook(Model):
    """A GRU whose last state asks all states where to look, and answers from what it finds there."""

    not_causal = "its prefix was not written"

    def __init__(self, options: Options, inputs: tuple[Input, ...], outputs: tuple[Output, ...]) -> None:
        _, features = inputs[0].row
        super().__init__(features, options.hidden, outputs, (Attention("attention", ("time",)),))
        self.gru = nn.GRU(features, options.hidden, batch_first=True)
        self.scale = options.hidden**-0.5

    def raw(self, x_NTF: Tensor) -> dict[str, Tensor]:
        """(N, T, F) -> the raw numbers of every head, and the attention (N, T)."""
        states_NTH, last_1NH = self.gru(self.normalise(x_NTF))
        scores_NT = (states_NTH @ last_1NH[-1].unsqueeze(-1)).squeeze(-1) * self.scale
        weights_NT = torch.softmax(scores_NT, dim=-1)
        context_NH = (weights_NT.unsqueeze(-1) * states_NTH).sum(dim=1)
        return {**self.answers(context_NH), "attention": weights_NT}


FAMILIES["last_look"] = Family(Options, LastLook)

if __name__ == "__main__":
    gaze.main()
