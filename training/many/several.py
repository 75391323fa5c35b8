"""Several trainings of one recipe: of universes, by folds that walk forward, by seeds, and how their scores spread.

The folder holds a run folder for each training, `fold_1`, `seed_0` or `universe_majors_fold_1_seed_0`, and
`several.json`. A run that is there is not trained again: what was cut off goes on when the same command is given.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from core.errors import DataError, UsageError
from training.job import Job
from training.judging.evaluation import MODEL, Evaluation
from training.judging.scores import lower_is_better
from training.many.universes import Universes
from training.recipe import Recipe
from training.runs import run
from training.runs.run import Run

FILE: Final = "several.json"
_OURS: Final = ("universe_", "fold_", "seed_", FILE)


class Spread(msgspec.Struct, frozen=True):
    """One measure of one predictor over the trainings. `ahead`: in how many the model was better than this baseline."""

    output: str
    measure: str
    predictor: str
    mean: float
    deviation: float
    lowest: float
    highest: float
    trainings: int
    ahead: int


class Several(msgspec.Struct, frozen=True):
    """What several.json says."""

    runs: tuple[str, ...]
    spreads: tuple[Spread, ...]


def plan(recipe: Recipe, seeds: int, universes: Universes | None = None) -> dict[str, Recipe]:
    """The recipe of each training by the name of its folder; empty where it is one training alone."""
    replace = msgspec.structs.replace
    folds = range(1, recipe.split.folds + 1) if recipe.split.folds and not recipe.split.fold else ()
    planned: dict[str, Recipe] = {}
    for universe, symbols in (universes or {"": recipe.data.symbols}).items():
        data = replace(recipe.data, symbols=symbols)
        for fold in folds or (0,):
            split = replace(recipe.split, fold=fold) if fold else recipe.split
            for seed in range(seeds) if seeds > 1 else (0,):
                words = [f"universe_{universe}"] * bool(universe) + [f"fold_{fold}"] * bool(fold)
                name = "_".join(words + [f"seed_{seed}"] * (seeds > 1))
                planned[name] = replace(recipe, data=data, split=split, seed=recipe.seed + seed)
    return {} if list(planned) == [""] else planned


def refuse_taken(folder: Path, *, replace: bool) -> None:
    """Refuse to write into what is there, unless it is what these trainings left, whole or cut off.

    Raises: UsageError: something else is there, or they ended.
    """
    if not folder.exists():
        return
    strange = [path.name for path in folder.iterdir() if not path.name.lstrip(".").startswith(_OURS)]
    if strange:
        raise UsageError(f"{folder} holds other things than trainings, {strange[0]} for one; try: another --out")
    if (folder / FILE).exists() and not replace:
        raise UsageError(f"{folder} holds trainings already; try: another --out, or --replace")


def train(
    planned: dict[str, Recipe], bars: Path, out: Path, one: Callable[[Job, Path], Run], *, again: bool
) -> Iterator[tuple[str, Run]]:
    """Train each in turn by `one`, giving its name and its run; those that are there only if `again`."""
    for name, recipe in planned.items():
        job, folder = Job(recipe, bars), out / name
        there = None if again else _there(folder, job)
        yield name, there or one(job, folder)


def trained(planned: dict[str, Recipe], bars: Path, out: Path) -> dict[str, Run]:
    """Those that are there already. Raises: DataError: one is of another recipe or other bars."""
    begun = {name: recipe for name, recipe in planned.items() if (out / name / run.MANIFEST).is_file()}
    found = {name: _there(out / name, Job(recipe, bars)) for name, recipe in begun.items()}
    return {name: one for name, one in found.items() if one}


def conclude(out: Path, runs: dict[str, Run]) -> Several:
    """Write several.json."""
    told = Several(tuple(runs), _spreads([one.evaluation for one in runs.values()]))
    (out / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2))
    return told


def _there(folder: Path, job: Job) -> Run | None:
    """The run that is there already."""
    if not (folder / run.MANIFEST).is_file():
        return None
    found = run.load(folder)
    if (found.recipe, found.training.bars_fingerprint) != (job.recipe, job.fingerprint):
        raise DataError(f"{folder} is of another recipe or other bars; try: another --out, or --replace")
    return found


def _spreads(evaluations: list[Evaluation]) -> tuple[Spread, ...]:
    values: dict[tuple[str, str, str], list[float]] = {}
    ahead: dict[tuple[str, str, str], int] = {}
    for evaluation in evaluations:
        own = {(score.output, score.measure): score.value for score in evaluation.scores if score.predictor == MODEL}
        for score in evaluation.scores:
            key = (score.output, score.measure, score.predictor)
            values.setdefault(key, []).append(score.value)
            less = own[key[:2]] < score.value if key[:2] in own else False
            more = own[key[:2]] > score.value if key[:2] in own else False
            ahead[key] = ahead.get(key, 0) + (less if lower_is_better(score.measure) else more)
    return tuple(
        Spread(
            *key, float(np.mean(of)), float(np.std(of, ddof=min(1, len(of) - 1))), min(of), max(of), len(of), ahead[key]
        )
        for key, of in values.items()
    )
