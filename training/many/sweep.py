"""A sweep: many trainings of one recipe with some keys changed, compared by their validation loss alone.

Optuna chooses what to try next and keeps every trial in `sweep.sqlite`, so that a sweep goes on after it was cut off,
with the same trials as one that was not. As many are chosen at a time as may run at once, from the outcomes of those
before them alone: in whatever order and wherever they end, the next are the same. The final span is never predicted.
`best.toml` is the best trial's recipe.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import optuna
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from core import barfile, settings
from core.errors import ConfigError, DataError, UsageError
from training import recipe
from training.many.trial import Attempts, Outcome, in_turn

STORE: Final = "sweep.sqlite"
BEST: Final = "best.toml"
REFUSED: Final = "refused"
"""Why a trial could not be trained, among its attributes."""
SECONDS: Final = "seconds"
"""How long a trial was trained, among its attributes: what Optuna counts begins when it was chosen."""
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
        space = msgspec.convert(settings.parsed(path.read_bytes(), str(path)), Space)
    except FileNotFoundError as error:
        raise ConfigError(f'no space at {path}; try: a file with "optimiser.batch" = [64, 256]') from error
    except msgspec.ValidationError as error:
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

    def __init__(
        self,
        name: str,
        profile: str | None,
        changes: list[str],
        space: Space,
        bars: Path,
        out: Path,
        at_once: int = 1,
    ) -> None:
        """`at_once`: how many trials are chosen at a time, none from the outcomes of the others.

        Raises: UsageError: the folder holds another sweep, or something else. ConfigError: a key that is none.
        """
        if out.exists() and not (out / STORE).is_file():
            raise UsageError(f"{out} exists and is not a sweep; try: another --out")
        self._read = lambda more: recipe.read(name, profile, [*changes, *more])
        self.base: recipe.Recipe = self._read([])
        for key, values in space.items():
            # A key that is none would be refused in every trial, and the folder would keep that.
            self._read([_change(key, values[0] if isinstance(values, list) else values.low)])
        self._space, self._bars, self.folder, self._at_once = space, bars, out, at_once
        out.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._storage = RDBStorage(f"sqlite:///{out.resolve() / STORE}")
        self._study = optuna.create_study(storage=self._storage, study_name="sweep", load_if_exists=True)
        self._bind(barfile.read(bars, self.base.data.interval).fingerprint)

    def trials(self, count: int, ended: Callable[[Tried], None], attempts: Attempts = in_turn) -> list[Tried]:
        """Go on until there are so many, telling each that ends; all of them, best first.

        Raises: DataError: none of them could be trained.
        """
        for first in range(0, count, self._at_once):
            chosen = enumerate(self._chosen(first + self._at_once)[first:count], start=first + 1)
            self._try({number: trial for number, trial in chosen if not trial.state.is_finished()}, ended, attempts)
        numbered = enumerate(self._chosen(count), start=1)
        tried = [_tried(trial, number) for number, trial in numbered if trial.state.is_finished()]
        tried.sort(key=lambda one: float("inf") if one.loss is None else one.loss)
        if tried[0].loss is None:
            raise DataError(f"no trial could be trained: {tried[0].refused}")
        best = self._read([_change(key, value) for key, value in tried[0].changes.items()])
        # The deflated Sharpe ratio of what is trained of it allows for the best of so many.
        tries = max(best.evaluate.tries, len(tried))
        best = msgspec.structs.replace(best, evaluate=msgspec.structs.replace(best.evaluate, tries=tries))
        (self.folder / BEST).write_text(best.toml(), "utf-8")
        return tried

    def _chosen(self, count: int) -> list[FrozenTrial]:
        """Trials whose changes are all known, oldest first; so many at least.

        A sweep that was cut off while it chose leaves one that lacks some, which is chosen again.
        """
        while len(chosen := [one for one in self._study.get_trials(deepcopy=False) if self._whole(one)]) < count:
            # The draws of each trial hang on its place and on the trials that ended: others that run change nothing.
            self._study.sampler = TPESampler(seed=self.base.seed + len(chosen))
            trial = self._study.ask()
            for key, values in self._space.items():
                _suggest(trial, key, values)
        return chosen

    def _whole(self, trial: FrozenTrial) -> bool:
        return trial.params.keys() == self._space.keys()

    def _try(self, waiting: dict[int, FrozenTrial], ended: Callable[[Tried], None], attempts: Attempts) -> None:
        planned: dict[int, recipe.Recipe] = {}
        for number, trial in waiting.items():
            try:
                planned[number] = self._read([_change(key, value) for key, value in _changes(trial).items()])
            except ConfigError as error:
                ended(self._end(number, trial, Outcome(None, 0.0, str(error))))
        if planned:
            for number, outcome in attempts(planned, self._bars):
                ended(self._end(number, waiting[number], outcome))

    def _end(self, number: int, trial: FrozenTrial, outcome: Outcome) -> Tried:
        study = self._storage.get_study_id_from_name(self._study.study_name)
        row = self._storage.get_trial_id_from_study_id_trial_number(study, trial.number)
        self._storage.set_trial_user_attr(row, SECONDS, outcome.seconds)
        if outcome.loss is None:
            self._storage.set_trial_user_attr(row, REFUSED, outcome.refused)
            self._study.tell(trial.number, state=TrialState.FAIL)
        else:
            self._study.tell(trial.number, outcome.loss)
        return Tried(number, _changes(trial), outcome.loss, outcome.seconds, outcome.refused)

    def _bind(self, fingerprint: str) -> None:
        space = msgspec.json.encode(self._space).decode()
        of = {"recipe": self.base.toml(), "space": space, "bars": fingerprint, "--at-once": self._at_once}
        kept = self._study.user_attrs
        for what, value in of.items():
            if kept.get(what, value) != value:
                raise UsageError(f"{self.folder} holds a sweep with another {what}; try: another --out")
            self._study.set_user_attr(what, value)


def _suggest(trial: Trial, key: str, values: list[Any] | Range) -> None:
    if isinstance(values, list):
        # Optuna keeps strings and numbers; a list of layer sizes is neither.
        trial.suggest_categorical(key, list(dict.fromkeys(msgspec.json.encode(value).decode() for value in values)))
    elif isinstance(values.low, int) and isinstance(values.high, int):
        trial.suggest_int(key, values.low, values.high, step=int(values.step or 1), log=values.log)
    else:
        trial.suggest_float(key, values.low, values.high, step=values.step, log=values.log)


def _changes(trial: FrozenTrial) -> dict[str, Any]:
    return {key: msgspec.json.decode(value) if isinstance(value, str) else value for key, value in trial.params.items()}


def _change(key: str, value: object) -> str:
    return f"{key}={msgspec.json.encode(value).decode()}"


def _tried(trial: FrozenTrial, number: int) -> Tried:
    told = trial.user_attrs
    return Tried(number, _changes(trial), trial.value, float(told.get(SECONDS, 0)), str(told.get(REFUSED, "")))
