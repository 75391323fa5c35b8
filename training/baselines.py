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
from training.dataset import Samples
from training.scores import EVENTS, NUMBERS, of_kind

Floats = npt.NDArray[np.float64]
Learned = dict[str, npt.NDArray[Any]]

ERRORS: Final = ("mse", "rmse", "mae")
EVERY: Final = frozenset(Kind)


class Baseline(msgspec.Struct, frozen=True):
    """`foretell` gives (N,), or (N, W). `kinds`: the outputs it foretells.

    `measures`: those of training.scores.MEASURES in which it says something; empty means all of them.
    """

    learn: Callable[[Samples, Output], Learned]
    foretell: Callable[[Learned, Samples, Output], Floats]
    kinds: frozenset[Kind]
    measures: tuple[str, ...] = ()


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
    label_N = samples.known(output).target(output)
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


BASELINES: Final[dict[str, Baseline]] = {
    "zero": Baseline(_nothing, _zero, NUMBERS, ERRORS),
    "persistence": Baseline(_nothing, _persistence, NUMBERS | EVENTS),
    "majority": Baseline(_frequencies, _always, NUMBERS | EVENTS | {Kind.ORDINAL}),
    "usual": Baseline(_spread, _always, frozenset({Kind.QUANTILES, Kind.DEVIATION})),
}


def beside(output: Output) -> dict[str, tuple[str, ...]]:
    """The baselines of an output and the measures in which each says something."""
    every = of_kind(output.kind)
    found = {}
    for name, baseline in BASELINES.items():
        if output.kind in baseline.kinds:
            # Always naming one direction says nothing of sizes.
            own = ("direction",) if name == "majority" and output.kind in NUMBERS else baseline.measures
            found[name] = own or every
    return found


def learn(samples: Samples) -> Learned:
    """What all baselines learn of all outputs, under BASELINE.OUTPUT.NAME."""
    return {
        f"{name}.{output.name}.{key}": value
        for output in samples.panel.outputs
        for name in beside(output)
        for key, value in BASELINES[name].learn(samples, output).items()
    }


def foretell(name: str, learned: Learned, samples: Samples, output: Output) -> Floats:
    """(N,) or (N, W): one baseline's forecasts."""
    prefix = f"{name}.{output.name}."
    own = {key.removeprefix(prefix): value for key, value in learned.items() if key.startswith(prefix)}
    return BASELINES[name].foretell(own, samples, output)
