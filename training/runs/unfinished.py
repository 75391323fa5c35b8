"""A training that was cut off: the file beside its run folder that it goes on from, written after every epoch.

`OUT.unfinished` holds tensors and plain values alone and is read with weights_only. It is gone once the run is written.
"""

import os
import pickle
from collections.abc import Sequence
from pathlib import Path

import torch

from core.errors import DataError, UsageError
from training.fitting.loop import State
from training.recipe import Recipe


def path_of(out: Path) -> Path:
    """Where the state of a training for a run folder is kept."""
    return out.with_name(f"{out.name}.unfinished")


def refuse_none(outs: Sequence[Path], *, fresh: bool) -> None:
    """Refuse to go on where there is nothing to go on with: none of these trainings was cut off, nor some of them done.

    Raises: UsageError: so it is, or what was cut off is to be forgotten too.
    """
    if fresh:
        raise UsageError("--resume goes on with what --fresh forgets; try: one of the two")
    if not any(path_of(out).is_file() or (len(outs) > 1 and out.is_dir()) for out in outs):
        raise UsageError(f"nothing was cut off: there is no {path_of(outs[0])}. try: without --resume, to begin")


class Unfinished:
    """The state of one training: of a recipe, on bars with a fingerprint, for a run folder."""

    def __init__(self, out: Path, recipe: Recipe, bars_fingerprint: str) -> None:
        self.path = path_of(out)
        self._beside = out.with_name(f".{self.path.name}.writing")
        self._of = {"recipe": recipe.toml(), "bars": bars_fingerprint}

    def read(self) -> State | None:
        """The state after the last epoch that ended; none if there was none.

        Raises: DataError: the file is damaged. UsageError: it is of another training.
        """
        if not self.path.is_file():
            return None
        try:
            told = torch.load(self.path, map_location="cpu", weights_only=True)
            of, state = told["of"], told["state"]
        except (RuntimeError, pickle.UnpicklingError, EOFError, LookupError, ValueError) as error:
            raise DataError(f"{self.path} cannot be read ({error}); try: --fresh, to begin anew") from error
        if of != self._of:
            what = "other bars" if of["recipe"] == self._of["recipe"] else "another recipe"
            raise UsageError(
                f"{self.path} is a training that was cut off, of {what}. try: the same command again, to go on; "
                "--fresh, to begin anew; or another --out"
            )
        assert isinstance(state, dict)
        return state

    def write(self, state: State) -> None:
        """Keep a state in the place of the one before; whatever happens meanwhile, one of the two is there."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._beside.open("wb") as file:
            torch.save({"of": self._of, "state": state}, file)
            file.flush()
            os.fsync(file.fileno())
        self._beside.replace(self.path)

    def remove(self) -> None:
        """Forget it."""
        self.path.unlink(missing_ok=True)
        self._beside.unlink(missing_ok=True)
