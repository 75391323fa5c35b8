"""Optimisers, and how their learning rate changes from epoch to epoch.

To add an optimiser: add its line to OPTIMISERS.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import torch

from core.errors import ConfigError
from training.network.model import Model
from training.recipe import Optimiser, Schedule

OPTIMISERS: Final[dict[str, type[torch.optim.Optimizer]]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}


def make(model: Model, how: Optimiser) -> torch.optim.Optimizer:
    """The optimiser of a model, with a learning rate of its own for each component that the recipe names.

    Raises: ConfigError: no such optimiser, or a component that the model has not.
    """
    if how.kind not in OPTIMISERS:
        raise ConfigError(f"no optimiser is called {how.kind!r}; try: optimiser.kind = {' or '.join(OPTIMISERS)}")
    groups: dict[str, list[torch.nn.Parameter]] = {name: [] for name in ("", *how.rates)}
    for name, weights in model.named_parameters():
        owners = [owner for owner in how.rates if name.startswith(f"{owner}.")]
        groups[max(owners, key=len, default="")].append(weights)
    for name, members in groups.items():
        if name and not members:
            parts = ", ".join(dict(model.named_children()))
            raise ConfigError(f"optimiser.rates names {name!r}, the model has {parts}; try: one of them")
    settings: dict[str, Any] = {"lr": how.learning_rate, "weight_decay": how.weight_decay, "fused": True}
    rates = {"": 1.0} | how.rates
    made = [{"params": members, "lr": how.learning_rate * rates[name]} for name, members in groups.items() if members]
    return OPTIMISERS[how.kind](made, **settings)


class Rate:
    """The learning rate of each epoch, as a share of the recipe's."""

    def __init__(self, optimiser: torch.optim.Optimizer, how: Schedule, epochs: int) -> None:
        self._optimiser = optimiser
        self._full = [float(group["lr"]) for group in optimiser.param_groups]
        self._how, self._epochs = how, epochs
        self._number, self._share = 0, 1.0
        self._best, self._waited = math.inf, 0
        self._apply()

    @property
    def now(self) -> float:
        """The learning rate of this epoch; of components with their own, that of the first."""
        return float(self._optimiser.param_groups[0]["lr"])

    def next(self, validation_loss: float) -> None:
        """Go on to the next epoch."""
        self._number += 1
        if validation_loss < self._best:
            self._best, self._waited = validation_loss, 0
        else:
            self._waited += 1
        if self._how.kind == "plateau" and self._waited >= self._how.patience:
            self._share, self._waited = self._share * self._how.factor, 0
        self._apply()

    def state(self) -> dict[str, float]:
        """What the rates to come hang on."""
        return {"number": self._number, "share": self._share, "best": self._best, "waited": self._waited}

    def go_on(self, state: Mapping[str, float]) -> None:
        """Go on from such a state."""
        self._number, self._share = int(state["number"]), state["share"]
        self._best, self._waited = state["best"], int(state["waited"])
        self._apply()

    def _apply(self) -> None:
        warm = min((self._number + 1) / (self._how.warmup + 1), 1.0)
        left = max(self._epochs - self._how.warmup, 1)
        into = max(self._number - self._how.warmup, 0) / left
        fall = (1 + math.cos(math.pi * into)) / 2 if self._how.kind == "cosine" else self._share
        for group, full in zip(self._optimiser.param_groups, self._full, strict=True):
            group["lr"] = full * warm * fall
