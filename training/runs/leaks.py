"""What training knew of the windows that it is judged on: found by construction, from the run and the bars.

A score beside a leak means nothing, however narrow its interval.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from training.data.dataset import Panel, Samples
from training.data.scales import Scale
from training.data.split import Parts
from training.network.model import Model, Normalise
from training.recipe import Recipe
from training.runs.run import Facts

NEAR: Final = 1e-3
"""Of a feature's deviation: further away, mean and deviation are not those of the training part."""


def leaks(recipe: Recipe, facts: Facts, model: Model, judged: Samples, parts: Parts | None) -> tuple[str, ...]:
    """A sentence for each leak. `parts`: those of the run, where the bars are the ones it was trained on."""
    found = [_shuffled(recipe), _in_time(facts, judged), _labels(facts, judged)]
    if parts is not None and recipe.data.normalise:
        found += _scalers(model, parts)
    return tuple(sentence for sentence in found if sentence)


def _shuffled(recipe: Recipe) -> str:
    if not recipe.split.shuffled:
        return ""
    return (
        "split.shuffled dealt the windows to the parts by chance: beside most of those judged lie windows that were "
        "trained on, which share all but a few of their bars"
    )


def _in_time(facts: Facts, judged: Samples) -> str:
    """Windows that end no later than the last one that was trained on."""
    last = facts.ends["train"][1]
    count = int((judged.opened_at_ms <= last).sum())
    return f"{count:,} of the {len(judged):,} windows judged end before the last that was trained on" if count else ""


def _labels(facts: Facts, judged: Samples) -> str:
    """Bars that labels of the training or the validation part read, and that lie after the end of a window judged."""
    first = int(judged.opened_at_ms.min())
    for part, done in (("train", "trained on"), ("validation", "chosen on")):
        last = facts.training.spans[part][1]
        if last > first:
            until, begins = (str(np.datetime64(at, "ms"))[:16] for at in (last, first))
            return f"labels {done} look ahead until {until}, but windows judged end from {begins} on"
    return ""


def _scalers(model: Model, parts: Parts) -> list[str]:
    """Normalisations that are not those of the training part."""
    train, panel = parts.train, parts.train.panel
    whole = Samples(panel, panel.ends_N)
    found = []
    for name, read in _read_by(model, panel).items():
        scaler = model.get_submodule(name)
        assert isinstance(scaler, Normalise)
        if not _fits(scaler, read(train)):
            knew = "also of the windows judged" if _fits(scaler, read(whole)) else "not of the training part alone"
            found.append(f"{name} has the mean and deviation {knew}")
    return found


def _read_by(model: Model, panel: Panel) -> dict[str, Callable[[Samples], npt.NDArray[np.float32]]]:
    """The rows that each normalisation of a model is of; an ensemble has none of its own."""
    if not hasattr(model, "normalise"):
        return {}
    read: dict[str, Callable[[Samples], npt.NDArray[np.float32]]] = {"normalise": Samples.feature_rows}
    if panel.market is not None:
        read["normalise_market"] = Samples.market_rows
    for place, scale in enumerate(panel.scales):
        read[f"normalise_scales.{place}"] = partial(_scale_rows, scale)
    return read


def _scale_rows(scale: Scale, samples: Samples) -> npt.NDArray[np.float32]:
    return samples.scale_rows(scale)


def _fits(scaler: Normalise, rows_RF: npt.NDArray[np.float32]) -> bool:
    expected = Normalise(rows_RF.shape[1])
    expected.fit(rows_RF)
    away = ((scaler.mean - expected.mean) / expected.std).abs().max()
    ratio = (scaler.std / expected.std - 1).abs().max()
    return bool(max(away, ratio) < NEAR)
