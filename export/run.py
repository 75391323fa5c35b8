"""What a bundle takes over from a run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.bundle import REFERENCE, Manifest, Score
from core.errors import DataError
from core.golden import Arrays
from export.commit import commit
from export.prove import Judge
from export.source import Outputs
from training.job import evaluate
from training.judging.evaluation import MODEL
from training.runs.run import Run


def describe(run: Run, name: str, version: str) -> Manifest:
    """The manifest of a bundle of this run, its artefacts and files still to be filled in.

    `created_at` is what the run says of itself, so that exporting it twice, or a copy of it, gives the same digest.
    """
    return Manifest(
        name=name,
        version=version,
        family=run.recipe.model.family,
        interval=run.recipe.data.interval,
        inputs=run.inputs,
        outputs=run.outputs,
        attentions=run.attentions,
        artefacts=(),
        training=run.training,
        scores=run.scores,
        margins=run.facts.margins,
        calibration=run.facts.calibration,
        recipe=msgspec.to_builtins(run.recipe),
        commit=commit(),
        created_at=run.facts.created_at,
    )


def read_sample(folder: Path) -> tuple[dict[str, npt.NDArray[Any]], bytes]:
    """The run's sample of bars, and its reference.npz as it is.

    Raises: DataError: the run has none.
    """
    try:
        with np.load(folder / "sample.npz", allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}, (folder / REFERENCE).read_bytes()
    except (FileNotFoundError, ValueError) as error:
        raise DataError(f"{folder} lacks what a bundle is proven on ({error}); try: gaze train again") from error


def judge_on(run: Run, bars: Path) -> Judge:
    """Scores on every window of a file that lies after what the run was trained and chosen on."""
    of_model = tuple(one for one in evaluate(run, bars).scores if one.predictor == MODEL)

    def judge(kind: str, say: Callable[[Arrays], Outputs]) -> tuple[Score, ...]:
        served = msgspec.structs.replace(run, model=_Served(run, say))
        scores = (one for one in evaluate(served, bars).scores if one.predictor == MODEL)
        return (*of_model, *(msgspec.structs.replace(one, predictor=kind) for one in scores))

    return judge


class _Served(torch.nn.Module):
    """A form of the run's model in the place of the model."""

    def __init__(self, run: Run, say: Callable[[Arrays], Outputs]) -> None:
        super().__init__()
        self.model = run.model
        self.names = [one.name for one in run.inputs]
        self.say = say

    def forward(self, *x_NTF: Tensor) -> dict[str, Tensor]:
        """(N, T, F) of each input -> every output and attention by name."""
        inputs = {name: values.numpy() for name, values in zip(self.names, x_NTF, strict=True)}
        return {name: torch.from_numpy(values) for name, values in self.say(inputs).items()}
