"""One training from a file of bars to a run folder, and one evaluation of such a run."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import torch

from core import attention, barfile
from core.bundle import Training
from core.errors import DataError
from core.golden import EXTERNAL, MARKET
from core.reach import over
from training import families
from training.data.dataset import Panel, Samples, spread
from training.data.panel import panel
from training.data.split import Parts, split
from training.fitting import calibration, loop
from training.fitting.history import Epoch
from training.fitting.loop import Watch
from training.judging import baselines, conformal, trading
from training.judging.evaluation import Evaluation, judge, traded
from training.judging.predicting import BATCH, LOOKED, Floats, Said, predict
from training.judging.reference import less, ranges, watched
from training.judging.slices import By
from training.network.model import PLAIN, Model
from training.recipe import Evaluate, Recipe
from training.runs import peeks, run
from training.runs.leaks import leaks
from training.runs.run import Arrays, Facts, Joined, Run
from training.runs.unfinished import Unfinished

SAMPLE_WINDOWS: Final = 32
REFERENCE_WINDOWS: Final = 4_096
LOOKS: Final = {"entropy": attention.normalised_entropy, "concentration": attention.concentration}


class Job:
    """A training that is ready to go: everything that can be refused has been looked at."""

    def __init__(self, recipe: Recipe, bars: Path) -> None:
        """Raises: ConfigError, DataError: the recipe or the bars do not allow a training."""
        if recipe.optimiser.threads:
            torch.set_num_threads(recipe.optimiser.threads)
        trading.refuse_foresight(recipe)
        self.recipe = recipe
        file = barfile.read(bars, recipe.data.interval)
        self.fingerprint = file.fingerprint
        self.panel: Panel = panel(file, recipe)
        self.parts: Parts = split(self.panel, recipe)
        torch.manual_seed(recipe.seed)
        self.model: Model = families.build(
            recipe.model.family, recipe.model.options, self.panel.inputs, self.panel.outputs
        )

    def run(self, out: Path, watch: Watch, ended: Callable[[Epoch], None]) -> Run:
        """Train, judge on the test part once, and write the run folder. `ended` is told of each epoch.

        A training that was cut off goes on after its last epoch, of which it is told again with those before it.
        """
        unfinished = Unfinished(out, self.recipe, self.fingerprint)
        history = self._fit(unfinished, watch, ended)
        calibration.attach(self.model, self.recipe.calibration)
        calibrated = calibration.fit(self.model, self.parts.validation)
        trained = conclude(out, self.recipe, self.model, self.parts, self.fingerprint, history, calibrated)
        unfinished.remove()
        return trained

    def help(self, out: Path) -> None:
        """Do this process' part of a training that another one of them tells of and writes."""
        fit = self._begun(Unfinished(out, self.recipe, self.fingerprint))
        for _ in fit.epochs(lambda *_: None):
            pass

    def _begun(self, unfinished: Unfinished) -> loop.Fit:
        loop.set_up(self.model, self.parts)
        fit = loop.Fit(self.model, self.parts, self.recipe)
        state = unfinished.read()
        if state is not None:
            fit.go_on(state)
        return fit

    def _fit(self, unfinished: Unfinished, watch: Watch, ended: Callable[[Epoch], None]) -> tuple[Epoch, ...]:
        loop.set_up(self.model, self.parts, normalise=self.recipe.data.normalise)
        fit = loop.Fit(self.model, self.parts, self.recipe)
        state = unfinished.read()
        if state is not None:
            fit.go_on(state)
            for epoch in fit.history:
                ended(epoch)
        for epoch in fit.epochs(watch):
            # Kept before it is told: whoever has seen an epoch end will never wait for it again.
            unfinished.write(fit.state())
            ended(epoch)
        return fit.history


def conclude(
    out: Path,
    recipe: Recipe,
    model: Model,
    parts: Parts,
    fingerprint: str,
    history: tuple[Epoch, ...],
    calibrated: dict[str, str],
    joined: tuple[Joined, ...] = (),
    seconds: float = 0.0,
) -> Run:
    """Judge a trained model on the test part once, and write its run. `joined`: of an ensemble, its members."""
    made, unseen = parts.train.panel, predict(model, parts.validation, less=less(model))
    spans = {name: part.span for name, part in parts.named.items()}
    rows = {name: len(part) for name, part in parts.named.items()}
    facts = Facts(
        made.inputs,
        model.outputs,
        model.attentions,
        Training(fingerprint, made.symbols, spans, rows, made.external_fingerprint, made.stretches),
        sum(weights.numel() for weights in model.parameters()),
        max((epoch.number for epoch in history if epoch.best), default=0),
        seconds + sum(epoch.seconds for epoch in history),
        str(torch.__version__),
        parts.ends,
        datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        calibrated,
        conformal.margins(model.outputs, unseen, parts.validation, recipe.calibration.coverage),
        "ensemble" if joined else "model",
        joined,
    )
    learned = baselines.learn(parts.train, predict(model, parts.train, {LOOKED})[LOOKED])
    said, how = predict(model, parts.test, less=less(model)), recipe.evaluate
    evaluation = msgspec.structs.replace(
        judge(said, learned, parts.test, fingerprint, facts.margins),
        leaks=leaks(recipe, facts, model, parts.test, parts),
        trades=traded(said, learned, parts.test, how.cost_bps, how.tries),
    )
    beyond = [(parts.validation, unseen), (parts.test, said)][recipe.window.stride > 1 :]
    reference = _reference(model, parts.validation, unseen) | ranges(parts.train) | watched(model, beyond)
    run.write(out, recipe, facts, model, history, evaluation, learned, _sample(parts.test), reference)
    return run.load(out)


def evaluate(
    trained: Run, bars: Path, by: Sequence[By] = (), records: str = "", cost_bps: float | None = None
) -> Evaluation:
    """Judge a run on every window of a file from its test part on, which nothing was trained or chosen on.

    `by`: also apart, by what. `records`: another file of external records than the one it was trained with. `cost_bps`:
    another cost of trading than the recipe's.

    Raises: DataError: there is no such window, or the features are no longer those of the run.
    """
    cost = trained.recipe.evaluate.cost_bps if cost_bps is None else cost_bps
    replace, judged = msgspec.structs.replace, Evaluate(cost, trained.recipe.evaluate.tries)
    trading.refuse_foresight(replace(trained.recipe, evaluate=judged))
    samples, fingerprint, parts = unseen(trained, bars, records)
    # Matrices of attention of every window may be more than memory holds, and no score reads them.
    kept = {LOOKED, *(told for one in trained.model.outputs for told in (one.name, PLAIN + one.name))}
    said, margins = predict(trained.model, samples, kept), trained.facts.margins
    tries = max(trained.recipe.evaluate.tries, peeks.tried(peeks.read(trained.folder)))
    return replace(
        judge(said, trained.baselines, samples, fingerprint, margins, by),
        leaks=leaks(trained.recipe, trained.facts, trained.model, samples, parts),
        trades=traded(said, trained.baselines, samples, cost, tries),
    )


def unseen(trained: Run, bars: Path, records: str = "") -> tuple[Samples, str, Parts | None]:
    """The windows of a file that a run is judged on, the file's fingerprint, and the run's parts if it is its own file.

    Raises: DataError: there is no such window, or the features are no longer those of the run.
    """
    file = barfile.read(bars, trained.recipe.data.interval)
    told, data = trained.recipe, trained.recipe.data
    replace = msgspec.structs.replace
    made = panel(file, replace(told, data=replace(data, records=records)) if records else told)
    if made.inputs != trained.inputs:
        raise DataError(f"{trained.folder} was trained with features that are computed otherwise now; try: gaze train")
    # Other records change features, so that the normalisation could not be held against theirs.
    parts = split(made, told) if not records and file.fingerprint == trained.training.bars_fingerprint else None
    if trained.recipe.split.shuffled and parts is not None:
        return parts.test, file.fingerprint, parts
    first, last = trained.facts.ends["test"]
    end_N = made.opened_at_ms_R[made.ends_N]
    # A fold is judged on its own stretch: what comes later belongs to other folds and to the final span.
    ends_N = made.ends_N[(end_N >= first) & (end_N <= last if trained.recipe.split.fold else True)]
    if not len(ends_N):
        raise DataError(
            f"{bars} has no whole window from {np.datetime64(first, 'ms')} on, where the test part of "
            f"{trained.folder} begins; what lies before was trained on. try: a file of later bars"
        )
    return Samples(made, ends_N[np.argsort(made.opened_at_ms_R[ends_N], kind="stable")]), file.fingerprint, parts


def _sample(samples: Samples) -> Arrays:
    """Bars of some windows spread evenly over the part, oldest first."""
    which = spread(len(samples), SAMPLE_WINDOWS)
    names = np.array(samples.panel.symbols)
    beside: Arrays = {
        MARKET + one.name: samples.market_bars(which) for one in samples.panel.inputs if one.source == "market"
    }
    if samples.panel.external:
        beside[EXTERNAL + samples.panel.input.name] = samples.external_rows(which)
    return beside | {
        "bars": samples.bars(which),
        "opened_at_ms": samples.opened_at_ms[which],
        "symbol": names[samples.panel.symbol_R[samples.ends_N[which]]],
    }


def _reference(model: Model, samples: Samples, said: Said) -> Arrays:
    """How each attention looked: the mean weight of each step, and entropies and concentrations of some windows."""
    looks = [one for one in model.attentions if not one.gates]
    kept: Arrays = {}
    for one in looks:
        steps = said[one.name].shape[-1]
        kept[f"{one.name}.profile"] = said[one.name].reshape(-1, steps).mean(axis=0, dtype=np.float64)
    told: dict[str, list[Floats]] = {}
    some = samples.ends_N[spread(len(samples), REFERENCE_WINDOWS)]
    for first in range(0, len(some), BATCH):
        few = Samples(samples.panel, some[first : first + BATCH])
        weights = predict(model, few, [one.name for one in looks])
        for one in looks:
            mine = weights[one.name]
            reach_n = samples.panel.reach_R[few.ends_N].clip(max=mine.shape[-1])
            reach_n = np.full_like(reach_n, mine.shape[-1]) if one.axes[-1] == "market" else reach_n
            for name, statistic in LOOKS.items():
                made = over(statistic, mine, reach_n)
                told.setdefault(f"{one.name}.{name}", []).append(made.reshape(-1))
    return kept | {name: np.concatenate(parts) for name, parts in told.items()}
