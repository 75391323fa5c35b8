"""Forecasts that need no model: what every score must stand beside.

To add a baseline: write how it learns from the training part and how it foretells, and add its line to BASELINES.
What it learned is kept in the run, so that `gaze evaluate` judges it on bars it never saw.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.bars import CLOSE
from core.outputs import Output
from training.dataset import Samples

Floats = npt.NDArray[np.float64]
Learned = dict[str, npt.NDArray[Any]]

ERRORS: Final = ("mse", "rmse", "mae")


class Baseline(msgspec.Struct, frozen=True):
    """`measures`: those of training.scores.MEASURES in which it says something; empty means all of them."""

    learn: Callable[[Samples, Output], Learned]
    foretell: Callable[[Learned, Samples, Output], Floats]
    measures: tuple[str, ...] = ()


def _nothing(_: Samples, __: Output) -> Learned:
    return {}


def _zero(_: Learned, samples: Samples, __: Output) -> Floats:
    return np.zeros(len(samples))


def _persistence(_: Learned, samples: Samples, output: Output) -> Floats:
    """The return over the horizon to come is that over the horizon just past."""
    log_close_R = np.log(samples.panel.bars_R5[:, CLOSE])
    return log_close_R[samples.ends_N] - log_close_R[samples.ends_N - output.horizon]


def _majority(samples: Samples, output: Output) -> Learned:
    rising = (samples.target(output) > 0).mean()
    return {"sign": np.array(1.0 if rising >= 0.5 else -1.0)}  # noqa: PLR2004 - one half


def _always(learned: Learned, samples: Samples, _: Output) -> Floats:
    return np.full(len(samples), float(learned["sign"]))


BASELINES: Final[dict[str, Baseline]] = {
    "zero": Baseline(_nothing, _zero, ERRORS),
    "persistence": Baseline(_nothing, _persistence),
    "majority": Baseline(_majority, _always, ("direction",)),
}


def learn(samples: Samples) -> Learned:
    """What all baselines learn of all outputs, under BASELINE.OUTPUT.NAME."""
    return {
        f"{name}.{output.name}.{key}": value
        for name, baseline in BASELINES.items()
        for output in samples.panel.outputs
        for key, value in baseline.learn(samples, output).items()
    }


def foretell(name: str, learned: Learned, samples: Samples, output: Output) -> Floats:
    """(N,): one baseline's forecasts."""
    prefix = f"{name}.{output.name}."
    own = {key.removeprefix(prefix): value for key, value in learned.items() if key.startswith(prefix)}
    return BASELINES[name].foretell(own, samples, output)
