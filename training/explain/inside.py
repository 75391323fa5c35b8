"""Who looks where inside a model: every attention, pooling and gate that it computes, not only those that it tells.

A run has them; a bundle's graph gives no more than its outputs. N predictions, L layers, A heads, Q steps that look, K
steps looked at, G gates.
"""

import re
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from core import attention
from training.data.dataset import spread
from training.explain.predictions import Predictions
from training.explain.reads import Doubles
from training.network.layers import MultiHead, Pooling

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

PREDICTIONS: Final = 64
BATCH: Final = 8
NUMBER: Final = re.compile(r"\.\d+")
DIAGONAL: Final = 2.0
"""So many times even, the weight on a step itself and its neighbours is a diagonal."""
STRIPES: Final = 0.95
"""Below this entropy the mean weight of the steps looked at shows stripes."""
EVEN: Final = 0.95
"""Above this entropy single looks are diffuse."""


class Extractor:
    """While it is entered, keeps what a model's layers last computed, by their path in it.

    `attention`: weights (N, A, Q, K). `pooling`: (N, T) or (N, A, T). `gates`: (N, T, G), each from 0 to 1.
    """

    def __init__(self, model: nn.Module) -> None:
        self.attention: dict[str, Tensor] = {}
        self.pooling: dict[str, Tensor] = {}
        self.gates: dict[str, Tensor] = {}
        self._model = model
        self._hooks: list[RemovableHandle] = []

    def __enter__(self) -> Self:
        for path, layer in self._model.named_modules():
            if isinstance(layer, MultiHead):
                self._hooks.append(layer.register_forward_hook(self._second(self.attention, path)))
            elif isinstance(layer, Pooling):
                self._hooks.append(layer.register_forward_hook(self._second(self.pooling, path)))
            elif isinstance(layer, nn.Linear) and path.rpartition(".")[2] == "gate":
                self._hooks.append(layer.register_forward_hook(self._gate(path)))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for hook in self._hooks:
            hook.remove()

    @staticmethod
    def _second(kept: dict[str, Tensor], path: str):  # type: ignore[no-untyped-def]  # noqa: ANN205 - torch's own hook
        def keep(_: nn.Module, __: tuple[Tensor, ...], said: tuple[Tensor, Tensor]) -> None:
            kept[path] = said[1].detach()

        return keep

    def _gate(self, path: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - as above
        def keep(_: nn.Module, __: tuple[Tensor, ...], said: Tensor) -> None:
            self.gates[path] = torch.sigmoid(said.detach())

        return keep


class Inside(msgspec.Struct, frozen=True):
    """One kind of attention inside, its layers together: means over some predictions with whole windows.

    `axes` of `mean`: layer, head, who looks, what is looked at. `entropy` and `sparsity` of single looks by layer and
    head. `shapes`: how many heads of all layers look at themselves (diagonal), at the same steps from everywhere
    (stripes), nearly evenly (diffuse), or otherwise (mixed).
    """

    name: str
    axes: tuple[str, str, str, str]
    predictions: int
    entropy: tuple[tuple[float, ...], ...]
    sparsity: tuple[tuple[float, ...], ...]
    shapes: dict[str, int]

    @property
    def sentence(self) -> str:
        """In words."""
        told = ", ".join(f"{count} {shape}" for shape, count in self.shapes.items() if count)
        return f"{self.name}: of {sum(self.shapes.values())} heads {told}."


class Matrices(msgspec.Struct, frozen=True):
    """What the pictures need: the mean (L, A, Q, K) of each kind, by its name."""

    told: tuple[Inside, ...]
    mean: dict[str, Doubles]


def look(of: Predictions) -> Matrices:
    """Run the model over some whole windows, spread in time, and watch it inside; nothing of a bundle."""
    model = of.subject.model
    whole = np.flatnonzero(of.panel.reach_R[of.samples.ends_N] == of.panel.length)
    if model is None or not len(whole):
        return Matrices((), {})
    rows = whole[spread(len(whole), PREDICTIONS)]
    gathered: dict[str, _Gathered] = {}
    with Extractor(model) as seen, torch.inference_mode():
        for at in range(0, len(rows), BATCH):
            model(*(torch.from_numpy(one) for one in of.reads(rows[at : at + BATCH])))
            for name, weights_NLAQK in _by_kind(seen.attention).items():
                gathered.setdefault(name, _Gathered()).add(weights_NLAQK)
    length, market = of.panel.length, of.panel.market is not None
    kinds = {name: one for name, one in gathered.items() if one.mean.shape[2] > 1}
    told = tuple(one.told(name, _axes(name, one.mean.shape[2] == length, market=market)) for name, one in kinds.items())
    return Matrices(told, {name: one.mean for name, one in kinds.items()})


def _by_kind(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Layers of one kind together: (N, L, A, Q, K) by their path without its number."""
    kinds: dict[str, list[Tensor]] = {}
    for path, weights_NAQK in found.items():
        kinds.setdefault(NUMBER.sub("", path).replace(".", "_"), []).append(weights_NAQK)
    return {name: torch.stack(layers, dim=1) for name, layers in kinds.items()}


def _axes(name: str, from_steps: bool, *, market: bool) -> tuple[str, str, str, str]:  # noqa: FBT001 - said where called
    own = name.startswith("market")
    looked_at = "market" if market and (own or "cross" in name) else "time"
    return ("layer", "head", ("market" if own else "time") if from_steps else "query", looked_at)


class _Gathered:
    """Sums over predictions."""

    def __init__(self) -> None:
        self._count = 0
        self._sum, self._entropy, self._sparsity = (np.zeros(()) for _ in range(3))

    @property
    def mean(self) -> Doubles:
        """(L, A, Q, K)."""
        return np.asarray(self._sum / self._count)

    def add(self, weights_NLAQK: Tensor) -> None:
        values = np.ascontiguousarray(weights_NLAQK.numpy())
        self._count += len(values)
        self._sum = self._sum + values.sum(axis=0, dtype=np.float64)
        self._entropy = self._entropy + attention.normalised_entropy(values).mean(axis=-1).sum(axis=0)
        self._sparsity = self._sparsity + attention.gini(values).mean(axis=-1).sum(axis=0)

    def told(self, name: str, axes: tuple[str, str, str, str]) -> Inside:
        entropy_LA, sparsity_LA = self._entropy / self._count, self._sparsity / self._count
        shapes = dict.fromkeys(("diagonal", "stripes", "diffuse", "mixed"), 0)
        square = axes[2] == axes[3]
        for place in np.ndindex(*entropy_LA.shape):
            shapes[shape(self.mean[place], float(entropy_LA[place]), square=square)] += 1
        return Inside(
            name,
            axes,
            self._count,
            tuple(map(tuple, entropy_LA.tolist())),
            tuple(map(tuple, sparsity_LA.tolist())),
            shapes,
        )


def shape(mean_QK: Doubles, entropy: float, *, square: bool) -> str:
    """How the mean look of one head is called; `entropy`: of its single looks."""
    steps = mean_QK.shape[1]
    if square:
        near_QK = np.abs(np.arange(len(mean_QK))[:, None] - np.arange(steps)) <= 1
        if (mean_QK * near_QK).sum() / len(mean_QK) > DIAGONAL * near_QK.mean():
            return "diagonal"
    if float(attention.normalised_entropy(mean_QK.mean(axis=0)[None].astype(np.float32))[0]) < STRIPES:
        return "stripes"
    return "diffuse" if entropy > EVEN else "mixed"
