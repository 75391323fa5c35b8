"""Probabilities that mean what they say: maps from what a head says to how often it came, fitted on validation.

The map is part of the head, and so of every graph that is exported. N samples, R raw numbers, K knots.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from core.outputs import Kind, Output
from training import recipe
from training.data.dataset import Samples
from training.data.windows import Windows
from training.fitting.losses import CLASSIFIED
from training.network.heads import Head
from training.network.model import Model

Floats = npt.NDArray[np.float64]

KNOTS: Final = 20
"""Of an isotonic map: more would follow the noise of a validation part."""
FEWEST: Final = 100
"""Known labels of the validation part, below which nothing is calibrated; each class must have a tenth of them."""
BATCH: Final = 256
SHARPEST: Final = 20.0
"""The largest factor by which a temperature may sharpen or soften."""


class Temperature(nn.Module):
    """Raw numbers over one positive number: no ranking changes (Guo, Pleiss, Sun, Weinberger 2017)."""

    temperature: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, raw_NR: Tensor) -> Tensor:
        """(N, R) -> (N, R)."""
        return raw_NR / self.temperature


class Isotonic(nn.Module):
    """A probability to a probability: straight between knots, level outside, never falling (Zadrozny, Elkan 2002)."""

    start_K: Tensor
    width_K: Tensor
    slope_K: Tensor
    least: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("least", torch.zeros(()))
        self.register_buffer("start_K", torch.zeros(KNOTS))
        self.register_buffer("width_K", torch.eye(1, KNOTS)[0])
        self.register_buffer("slope_K", torch.eye(1, KNOTS)[0])

    def through(self, said_K: Floats, came_K: Floats) -> None:
        """Let the map go through these points, both growing, at most KNOTS + 1 of them."""
        width, rise = np.diff(said_K), np.diff(came_K)
        spare = KNOTS - len(width)
        self.least.fill_(came_K[0])
        for buffer, values in ((self.start_K, said_K[:-1]), (self.width_K, width), (self.slope_K, rise / width)):
            buffer.copy_(torch.from_numpy(np.pad(values, (0, spare))))

    def forward(self, said_N1: Tensor) -> Tensor:
        """(N, 1) -> (N, 1)."""
        into_NK = torch.minimum(torch.relu(said_N1 - self.start_K), self.width_K)
        return self.least + (into_NK * self.slope_K).sum(dim=-1, keepdim=True)


def attach(model: Model, how: recipe.Calibration) -> None:
    """Give the heads of probabilities the maps that a recipe asks for, which change nothing until they are fitted.

    Ordered classes are given a temperature by either method: an isotonic map of each would not keep their order.
    """
    for output in model.outputs:
        head = model.head(output)
        if how.method == "none" or output.kind not in CLASSIFIED:
            continue
        if how.method == "isotonic" and output.kind is not Kind.ORDINAL:
            head.after = Isotonic()
        else:
            head.before = Temperature()


def fit(model: Model, validation: Samples) -> dict[str, str]:
    """Fit every map that is attached, and say how, in words, by the name of the output."""
    mapped = [one for one in model.outputs if _map(model.head(one)) is not None]
    raw = _raw(model, validation) if mapped else {}
    told = {}
    for output in mapped:
        label_N = validation.target(output)
        known_N = np.isfinite(label_N)
        told[output.name] = _fit(output, model.head(output), raw[output.name][known_N], label_N[known_N])
    return told


def _map(head: Head) -> Temperature | Isotonic | None:
    return next((one for one in (head.before, head.after) if isinstance(one, Temperature | Isotonic)), None)


def _fit(output: Output, head: Head, raw_NR: Tensor, label_N: Floats) -> str:
    count, mapping = len(label_N), _map(head)
    rarest = np.unique(label_N, return_counts=True)[1].min(initial=count)
    if count < FEWEST or rarest < FEWEST / 10 or rarest == count:
        return f"not calibrated: {count} labels of the validation part, of one class {rarest}, are too few"
    if isinstance(mapping, Temperature):
        mapping.temperature.fill_(temperature(output, head, raw_NR, label_N))
        return f"temperature {float(mapping.temperature):.3f}, fitted on {count:,} windows of the validation part"
    assert isinstance(mapping, Isotonic)
    said_K, came_K = isotonic(head.plain(raw_NR).double().numpy(), label_N)
    if len(said_K) < 2:  # noqa: PLR2004 - a line needs two points
        return "not calibrated: what was said does not rank what came in the validation part"
    mapping.through(said_K, came_K)
    return f"isotonic with {len(said_K)} knots, fitted on {count:,} windows of the validation part"


def temperature(output: Output, head: Head, raw_NR: Tensor, label_N: Floats) -> float:
    """What raw numbers must be divided by to make the likelihood of these labels the largest.

    The loss is convex in one over the temperature, so a search by golden sections finds its least.
    """
    raw_NR, label = raw_NR.double(), torch.from_numpy(label_N)

    def loss(log_factor: float) -> float:
        return float(CLASSIFIED[output.kind](head, raw_NR * np.exp(log_factor), label).mean())

    low, high, ratio = -np.log(SHARPEST), np.log(SHARPEST), (np.sqrt(5) - 1) / 2
    while high - low > 1e-4:  # noqa: PLR2004 - a hundredth of a percent
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if loss(left) <= loss(right) else (left, high)
    return float(np.exp(-(low + high) / 2))


def isotonic(said_N: Floats, came_N: Floats) -> tuple[Floats, Floats]:
    """(K,) and (K,): mean of what was said and share of what came, of neighbours pooled until neither ever falls.

    What was said is first put into as many groups of equal size as there are knots. One of each class is added to every
    pool, so that nothing is ever certain.
    """
    order = np.argsort(said_N, kind="stable")
    pools: list[tuple[float, float, float]] = []
    for part in np.array_split(order, min(KNOTS, len(order))):
        pools.append((float(said_N[part].sum()), float(came_N[part].sum()), float(len(part))))
        while len(pools) > 1 and _not_above(pools[-1], pools[-2]):
            last, before = pools.pop(), pools.pop()
            pools.append((last[0] + before[0], last[1] + before[1], last[2] + before[2]))
    said_K, came_K, count_K = np.array(pools).T
    return said_K / count_K, np.maximum.accumulate((came_K + 1) / (count_K + 2))


def _not_above(last: tuple[float, float, float], before: tuple[float, float, float]) -> bool:
    """Whether a pool says no more than the one before, or less of it came; (said, came, count) each."""
    return last[1] / last[2] <= before[1] / before[2] or last[0] / last[2] - before[0] / before[2] <= 1e-6  # noqa: PLR2004 - below float32


def _raw(model: Model, samples: Samples) -> dict[str, Tensor]:
    """The raw numbers of every head for every window, (N, R) each."""
    windows = Windows(samples.panel, next(model.parameters()).device)
    parts: dict[str, list[Tensor]] = {output.name: [] for output in model.outputs}
    with torch.inference_mode():
        for ends in torch.split(torch.from_numpy(samples.ends_N), BATCH):
            raw = model.eval().raw(*windows.inputs(ends))
            for name, kept in parts.items():
                kept.append(raw[name].cpu())
    return {name: torch.cat(kept) for name, kept in parts.items()}
