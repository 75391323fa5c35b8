"""A run: the folder that a training leaves behind, written whole or not at all.

recipe.toml      the recipe, every key said
run.json         what went in and what the model says: inputs, outputs, attentions, spans, fingerprint, seconds
checkpoint.pt    the weights of the best epoch, the normalisation among them; read with weights_only
history.json     the losses of every epoch
metrics.json     scores on the test part beside the baselines, with intervals
peeks.json       how often the final span was looked at
baselines.npz    what the baselines learned from the training part
sample.npz       bars of some test windows, to prove exports on
reference.npz    how attention looked on the validation part: what drift is measured against
"""

import io
import shutil
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from core.bands import Margin
from core.bundle import Input, Score, Training
from core.errors import UNREADABLE, DataError, UsageError
from core.outputs import Attention, Output
from training import families, recipe
from training.fitting import calibration
from training.fitting.history import Epoch
from training.judging.evaluation import Evaluation
from training.network.model import Model
from training.recipe import Recipe
from training.runs import ensemble, peeks
from training.runs.peeks import Peek

MANIFEST: Final = "run.json"
Arrays = dict[str, npt.NDArray[Any]]
T = TypeVar("T")


class Joined(msgspec.Struct, frozen=True):
    """One run that an ensemble was made of. `run`: what its folder was called."""

    run: str
    family: str
    seed: int
    weight: float


class Facts(msgspec.Struct, frozen=True):
    """What run.json says."""

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    attentions: tuple[Attention, ...]
    training: Training
    parameters: int
    best_epoch: int
    seconds: float
    torch: str
    ends: dict[str, tuple[int, int]]
    """Of "train", "validation" and "test": when the last bars of the first and of the last window opened."""
    created_at: str
    """When the training ended: UTC, "2026-01-31T12:00:00Z"."""
    calibration: dict[str, str] = {}
    """How each output was calibrated, in words; the maps are among the weights."""
    margins: tuple[Margin, ...] = ()
    """What makes bands of what the model says."""
    kind: Literal["model", "ensemble"] = "model"
    members: tuple[Joined, ...] = ()
    """Of an ensemble: the runs it was made of."""


class Run(msgspec.Struct, frozen=True):
    """A run read back: the model has its weights and is in evaluation mode, on the CPU."""

    folder: Path
    recipe: Recipe
    model: Model
    facts: Facts
    evaluation: Evaluation
    baselines: Arrays

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What the model reads."""
        return self.facts.inputs

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What the model says."""
        return self.facts.outputs

    @property
    def attentions(self) -> tuple[Attention, ...]:
        """The attention outputs of the model."""
        return self.facts.attentions

    @property
    def training(self) -> Training:
        """What it was trained on."""
        return self.facts.training

    @property
    def scores(self) -> tuple[Score, ...]:
        """Its scores and those of the baselines, on the test part."""
        return self.evaluation.scores


def refuse_taken(folder: Path, *, replace: bool) -> None:
    """Refuse to write over what is there, unless it is a run and may be replaced.

    Raises: UsageError: the folder is there.
    """
    if not folder.exists():
        return
    if not (folder / MANIFEST).is_file():
        raise UsageError(f"{folder} exists and is not a run; try: another --out")
    if not replace:
        raise UsageError(f"{folder} holds a run already; try: another --out, or --replace")


def write(
    folder: Path,
    recipe: Recipe,
    facts: Facts,
    model: Model,
    history: tuple[Epoch, ...],
    evaluation: Evaluation,
    baselines: Arrays,
    sample: Arrays,
    reference: Arrays,
) -> None:
    """Write a run into a folder beside, then move it into place over what was there."""
    weights = io.BytesIO()
    torch.save(model.state_dict(), weights)
    files = {
        "recipe.toml": recipe.toml().encode(),
        MANIFEST: _json(facts),
        "checkpoint.pt": weights.getvalue(),
        "history.json": _json(history),
        "metrics.json": _json(evaluation),
        peeks.FILE: peeks.encoded(_peeks(recipe, facts, evaluation)),
        "baselines.npz": _npz(baselines),
        "sample.npz": _npz(sample),
        "reference.npz": _npz(reference),
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.writing")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    for name, content in files.items():
        (beside / name).write_bytes(content)
    if folder.exists():
        replaced = folder.with_name(f".{folder.name}.replaced")
        shutil.rmtree(replaced, ignore_errors=True)
        folder.rename(replaced)
        beside.rename(folder)
        shutil.rmtree(replaced)
    else:
        beside.rename(folder)


def load(folder: Path) -> Run:
    """Read a run.

    Raises: DataError: no run, or one whose files do not fit each other.
    """
    if not (folder / MANIFEST).is_file():
        raise DataError(f"{folder} is not a run: it has no {MANIFEST}. try: gaze train demo --bars FILE --out {folder}")
    told = recipe.read(str(folder / "recipe.toml"))
    facts = _decode(folder / MANIFEST, Facts)
    model = _built(told, facts)
    try:
        model.load_state_dict(torch.load(folder / "checkpoint.pt", map_location="cpu", weights_only=True))
    except RuntimeError as error:
        raise DataError(f"{folder}/checkpoint.pt does not fit its recipe ({error}); try: gaze train again") from error
    with np.load(folder / "baselines.npz", allow_pickle=False) as stored:
        baselines = {name: stored[name] for name in stored.files}
    return Run(folder, told, model.eval(), facts, _decode(folder / "metrics.json", Evaluation), baselines)


def history(folder: Path) -> tuple[Epoch, ...]:
    """The epochs of a run; an ensemble has none of its own.

    Raises: DataError: the file is not there, or damaged.
    """
    return _decode(folder / "history.json", tuple[Epoch, ...])


def _built(told: Recipe, facts: Facts) -> Model:
    # Building draws random weights that are replaced at once; the caller's random state is left as it was.
    with torch.random.fork_rng(devices=[]):
        if facts.kind == "ensemble":
            return ensemble.build(told.model.options, facts.inputs, facts.outputs)
        model = families.build(told.model.family, told.model.options, facts.inputs, facts.outputs)
    calibration.attach(model, told.calibration)
    return model


def _peeks(recipe: Recipe, facts: Facts, evaluation: Evaluation) -> tuple[Peek, ...]:
    """Scoring the test part was the first look; a fold's lies before the final span."""
    by = "gaze train" if facts.kind == "model" else "gaze ensemble"
    return () if recipe.split.fold else (Peek(facts.created_at, by, evaluation.bars_fingerprint),)


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2)


def _decode(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (*UNREADABLE, FileNotFoundError) as error:
        raise DataError(f"{path} cannot be read ({error}); try: gaze train again") from error


def _npz(arrays: Arrays) -> bytes:
    stored = io.BytesIO()
    np.savez(stored, allow_pickle=False, **arrays)
    return stored.getvalue()
