"""Where a model looks after each epoch, gathered while its validation loss is measured.

N windows of a batch, T steps.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor

from core import attention
from core.outputs import Attention
from training.fitting.history import Seen


class Followed:
    """Gathers the looks of one pass over the validation part."""

    def __init__(self, attentions: Sequence[Attention]) -> None:
        self._names = [one.name for one in attentions if not one.gates]
        self._windows = 0
        self._entropy = dict.fromkeys(self._names, 0.0)
        self._factor = dict.fromkeys(self._names, 0.0)
        self._weights_T: dict[str, npt.NDArray[np.float64]] = {}

    def add(self, raw: dict[str, Tensor]) -> None:
        """Take in what the model said of some windows."""
        for name in self._names:
            weights_NT = attention.profile(raw[name].float().cpu().numpy())
            self._entropy[name] += float(attention.normalised_entropy(weights_NT).sum())
            self._factor[name] += float(attention.concentration_factor(weights_NT).sum())
            self._weights_T[name] = self._weights_T.get(name, 0.0) + weights_NT.sum(axis=0, dtype=np.float64)
        self._windows += len(next(iter(raw.values())))

    def seen(self) -> dict[str, Seen]:
        """The means so far."""
        return {
            name: Seen(
                self._entropy[name] / self._windows,
                self._factor[name] / self._windows,
                tuple((weights_T / self._windows).tolist()),
            )
            for name, weights_T in self._weights_T.items()
        }
