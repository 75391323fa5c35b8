"""Forecasts that need no network: what every score must stand beside.

To add a baseline: write how it learns from the training part and how it foretells, and add its line to BASELINES.
What it learned is kept in the run, so that `gaze evaluate` judges it on bars it never saw. N samples, W numbers.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.outputs import Kind, Output
from training.data.dataset import Samples
from training.data.summary import summary
from training.judging import boosting, ridge
from training.judging.scores import EVENTS, NUMBERS, of_kind

Floats = npt.NDArray[np.float64]
Learned = dict[str, npt.NDArray[Any]]
Looked = npt.NDArray[np.float32] | None
"""Where the model looked, (N, A); None where that is not known."""

ERRORS: Final = ("mse", "rmse", "mae")


class Baseline(msgspec.Struct, frozen=True):
    """`foretell` gives (N,), or (N, W). `kinds`: the outputs it foretells.

    `measures`: those of scores.MEASURES in which it says something; empty means all of them. `looks`: it is also given
    where the model looked, (N, A), as a last argument.
    """

    learn: Callable[..., Learned]
    foretell: Callable[..., Floats]
    kinds: frozenset[Kind]
    measures: tuple[str, ...] = ()
    looks: bool = False


def _nothing(_: Samples, __: Output) -> Learned:
    return {}


def _zero(_: Learned, samples: Samples, __: Output) -> Floats:
    return np.zeros(len(samples))


def _persistence(_: Learned, samples: Samples, output: Output) -> Floats:
    """What came to be over the horizon just past comes again; where that is not known, neither side."""
    before_N = samples.panel.targets[output.name][samples.ends_N - output.horizon]
    return np.where(np.isfinite(before_N), before_N, 0.5 if output.kind in EVENTS else 0.0)


def _frequencies(samples: Samples, output: Output) -> Learned:
    """The share of each class, of rising and falling where the label is a number."""
    label_N = samples.target(output)
    if output.kind in NUMBERS:
        return {"sign": np.array(1.0 if (label_N > 0).mean() >= 0.5 else -1.0)}  # noqa: PLR2004 - one half
    if output.kind in EVENTS:
        return {"share": np.array(label_N.mean())}
    return {"share": np.bincount(label_N.astype(np.int64), minlength=output.width) / len(label_N)}


def _always(learned: Learned, samples: Samples, _: Output) -> Floats:
    said = np.asarray(learned.get("sign", learned.get("share")), np.float64)
    return np.broadcast_to(said, (len(samples), *said.shape)).copy()


def _spread(samples: Samples, output: Output) -> Learned:
    """The quantiles, or the deviation, of all labels of the training part."""
    label_N = samples.target(output)
    return {"share": np.quantile(label_N, output.levels) if output.levels else np.sqrt(np.mean(label_N**2))}


def _linear(samples: Samples, output: Output) -> Learned:
    label_N = samples.target(output)
    classes = np.arange(output.width) if output.kind is Kind.ORDINAL else None
    y_NW = label_N[:, None] if classes is None else (label_N[:, None] == classes).astype(np.float64)
    return ridge.learn(summary(samples), y_NW)


def _of_linear(learned: Learned, samples: Samples, output: Output) -> Floats:
    said_NW = ridge.foretell(learned, summary(samples))
    if output.kind is Kind.ORDINAL:
        said_NW = said_NW.clip(1e-6, None)
        return np.asarray(said_NW / said_NW.sum(axis=1, keepdims=True))
    return np.asarray(said_NW[:, 0].clip(0, 1) if output.kind in EVENTS else said_NW[:, 0])


def _trees(samples: Samples, output: Output, looked_NA: Looked = None) -> Learned:
    x_NP, label_N = _read(samples, looked_NA), samples.target(output)
    if output.kind is Kind.QUANTILES:
        levels = dict(enumerate(output.levels))
        return {f"trees_{place}": boosting.learn(x_NP, label_N, "quantile", alpha=at) for place, at in levels.items()}
    if output.kind is Kind.ORDINAL:
        return {"trees": boosting.learn(x_NP, label_N, "multiclass", num_class=output.width)}
    return {"trees": boosting.learn(x_NP, label_N, "binary" if output.kind in EVENTS else "regression")}


def _of_trees(learned: Learned, samples: Samples, output: Output, looked_NA: Looked = None) -> Floats:
    x_NP = _read(samples, looked_NA)
    if output.kind is Kind.QUANTILES:
        said = [boosting.foretell(learned[f"trees_{place}"], x_NP) for place in range(output.width)]
        return np.sort(np.stack(said, axis=1), axis=1)
    return boosting.foretell(learned["trees"], x_NP)


def _read(samples: Samples, looked_NA: Looked) -> Floats:
    """(N, P): a window in few numbers, and where the model looked in it."""
    return summary(samples) if looked_NA is None else np.concatenate([summary(samples), looked_NA], axis=1)


TREES: Final = NUMBERS | EVENTS | {Kind.ORDINAL, Kind.QUANTILES}

BASELINES: Final[dict[str, Baseline]] = {
    "zero": Baseline(_nothing, _zero, NUMBERS, ERRORS),
    "persistence": Baseline(_nothing, _persistence, NUMBERS | EVENTS),
    "majority": Baseline(_frequencies, _always, NUMBERS | EVENTS | {Kind.ORDINAL}),
    "usual": Baseline(_spread, _always, frozenset({Kind.QUANTILES, Kind.DEVIATION})),
    "linear": Baseline(_linear, _of_linear, NUMBERS | EVENTS | {Kind.ORDINAL}),
    "boosting": Baseline(_trees, _of_trees, TREES),
    "boosting_gaze": Baseline(_trees, _of_trees, TREES, looks=True),
}


def beside(output: Output, *, looked: bool = False) -> dict[str, tuple[str, ...]]:
    """The baselines of an output and the measures in which each says something.

    `looked`: whether those that read where the model looked can be asked.
    """
    every = of_kind(output.kind)
    found = {}
    for name, baseline in BASELINES.items():
        if output.kind in baseline.kinds and (looked or not baseline.looks):
            # Always naming one direction says nothing of sizes.
            own = ("direction",) if name == "majority" and output.kind in NUMBERS else baseline.measures
            found[name] = own or every
    return found


def looks(learned: Learned) -> bool:
    """Whether some of what was learned reads where the model looked."""
    return any(BASELINES[key.partition(".")[0]].looks for key in learned)


def learn(samples: Samples, looked_NA: Looked = None) -> Learned:
    """What all baselines learn of all outputs, under BASELINE.OUTPUT.NAME, from those whose label is known."""
    learned: Learned = {}
    for output in samples.panel.outputs:
        known = samples.known(output)
        known_NA = None if looked_NA is None else looked_NA[np.isfinite(samples.target(output))]
        for name in beside(output, looked=looked_NA is not None):
            baseline = BASELINES[name]
            own = baseline.learn(known, output, known_NA) if baseline.looks else baseline.learn(known, output)
            learned |= {f"{name}.{output.name}.{key}": value for key, value in own.items()}
    return learned


def foretell(name: str, learned: Learned, samples: Samples, output: Output, looked_NA: Looked = None) -> Floats:
    """(N,) or (N, W): one baseline's forecasts."""
    prefix = f"{name}.{output.name}."
    own = {key.removeprefix(prefix): value for key, value in learned.items() if key.startswith(prefix)}
    baseline = BASELINES[name]
    return (
        baseline.foretell(own, samples, output, looked_NA)
        if baseline.looks
        else baseline.foretell(own, samples, output)
    )
