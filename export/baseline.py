"""A baseline of a run as a model of its own: it reads the same windows and says the same outputs, and looks nowhere.

N windows, T steps, F features, P predictors of a summary, K trees, M nodes of the largest, W numbers of an output.
"""

from typing import Any, Final, NamedTuple

import lightgbm
import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from core import golden
from core.bundle import Manifest
from core.errors import BundleError, UsageError
from core.outputs import Kind, Output
from training.data.summary import numbers
from training.judging import boosting, ridge
from training.judging.baselines import BASELINES, Learned
from training.judging.evaluation import MODEL
from training.judging.scores import EVENTS

NAMES: Final = ("linear", "boosting")
"""Those that read a window alone, and say something of it."""
_SAME: Final = 1e-5
"""How far the model may be from what LightGBM or the closed form says, as a share of the largest value."""
_LEAF: Final = "leaf_value"


def model_of(name: str, learned: Learned, outputs: tuple[Output, ...]) -> "Baseline":
    """The baseline of this name, of what a run's baselines learned.

    Raises: UsageError: no such baseline, or it does not foretell every output of the run.
    """
    if name not in NAMES:
        raise UsageError(
            f"no baseline {name!r} can be exported; there are: {', '.join(NAMES)}. try: --baseline boosting"
        )
    mute = [one.name for one in outputs if one.kind not in BASELINES[name].kinds]
    if mute:
        raise UsageError(f"the baseline {name} does not foretell {', '.join(mute)}; try: --baseline boosting, or none")
    return Baseline({one.name: _said_by(name, learned, one) for one in outputs})


def described(manifest: Manifest, name: str) -> Manifest:
    """The manifest of a run, of its baseline of this name; the baseline's scores are those of the model."""
    scores = tuple(
        msgspec.structs.replace(one, predictor=MODEL) if one.predictor == name else one
        for one in manifest.scores
        if one.predictor != MODEL
    )
    return msgspec.structs.replace(
        manifest, family=name, attentions=(), scores=scores, margins=(), calibration={}, name=f"{manifest.name}_{name}"
    )


def refuse_other(model: "Baseline", name: str, learned: Learned, inputs: dict[str, Any]) -> None:
    """Hold the model against what LightGBM, or the closed form, says of the same windows.

    Raises: BundleError: it says something else.
    """
    x_NTF = tuple(torch.from_numpy(values) for values in inputs.values())
    x_NP = numbers(x_NTF).double().numpy()
    said = {output: values.numpy().reshape(len(x_NP), -1) for output, values in model.eval()(*x_NTF).items()}
    expected = {output: part.expected(learned, x_NP).reshape(len(x_NP), -1) for output, part in model.parts.items()}
    golden.check(expected, said, _SAME, f"the baseline {name}")


class Baseline(nn.Module):
    """(N, T, F) of every input -> every output, (N,) or (N, W)."""

    not_causal = "it reads a window in a few numbers, which all change with every bar"

    def __init__(self, parts: dict[str, "Linear | Trees"]) -> None:
        super().__init__()
        self.parts: dict[str, Linear | Trees] = parts
        self.foretell = nn.ModuleDict(parts)

    def forward(self, *x_NTF: Tensor) -> dict[str, Tensor]:
        """The outputs by name."""
        x_NP = numbers(x_NTF).double()
        said = {name: part(x_NP) for name, part in self.foretell.items()}
        return {name: values.float() for name, values in said.items()}


class Linear(nn.Module):
    """Ridge regression of standardised predictors."""

    def __init__(self, output: Output, prefix: str, learned: Learned) -> None:
        super().__init__()
        self.output, self.prefix = output, prefix
        for name in ("centre", "spread", "slope", "middle"):
            self.register_buffer(name, torch.from_numpy(np.array(learned[prefix + name], np.float64)))

    def forward(self, x_NP: Tensor) -> Tensor:
        """(N, P) -> (N,) or (N, W)."""
        said_NW = (x_NP - self.get_buffer("centre")) / self.get_buffer("spread") @ self.get_buffer("slope")
        said_NW = said_NW + self.get_buffer("middle")
        if self.output.kind is Kind.ORDINAL:
            said_NW = said_NW.clamp(min=1e-6)
            return said_NW / said_NW.sum(dim=1, keepdim=True)
        return said_NW[:, 0].clamp(0, 1) if self.output.kind in EVENTS else said_NW[:, 0]

    def expected(self, learned: Learned, x_NP: Any) -> Any:
        """What the closed form says."""
        own = {name.removeprefix(self.prefix): value for name, value in learned.items() if name.startswith(self.prefix)}
        said_NW = ridge.foretell(own, x_NP)
        if self.output.kind is Kind.ORDINAL:
            said_NW = said_NW.clip(1e-6, None)
            return said_NW / said_NW.sum(axis=1, keepdims=True)
        return said_NW[:, 0].clip(0, 1) if self.output.kind in EVENTS else said_NW[:, 0]


class _Node(NamedTuple):
    """One node of a tree: a leaf goes to itself."""

    feature: int
    threshold: float
    left: int
    right: int
    value: float


class Trees(nn.Module):
    """Boosted trees, walked down all at once; a forest for each level of quantiles, else one."""

    def __init__(self, output: Output, prefix: str, learned: Learned) -> None:
        super().__init__()
        self.output = output
        levels = range(output.width) if output.kind is Kind.QUANTILES else (None,)
        self.keys = [f"{prefix}trees" if level is None else f"{prefix}trees_{level}" for level in levels]
        self.forests = nn.ModuleList(_Forest(learned[key].tobytes().decode()) for key in self.keys)

    def forward(self, x_NP: Tensor) -> Tensor:
        """(N, P) -> (N,) or (N, W)."""
        raw_NW = torch.cat([forest(x_NP) for forest in self.forests], dim=1)
        if self.output.kind is Kind.QUANTILES:
            return raw_NW.sort(dim=1).values
        if self.output.kind is Kind.ORDINAL:
            return raw_NW.softmax(dim=1)
        return raw_NW[:, 0].sigmoid() if self.output.kind in EVENTS else raw_NW[:, 0]

    def expected(self, learned: Learned, x_NP: Any) -> Any:
        """What LightGBM says."""
        said = [boosting.foretell(learned[key], x_NP) for key in self.keys]
        return np.sort(np.stack(said, axis=1), axis=1) if self.output.kind is Kind.QUANTILES else said[0]


class _Forest(nn.Module):
    """The trees of one booster; of several classes the k-th tree is of class k modulo their number."""

    def __init__(self, text: str) -> None:
        super().__init__()
        told = lightgbm.Booster(model_str=text).dump_model()
        trees = [_nodes(one["tree_structure"]) for one in told["tree_info"]]
        self.classes, self.depth = told["num_tree_per_iteration"], max(map(_depth, trees))
        widest = max(map(len, trees))
        filled = [tree + [_Node(0, 0.0, 0, 0, 0.0)] * (widest - len(tree)) for tree in trees]
        columns = zip(*(zip(*tree, strict=True) for tree in filled), strict=True)
        for name, column in zip(_Node._fields, columns, strict=True):
            kind = torch.float64 if name in ("threshold", "value") else torch.int64
            self.register_buffer(name, torch.tensor(column, dtype=kind))

    def forward(self, x_NP: Tensor) -> Tensor:
        """(N, P) -> (N, classes): the sum of the leaves that each window falls into."""
        rows = x_NP.shape[0]
        column = {name: self.get_buffer(name).unsqueeze(0).expand(rows, -1, -1) for name in _Node._fields}
        at_NK1 = torch.zeros_like(x_NP[:, :1], dtype=torch.int64).unsqueeze(1).expand(-1, column["left"].shape[1], 1)
        for _ in range(self.depth):
            feature_NK = column["feature"].gather(2, at_NK1)[..., 0]
            goes_left_NK1 = x_NP.gather(1, feature_NK).unsqueeze(2) <= column["threshold"].gather(2, at_NK1)
            at_NK1 = torch.where(goes_left_NK1, column["left"].gather(2, at_NK1), column["right"].gather(2, at_NK1))
        leaf_NK = column["value"].gather(2, at_NK1)[..., 0]
        return leaf_NK.reshape(rows, -1, self.classes).sum(dim=1)


def _said_by(name: str, learned: Learned, output: Output) -> Linear | Trees:
    return (Linear if name == "linear" else Trees)(output, f"{name}.{output.name}.", learned)


def _nodes(tree: dict[str, Any]) -> list[_Node]:
    """A tree as a list, its root first."""
    nodes: list[_Node] = []

    def add(one: dict[str, Any]) -> int:
        at = len(nodes)
        nodes.append(_Node(0, 0.0, at, at, float(one.get(_LEAF, 0.0))))
        if _LEAF not in one:
            if one["decision_type"] != "<=" or one["missing_type"] != "None":
                raise BundleError(
                    f"a tree splits by {one['decision_type']!r} with {one['missing_type']!r} for what is missing, "
                    "expected are '<=' and 'None'; try: gaze train again, on bars without holes"
                )
            left, right = add(one["left_child"]), add(one["right_child"])
            nodes[at] = _Node(one["split_feature"], one["threshold"], left, right, 0.0)
        return at

    add(tree)
    return nodes


def _depth(nodes: list[_Node], at: int = 0) -> int:
    one = nodes[at]
    return 0 if one.left == at else 1 + max(_depth(nodes, one.left), _depth(nodes, one.right))
