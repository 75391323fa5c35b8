"""What is explained: a run or a bundle, as one thing that says its outputs and its attention."""

from pathlib import Path
from typing import Literal

import msgspec
from torch import nn

from core import bundle
from core.bundle import Input, Score, Training
from core.errors import UNREADABLE, DataError
from core.outputs import Attention, Kind, Output
from training import tables
from training.explain import bundled
from training.explain.reads import Say, speaker
from training.fitting.history import Epoch
from training.recipe import Recipe
from training.runs import run


class Subject(msgspec.Struct, frozen=True):
    """A model to be explained. `say` gives every output and attention for what the inputs read.

    `model` is there for a run: a bundle gives no gradients. `history` too: a bundle forgets its epochs.
    """

    folder: Path
    kind: Literal["run", "bundle", "untrained"]
    name: str
    digest: str
    recipe: Recipe
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    attentions: tuple[Attention, ...]
    training: Training
    scores: tuple[Score, ...]
    history: tuple[Epoch, ...]
    say: Say
    model: nn.Module | None = None

    def reading(self, records: str) -> "Subject":
        """The same, reading these external records instead of those of training, where any are named."""
        if not records:
            return self
        data = msgspec.structs.replace(self.recipe.data, records=records)
        return msgspec.structs.replace(self, recipe=msgspec.structs.replace(self.recipe, data=data))

    def output(self, name: str | None = None) -> Output:
        """The output of this name, or the first that says up or down.

        Raises: DataError: there is none.
        """
        directed = [output for output in self.outputs if output.kind is not Kind.DEVIATION]
        for output in directed:
            if name in {None, output.name}:
                return output
        has = ", ".join(output.name for output in directed) or "none that says up or down"
        raise DataError(f"{self.folder} has no output {name or ''!r}; it has {has}. try: --output with one of them")


def read(folder: Path) -> Subject:
    """A run or a bundle.

    Raises: DataError, BundleError: it is neither, it is damaged, or it has no attention.
    """
    if (folder / run.MANIFEST).is_file():
        subject = _run(folder)
    elif (folder / bundle.MANIFEST).is_file():
        subject = _bundle(folder)
    else:
        raise DataError(
            f"{folder} is neither a run nor a bundle: it has no {run.MANIFEST} and no {bundle.MANIFEST}. "
            "try: gaze train demo --bars FILE --out RUN"
        )
    if all(one.gates for one in subject.attentions):
        raise DataError(f"{folder} has no attention to explain; try: a family with attention, such as hourly_lstm")
    return subject


def _run(folder: Path) -> Subject:
    loaded = run.load(folder)
    try:
        history = msgspec.json.decode((folder / "history.json").read_bytes(), type=tuple[Epoch, ...])
    except (*UNREADABLE, FileNotFoundError) as error:
        raise DataError(f"{folder}/history.json cannot be read ({error}); try: gaze train again") from error
    return Subject(
        folder,
        "run",
        loaded.recipe.name,
        "",
        loaded.recipe,
        loaded.inputs,
        loaded.outputs,
        loaded.attentions,
        loaded.training,
        loaded.scores,
        history,
        speaker(loaded.model, loaded.inputs),
        loaded.model,
    )


def _bundle(folder: Path) -> Subject:
    found = bundle.read(folder)
    manifest = found.manifest
    told = tables.fit(Recipe, manifest.recipe, str(folder / bundle.MANIFEST))
    return Subject(
        folder,
        "bundle",
        manifest.name,
        found.digest,
        told,
        manifest.inputs,
        manifest.outputs,
        manifest.attentions,
        manifest.training,
        manifest.scores,
        (),
        bundled.speaker(found),
    )
