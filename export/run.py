"""What a bundle takes over from a run."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from core.bundle import REFERENCE, Manifest
from core.errors import DataError
from export.commit import commit
from training.run import Run


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
