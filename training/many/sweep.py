"""A sweep: many trainings of one recipe with some keys changed, compared by their validation loss alone.

Optuna chooses what to try next and keeps every trial in `sweep.sqlite`, so that a sweep goes on after it was cut off,
with the same trials as one that was not. The final span is never predicted. `best.toml` is the best trial's recipe.
"""

import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import optuna
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from core import barfile
from core.errors import ConfigError, DataError, UsageError
from training import recipe
from training.fitting import loop
from training.job import Job
from training.recipe import Recipe

STORE: Final = "sweep.sqlite"
BEST: Final = "best.toml"
REFUSED: Final = "refused"
"""Why a trial could not be trained, among its attributes; one that was cut off has neither a value nor this."""
FIXED: Final = (
    *("name", "seed", "label.", "split.", "loss.", "calibration.", "profiles.", "optimiser.loss", "optimiser.device"),
    *("data.interval", "data.symbols", "data.sessions", "data.market", "window.stride", "window.kind"),
)
"""Keys that change which windows are validated or what their loss means: trials would not compare."""


class Range(msgspec.Struct, frozen=True):
    """From `low` to `high`, whole numbers if both are; `log`: small values are tried as often as large ones."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None


Space = dict[str, list[Any] | Range]


class Tried(msgspec.Struct, frozen=True):
    """One trial: its best validation loss, or why it could not be trained."""

    number: int
    changes: dict[str, Any]
    loss: float | None
    seconds: float
    refused: str = ""


def read_space(path: Path) -> Space:
    """Keys of a recipe and what to try for each: a list, or a table with low and high.

    Raises: ConfigError: no such file, not TOML, or a key that must stay as it is.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
        space = msgspec.convert(table, Space)
    except FileNotFoundError as error:
        raise ConfigError(f'no space at {path}; try: a file with "optimiser.batch" = [64, 256]') from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(
            f'{path}: {error}; try: "optimiser.learning_rate" = {{ low = 1e-4, high = 1e-2, log = true }}'
        ) from error
    for key, values in space.items():
        if key.startswith(FIXED):
            raise ConfigError(f"{path}: with another {key} validation losses do not compare; try: without it")
        if isinstance(values, list) and not values:
            raise ConfigError(f"{path}: {key} has nothing to try; try: one value or more")
    if not space:
        raise ConfigError(f'{path} names no key; try: "optimiser.batch" = [64, 256]')
    return space


class Sweep:
    """The trials of one recipe, space and file of bars, kept in a folder."""

    def __init__(self, name: str, profile: str | None, changes: list[str], space: Space, bars: Path, out: Path) -> None:
        """Raises: UsageError: the folder holds another sweep, or something else."""
        if out.exists() and not (out / STORE).is_file():
            raise UsageError(f"{out} exists and is not a sweep; try: another --out")
        self._read = lambda more: recipe.read(name, profile, [*changes, *more])
        self.base: Recipe = self._read([])
        self._space, self._bars, self.folder = space, bars, out
        out.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(
            storage=f"sqlite:///{out.resolve() / STORE}", study_name="sweep", load_if_exists=True
        )
        self._bind(barfile.read(bars, self.base.data.interval).fingerprint)

    def trials(self, count: int, ended: Callable[[Tried], None]) -> list[Tried]:
        """Go on until there are so many, telling each that ends; all of them, best first.

        Raises: DataError: none of them could be trained.
        """
        while len(done := self._done()) < count:
            # The draws of each trial hang on the trials before it alone: a sweep that was cut off repeats none of them.
            self._study.sampler = TPESampler(seed=self.base.seed + len(done))
            ended(self._try(self._study.ask(), len(done) + 1))
        tried = [_tried(trial, number) for number, trial in enumerate(self._done(), start=1)]
        tried.sort(key=lambda one: float("inf") if one.loss is None else one.loss)
        if tried[0].loss is None:
            raise DataError(f"no trial could be trained: {tried[0].refused}")
        best = self._read([_change(key, value) for key, value in tried[0].changes.items()])
        # The deflated Sharpe ratio of what is trained of it allows for the best of so many.
        tries = max(best.evaluate.tries, len(tried))
        best = msgspec.structs.replace(best, evaluate=msgspec.structs.replace(best.evaluate, tries=tries))
        (self.folder / BEST).write_text(best.toml(), "utf-8")
        return tried

    def _try(self, trial: Trial, number: int) -> Tried:
        changes = {key: _suggest(trial, key, values) for key, values in self._space.items()}
        started = time.perf_counter()
        try:
            loss = _trained(self._read([_change(key, value) for key, value in changes.items()]), self._bars)
        except (ConfigError, DataError) as error:
            trial.set_user_attr(REFUSED, str(error))
            self._study.tell(trial, state=TrialState.FAIL)
            return Tried(number, changes, None, time.perf_counter() - started, str(error))
        self._study.tell(trial, loss)
        return Tried(number, changes, loss, time.perf_counter() - started)

    def _done(self) -> list[FrozenTrial]:
        """Trials with a value or a reason for none, oldest first."""
        return [
            trial
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state is TrialState.COMPLETE or REFUSED in trial.user_attrs
        ]

    def _bind(self, fingerprint: str) -> None:
        of = {"recipe": self.base.toml(), "space": msgspec.json.encode(self._space).decode(), "bars": fingerprint}
        kept = self._study.user_attrs
        for what, value in of.items():
            if kept.get(what, value) != value:
                raise UsageError(f"{self.folder} holds a sweep with another {what}; try: another --out")
            self._study.set_user_attr(what, value)


def _trained(told: Recipe, bars: Path) -> float:
    """The best validation loss; what is judged later is not looked at."""
    job = Job(told, bars)
    loop.set_up(job.model, job.parts, normalise=told.data.normalise)
    return min(epoch.validation_loss for epoch in loop.fit(job.model, job.parts, told, lambda *_: None))


def _suggest(trial: Trial, key: str, values: list[Any] | Range) -> Any:
    if isinstance(values, list):
        # Optuna keeps strings and numbers; a list of layer sizes is neither.
        told = {msgspec.json.encode(value).decode(): value for value in values}
        return told[str(trial.suggest_categorical(key, list(told)))]
    if isinstance(values.low, int) and isinstance(values.high, int):
        return trial.suggest_int(key, values.low, values.high, step=int(values.step or 1), log=values.log)
    return trial.suggest_float(key, values.low, values.high, step=values.step, log=values.log)


def _change(key: str, value: object) -> str:
    return f"{key}={msgspec.json.encode(value).decode()}"


def _tried(trial: FrozenTrial, number: int) -> Tried:
    changes = {
        key: msgspec.json.decode(value) if isinstance(value, str) else value for key, value in trial.params.items()
    }
    seconds = trial.duration.total_seconds() if trial.duration else 0.0
    return Tried(number, changes, trial.value, seconds, str(trial.user_attrs.get(REFUSED, "")))
