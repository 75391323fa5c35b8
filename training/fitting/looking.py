"""What a training can ask of attention itself: to be spikier, or to lie on bars at which something happened.

N samples, T steps.
"""

import math

import torch
from torch import Tensor

from training import recipe
from training.network.model import Model


class Looking:
    """A loss of the attentions over time, in training alone; the mean over heads, layers and samples."""

    def __init__(self, model: Model, how: recipe.Loss) -> None:
        self._how = how
        self._names = [seen.name for seen in model.attentions if seen.axes[-1] == "time"]

    @property
    def asked(self) -> bool:
        """Whether the recipe asks anything."""
        return bool(self._names) and (self._how.entropy > 0 or self._how.supervision > 0)

    def __call__(self, raw: dict[str, Tensor], events_NT: Tensor) -> Tensor:
        """(): entropy, from 0 to 1, and how little lies on the events of those windows that hold some."""
        parts = []
        for name in self._names:
            weights_NXT = raw[name].flatten(1, -2) if raw[name].dim() > 2 else raw[name].unsqueeze(1)  # noqa: PLR2004
            parts.append(
                self._how.entropy * _entropy(weights_NXT) + self._how.supervision * _away(weights_NXT, events_NT)
            )
        return torch.stack(parts).sum() / len(self._names)


def _entropy(weights_NXT: Tensor) -> Tensor:
    return -torch.xlogy(weights_NXT, weights_NXT.clamp(min=1e-12)).sum(dim=-1).mean() / math.log(weights_NXT.shape[-1])


def _away(weights_NXT: Tensor, events_NT: Tensor) -> Tensor:
    """Minus the log of the weight on events: none at all where every weight is."""
    on_NX = (weights_NXT * events_NT.unsqueeze(1)).sum(dim=-1)
    some_N1 = events_NT.any(dim=-1, keepdim=True)
    missed_NX = torch.where(some_N1, -on_NX.clamp(min=1e-6).log(), 0.0)
    return missed_NX.sum() / (some_N1.sum() * weights_NXT.shape[1]).clamp(min=1)
