"""Several runs side by side on the windows that all of them may be judged on, every difference over the same draws.

N windows, D draws.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.bundle import Score
from core.errors import DataError, UsageError
from core.outputs import Output
from training import job
from training.data.dataset import Samples
from training.judging.evaluation import COMPARED, FEWEST_MOMENTS, Comparison, Judged
from training.judging.intervals import bootstrap
from training.judging.predicting import predict
from training.judging.scores import MEASURES, limits, of_kind
from training.runs.leaks import leaks
from training.runs.run import Run

MAIN: Final = 0
"""The place in COMPARED of the measure that decides which run is recommended."""


class Subject(msgspec.Struct, frozen=True):
    """One of the runs compared: what it is called here, what it is, and what it cost."""

    name: str
    folder: str
    family: str
    parameters: int
    seconds: float
    best_epoch: int
    leaks: tuple[str, ...] = ()


class Compared(msgspec.Struct, frozen=True):
    """What `gaze compare` reports. The predictor of a score is the name of a run."""

    bars_fingerprint: str
    windows: int
    symbols: int
    span: tuple[int, int]
    runs: tuple[Subject, ...]
    scores: tuple[Score, ...]
    differences: tuple["Difference", ...]
    recommendations: tuple[str, ...]


class Difference(msgspec.Struct, frozen=True):
    """A run less the first run in one measure, both over the same draws of blocks of time."""

    run: str
    against: str
    output: str
    measure: str
    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Better, worse, or not distinguishable."""
        return Comparison(self.output, self.measure, self.against, self.difference, self.low, self.high).verdict


def compare(runs: Sequence[Run], bars: Path) -> Compared:
    """Judge every run on the windows that come after what any of them was trained or chosen on.

    Raises: UsageError: fewer than two runs. DataError: runs of other bars, with no window or no output in common, or
    whose outputs of one name mean different things.
    """
    names = _names(runs)
    given = [job.unseen(run, bars) for run in runs]
    _refuse_strangers(runs, names)
    common = _common([samples for samples, _, _ in given])
    shared = [one for one in runs[0].outputs if all(one.name in {own.name for own in run.outputs} for run in runs)]
    if not shared:
        raise DataError(f"{' and '.join(names)} foretell nothing in common; try: gaze evaluate for each alone")
    said = [
        predict(run.model, samples, {one.name for one in shared}) for run, samples in zip(runs, common, strict=True)
    ]
    scores: list[Score] = []
    differences: list[Difference] = []
    recommendations = []
    subjects = tuple(
        _subject(name, run, leaks(run.recipe, run.facts, run.model, samples, parts))
        for name, run, samples, (_, _, parts) in zip(names, runs, common, given, strict=True)
    )
    for output in shared:
        _refuse_other_labels(output, runs, names)
        judged = _judged(output, common[0], {name: one[output.name] for name, one in zip(names, said, strict=True)})
        values = judged.values()
        scores += _scores(judged, values)
        found = _differences(judged, values, names)
        differences += found
        recommendations.append(_recommendation(judged, values, subjects))
    first = common[0]
    symbols = len(np.unique(first.panel.symbol_R[first.ends_N]))
    told = (tuple(scores), tuple(differences), tuple(recommendations))
    return Compared(given[0][1], len(first), symbols, first.span, subjects, *told)


def _names(runs: Sequence[Run]) -> list[str]:
    """Each run's folder name, or as much of its path as tells it apart."""
    if len(runs) < 2:  # noqa: PLR2004 - one alone has nothing beside it
        raise UsageError(f"{len(runs)} run has nothing to be compared with; try: gaze compare RUN RUN --bars FILE")
    names = [run.folder.resolve().name for run in runs]
    if len(set(names)) < len(names):
        names = [str(run.folder) for run in runs]
    if len(set(names)) < len(names):
        raise UsageError(f"{names[0]} is given twice; try: gaze compare RUN RUN --bars FILE with different runs")
    return names


def _refuse_strangers(runs: Sequence[Run], names: Sequence[str]) -> None:
    for other, name in zip(runs[1:], names[1:], strict=True):
        if other.training.bars_fingerprint != runs[0].training.bars_fingerprint:
            raise DataError(
                f"{names[0]} and {name} were trained on other bars, so that one may have seen the other's test part; "
                "try: gaze train both on one file"
            )
        if other.recipe.data.interval != runs[0].recipe.data.interval:
            raise DataError(
                f"{names[0]} reads bars of {runs[0].recipe.data.interval}, {name} of {other.recipe.data.interval}; "
                "try: runs of one interval"
            )


def _common(given: Sequence[Samples]) -> list[Samples]:
    """The windows that end at the same bars of the same symbols, in one order, of each run's own panel."""
    keys = [
        {
            (samples.panel.symbols[samples.panel.symbol_R[end]], int(samples.panel.opened_at_ms_R[end])): end
            for end in samples.ends_N.tolist()
        }
        for samples in given
    ]
    shared = sorted(set(keys[0]).intersection(*keys[1:]), key=lambda key: (key[1], key[0]))
    if not shared:
        raise DataError("the runs have no window of their test parts in common; try: runs with one split and symbols")
    return [
        Samples(samples.panel, np.array([own[key] for key in shared])) for samples, own in zip(given, keys, strict=True)
    ]


def _refuse_other_labels(output: Output, runs: Sequence[Run], names: Sequence[str]) -> None:
    for run, name in zip(runs[1:], names[1:], strict=True):
        other = next(one for one in run.outputs if one.name == output.name)
        if other != output:
            raise DataError(
                f"{output.name} is {output.unit} in {names[0]} and {other.unit} in {name}, which cannot be compared; "
                "try: gaze train both with one [label]"
            )


def _judged(output: Output, samples: Samples, said: dict[str, npt.NDArray[np.float32]]) -> Judged:
    known_N = np.isfinite(samples.target(output))
    some = samples.known(output)
    moment_N = np.unique(some.opened_at_ms, return_inverse=True)[1]
    moments = int(moment_N.max(initial=-1)) + 1
    if moments < FEWEST_MOMENTS:
        raise DataError(
            f"the runs share windows of {output.name} at {moments} times, an interval needs {FEWEST_MOMENTS}; "
            "try: more bars"
        )
    own = tuple(MEASURES[name] for name in of_kind(output.kind))
    predictions = {name: values[known_N].astype(np.float64) for name, values in said.items()}
    draws = bootstrap(moments, output.horizon)
    return Judged(output, some, predictions, dict.fromkeys(said, own), some.target(output), moment_N, draws)


def _scores(judged: Judged, values: dict[tuple[str, str], npt.NDArray[np.float64]]) -> list[Score]:
    return [
        Score(
            *(judged.output.name, measure, name, float(value_D[0])),
            *np.clip(judged.draws.bounds(value_D), *limits(measure)).tolist(),
        )
        for (measure, name), value_D in values.items()
        if np.isfinite(value_D[0])
    ]


def _differences(
    judged: Judged, values: dict[tuple[str, str], npt.NDArray[np.float64]], names: Sequence[str]
) -> list[Difference]:
    found = []
    for measure in of_kind(judged.output.kind):
        for name in names[1:]:
            apart_D = values[measure, name] - values[measure, names[0]]
            if np.isfinite(apart_D[0]):
                bounds = judged.draws.bounds(apart_D)
                found.append(Difference(name, names[0], judged.output.name, measure, float(apart_D[0]), *bounds))
    return found


def _recommendation(
    judged: Judged, values: dict[tuple[str, str], npt.NDArray[np.float64]], subjects: Sequence[Subject]
) -> str:
    """The best by its main measure; and where others are as good for all that is known, the smallest of them."""
    output, measure = judged.output.name, COMPARED[judged.output.kind][MAIN][0]
    sign = 1 if MEASURES[measure].lower_is_better else -1
    title = MEASURES[measure].title
    sound = [one for one in subjects if not one.leaks]
    if not sound:
        return f"{output}: every run leaks, none can be recommended."
    best = min(sound, key=lambda one: sign * float(values[measure, one.name][0]))
    alike = [best]
    for one in sound:
        if one is not best:
            low, high = judged.draws.bounds(values[measure, one.name] - values[measure, best.name])
            alike += [one] if low <= 0 <= high else []
    if len(alike) == 1:
        return f"{output}: take {best.name}, better than every other in {title} beyond what chance explains."
    small = min(alike, key=lambda one: one.parameters)
    told = ", ".join(one.name for one in alike)
    size = f"the smallest ({small.parameters:,} parameters)"
    return f"{output}: {told} cannot be told apart in {title}; take {small.name}, {size}."


def _subject(name: str, run: Run, known: tuple[str, ...]) -> Subject:
    facts = run.facts
    return Subject(
        name, str(run.folder), run.recipe.model.family, facts.parameters, facts.seconds, facts.best_epoch, known
    )
