"""Runs made into one run: an ensemble, its weights given or tuned on the validation part, judged on the test part once.

N windows.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import torch

from core import barfile
from core.errors import DataError, UsageError
from training import job, recipe
from training.data.dataset import Samples
from training.data.panel import panel
from training.data.split import MINIMUM, Parts, split
from training.judging.evaluation import COMPARED
from training.judging.predicting import Said, predict
from training.judging.scores import MEASURES, Forecasts
from training.recipe import Recipe
from training.runs import ensemble
from training.runs.ensemble import Ensemble, Member
from training.runs.run import Joined, Run

ROUNDS: Final = 20
"""Weights that are tuned are multiples of one in so many."""


def assemble(members: Sequence[Run], bars: Path, out: Path, name: str, weights: Sequence[float] | None) -> Run:
    """Write an ensemble of these runs as a run; `weights` of None are tuned.

    Raises: UsageError: other weights than members. DataError: members or bars that do not belong together.
    """
    if len(members) < 2:  # noqa: PLR2004 - one alone is no ensemble
        raise UsageError(f"an ensemble needs two runs, {len(members)} given; try: gaze ensemble RUN RUN --out OUT")
    if weights is not None and (len(weights) != len(members) or min(weights) <= 0):
        raise UsageError(f"{len(weights)} weights for {len(members)} runs, all above 0; try: --weights 0.4,0.6")
    _refuse_strangers(members)
    told = _recipe(members, name, weights or [1.0] * len(members))
    file = barfile.read(bars, told.data.interval)
    if file.fingerprint != members[0].training.bars_fingerprint:
        raise DataError(f"{bars} are not the bars that the members were trained on; try: the file that gaze train had")
    made = panel(file, told)
    parts = _parts(split(made, told), members)
    model = _loaded(told, members, parts)
    said = [predict(reader, parts.validation) for reader in model.members]
    if weights is None:
        told = _recipe(members, name, tune(said, parts.validation))
        model = _loaded(told, members, parts)
    joined = tuple(
        Joined(one.folder.name, one.recipe.model.family, one.recipe.seed, weight)
        for one, weight in zip(members, model.weights, strict=True)
    )
    seconds = sum(one.facts.seconds for one in members)
    calibrated = {name: f"each member's own, the first's: {how}" for name, how in members[0].facts.calibration.items()}
    return job.conclude(out, told, model, parts, file.fingerprint, (), calibrated, joined, seconds)


def tune(said: Sequence[Said], validation: Samples) -> list[float]:
    """Weights by forward selection with replacement (Caruana, Niculescu-Mizil, Crew, Ksikes 2004).

    Twenty times the member is added that makes the mean of all so far the best. A member that is never taken gets a
    twentieth of a twentieth, since it stays in the ensemble.
    """
    taken = [0] * len(said)
    for _ in range(ROUNDS):
        losses = []
        for member in range(len(said)):
            counts = [count + (place == member) for place, count in enumerate(taken)]
            losses.append(_loss(said, counts, said[0], validation))
        taken[int(np.argmin(losses))] += 1
    kept = [max(count, 1 / ROUNDS) for count in taken]
    return [round(count / sum(kept), 4) for count in kept]


def _loss(said: Sequence[Said], counts: Sequence[float], first: Said, validation: Samples) -> float:
    """The mean over the outputs of the measure its verdict rests on, each relative to that of the first member."""
    total = 0.0
    for output in validation.panel.outputs:
        known_N = np.isfinite(validation.target(output))
        mean_N = sum(count * each[output.name][known_N] for count, each in zip(counts, said, strict=True)) / sum(counts)
        measure = MEASURES[COMPARED[output.kind][0][0]]
        values = []
        for predicted_N in (np.asarray(mean_N), first[output.name][known_N]):
            of = Forecasts(
                predicted_N.astype(np.float64),
                validation.target(output)[known_N],
                np.zeros(int(known_N.sum()), np.int64),
                output.levels,
            )
            values.append(float(measure.value(measure.terms(of).sum(axis=0, keepdims=True))[0]))
        total += values[0] / values[1] if values[1] > 0 else 1.0
    return total


def _refuse_strangers(members: Sequence[Run]) -> None:
    """Members read the same features of the same bars and foretell the same, over the same split."""
    first = members[0]
    for other in members[1:]:
        for what in ("data", "label", "split"):
            if getattr(first.recipe, what) != getattr(other.recipe, what):
                raise DataError(
                    f"{first.folder} and {other.folder} differ in [{what}] of their recipes, which an ensemble cannot; "
                    f"try: gaze train with the same [{what}]"
                )
        if first.training.bars_fingerprint != other.training.bars_fingerprint:
            raise DataError(
                f"{first.folder} and {other.folder} were trained on other bars; try: the same file for both"
            )


def _recipe(members: Sequence[Run], name: str, weights: Sequence[float]) -> Recipe:
    """That of the first member, with a window that holds every member's and the ensemble as its model."""
    windows = [one.recipe.window for one in members]
    expanding = any(window.kind == "expanding" for window in windows)
    length = max(window.length for window in windows)
    fewest = max(window.fewest for window in windows)
    window = recipe.Window(
        length, "expanding" if expanding else "rolling", fewest if expanding else 2, min(one.stride for one in windows)
    )
    described = {
        str(number): msgspec.to_builtins(
            Member(
                one.recipe.model.family,
                one.recipe.window.length,
                one.recipe.model.options,
                one.recipe.window.kind,
                one.recipe.window.fewest,
                one.recipe.calibration,
            )
        )
        for number, one in enumerate(members, start=1)
    }
    options = {"weights": list(weights), "members": described}
    coverage = recipe.Calibration("none", members[0].recipe.calibration.coverage)
    return msgspec.structs.replace(
        members[0].recipe,
        name=name,
        window=window,
        model=recipe.Model(ensemble.FAMILY, options),
        calibration=coverage,
        profiles={},
    )


def _parts(whole: Parts, members: Sequence[Run]) -> Parts:
    """Only what no member was trained on is validation, and only what none was chosen on is test."""
    kept = {}
    for name, part in (("validation", whole.validation), ("test", whole.test)):
        begun = max(one.facts.ends[name][0] for one in members)
        samples = Samples(part.panel, part.ends_N[part.opened_at_ms >= begun])
        if len(samples) < MINIMUM:
            raise DataError(f"the members share {len(samples)} windows of {name}, {MINIMUM} are needed; try: one split")
        kept[name] = samples
    return msgspec.structs.replace(whole, **kept)


def _loaded(told: Recipe, members: Sequence[Run], parts: Parts) -> Ensemble:
    """The ensemble with the weights of its members."""
    made = parts.train.panel
    with torch.random.fork_rng(devices=[]):
        model = ensemble.build(told.model.options, made.inputs, made.outputs)
    for reader, member in zip(model.members, members, strict=True):
        assert isinstance(reader, ensemble.Reader)
        reader.model.load_state_dict(member.model.state_dict())
    model.eval()
    return model
