"""What training makes small: for every output a loss by its kind, and their weighted mean.

To add a loss of real numbers: write its function and add its line to LOSSES. N samples, R raw numbers, C classes.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from core.errors import ConfigError
from core.outputs import Kind, Output
from training import recipe
from training.data.dataset import Samples
from training.data.uniqueness import uniqueness
from training.network.heads import CoralHead, Head
from training.network.model import Model

Loss = Callable[[Tensor, Tensor], Tensor]
"""(N,) predictions and (N,) labels, both in deviations of the training labels -> (N,)."""

LOSSES: Final[dict[str, Loss]] = {
    "mse": partial(functional.mse_loss, reduction="none"),
    "mae": partial(functional.l1_loss, reduction="none"),
    "huber": partial(functional.huber_loss, reduction="none"),
}

IN_RETURNS: Final = frozenset({Kind.RETURN, Kind.QUANTILES, Kind.DEVIATION})
"""Kinds whose labels are returns: they are learned in deviations of the training labels."""


def named(name: str) -> Loss:
    """A loss from LOSSES.

    Raises: ConfigError: there is none of this name.
    """
    if name not in LOSSES:
        raise ConfigError(f"no loss is called {name!r}; try: optimiser.loss = {' or '.join(sorted(LOSSES))}")
    return LOSSES[name]


class Objective:
    """The loss of a model on a batch, as the recipe weighs it.

    Raises: ConfigError: no such loss, or a weight for an output that the model has not.
    """

    def __init__(self, model: Model, of: recipe.Recipe, train: Samples, validation: Samples | None = None) -> None:
        self._model = model
        self._loss = named(of.optimiser.loss)
        self._weights = {output.name: _weight(output, of.loss, model.outputs) for output in model.outputs}
        self._classes = {one.name: _balance(one, train, of.loss) for one in model.outputs if one.kind in CLASSIFIED}
        self._samples = _Samples(of.loss.samples, train)
        self._unique_R = {
            one.name: _unique(one, [train, validation or train]).to(next(model.parameters()).device)
            for one in (model.outputs if of.loss.samples == "unique" else ())
        }

    def __call__(
        self, raw: Mapping[str, Tensor], labels: Mapping[str, Tensor], volatility_N: Tensor, ends_N: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted mean over the outputs, and the loss of each; labels that are not known count for nothing."""
        even_N = self._samples.weights(volatility_N)
        parts = {}
        for output in self._model.outputs:
            label_N = labels[output.name]
            known_N = label_N.isfinite()
            loss_N = self._each(output, raw, torch.where(known_N, label_N, 0.0))
            unique_R = self._unique_R.get(output.name)
            weight_N = (even_N if unique_R is None else unique_R[ends_N.to(unique_R.device)]) * known_N
            parts[output.name] = (loss_N * weight_N).sum() / weight_N.sum().clamp(min=1e-12)
        total = sum(self._weights[name] * part for name, part in parts.items()) / sum(self._weights.values())
        assert isinstance(total, Tensor)
        return total, parts

    def _each(self, output: Output, raw: Mapping[str, Tensor], label_N: Tensor) -> Tensor:
        """(N,): the loss of every sample."""
        head, raw_NR = self._model.head(output), raw[output.name]
        if output.kind in CLASSIFIED:
            loss_N = CLASSIFIED[output.kind](head, raw_NR, label_N)
            return loss_N * self._classes[output.name].to(label_N.device)[label_N.long()]
        said, scaled_N = head.say(raw_NR) / head.scale, label_N / head.scale
        if output.kind is Kind.QUANTILES:
            return _pinball(said, scaled_N, output.levels)
        if output.kind is Kind.DEVIATION:
            return _gaussian(said, self._mean(output, raw), scaled_N)
        return self._loss(said, scaled_N)

    def _mean(self, output: Output, raw: Mapping[str, Tensor]) -> Tensor | float:
        """What a Gaussian of this output's deviation lies around: the return of the same horizon, or zero."""
        mean = raw.get(Output(Kind.RETURN, output.horizon).name)
        return 0.0 if mean is None else mean[:, 0]


class _Samples:
    """How much each sample counts, by the volatility before it; 1 where that is not known."""

    def __init__(self, how: str, train: Samples) -> None:
        self._how = how
        self._median = float(np.nanmedian(train.volatility))

    def weights(self, volatility_N: Tensor) -> Tensor:
        if self._how == "volatile":
            return 1.0 + (volatility_N > self._median)
        if self._how == "calm":
            # A bar that never moves must not outweigh all others.
            return torch.nan_to_num(self._median / volatility_N, nan=1.0).clamp(0.2, 5.0)
        return torch.ones_like(volatility_N)


def _weight(output: Output, of: recipe.Loss, outputs: tuple[Output, ...]) -> float:
    known = {name for one in outputs for name in (one.name, str(one.kind))}
    for name in of.weights:
        if name not in known:
            raise ConfigError(f"loss.weights names {name!r}, which is no output; try: {', '.join(sorted(known))}")
    return of.weights.get(output.name, of.weights.get(str(output.kind), 1.0))


def _unique(output: Output, parts: Sequence[Samples]) -> Tensor:
    """(R,): how much of its label is its own, of each window of the parts whose label is known."""
    rows = len(parts[0].panel.number_R)
    known_N = np.unique(np.concatenate([part.known(output).ends_N for part in parts]))
    return torch.from_numpy(uniqueness(known_N, output.horizon, rows))


def _balance(output: Output, train: Samples, of: recipe.Loss) -> Tensor:
    """(C,): how much each class counts: one, or so that all count the same in total."""
    classes = output.width if output.kind is Kind.ORDINAL else 2
    if of.classes == "even":
        return torch.ones(classes)
    label_N = train.known(output).target(output).astype(np.int64)
    counts_C = np.bincount(label_N, minlength=classes)
    return torch.from_numpy(len(label_N) / (classes * np.maximum(counts_C, 1.0))).float()


def _probability(_: Head, raw_NR: Tensor, label_N: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(raw_NR[:, 0], label_N, reduction="none")


def _classified(head: Head, raw_NR: Tensor, label_N: Tensor) -> Tensor:
    if not isinstance(head, CoralHead):
        return functional.cross_entropy(raw_NR, label_N.long(), reduction="none")
    above_NR = (label_N[:, None] > torch.arange(raw_NR.shape[1], device=raw_NR.device)).float()
    return functional.binary_cross_entropy_with_logits(raw_NR, above_NR, reduction="none").sum(dim=-1)


CLASSIFIED: Final[dict[Kind, Callable[[Head, Tensor, Tensor], Tensor]]] = {
    Kind.PROBABILITY: _probability,
    Kind.DIRECTION: _classified,
    Kind.ORDINAL: _classified,
}
"""Losses of outputs whose label is a class, (N,) each."""


def _pinball(said_NL: Tensor, label_N: Tensor, levels: tuple[float, ...]) -> Tensor:
    """Quantile loss, the mean over the levels."""
    level_L = torch.tensor(levels, device=said_NL.device)
    short_NL = label_N[:, None] - said_NL
    return torch.maximum(level_L * short_NL, (level_L - 1) * short_NL).mean(dim=-1)


def _gaussian(deviation_N: Tensor, mean_N: Tensor | float, label_N: Tensor) -> Tensor:
    """Negative log likelihood of a Gaussian, without its constant."""
    return deviation_N.log() + 0.5 * ((label_N - mean_N) / deviation_N).square()
