"""Accuracy and area under the curve of one pass over windows, of outputs that say how likely something is."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from training.judging.scores import EVENTS, MEASURES, Forecasts
from training.network.model import Model


class Tally:
    """Gathers what is said and what came, and counts at the end: no batch of a GPU waits for it."""

    def __init__(self, model: Model) -> None:
        self._heads = {output.name: model.head(output) for output in model.outputs if output.kind in EVENTS}
        self._said: dict[str, list[Tensor]] = {name: [] for name in self._heads}
        self._came: dict[str, list[Tensor]] = {name: [] for name in self._heads}

    def add(self, raw: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> None:
        """Take in one batch: raw numbers and labels of every output."""
        with torch.no_grad():
            for name, head in self._heads.items():
                self._said[name].append(head.say(raw[name]))
                self._came[name].append(labels[name])

    def measures(self) -> dict[str, float]:
        """By "direction_1.accuracy"; none of an output whose labels are all alike or not known."""
        found = {}
        for name in self._heads:
            said_N, came_N = (torch.cat(of[name]).double().cpu().numpy() for of in (self._said, self._came))
            known_N = np.isfinite(came_N)
            if len(np.unique(came_N[known_N])) > 1:
                of = Forecasts(said_N[known_N], came_N[known_N], np.zeros(int(known_N.sum()), np.int64))
                for measure in ("accuracy", "auc"):
                    sums = MEASURES[measure].terms(of).sum(axis=0, keepdims=True)
                    found[f"{name}.{measure}"] = float(MEASURES[measure].value(sums)[0])
        return found
