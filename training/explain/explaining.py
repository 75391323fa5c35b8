"""From a run or a bundle and a file of bars to everything that `gaze explain` writes."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from core import barfile
from core.barfile import BarFile
from core.prediction import Message
from training.explain import (
    attributed,
    attribution,
    cases,
    derived,
    findings,
    inside,
    measure,
    reliability,
    said,
    stability,
    truth,
)
from training.explain.attributed import Attributed
from training.explain.cases import Case
from training.explain.inside import Matrices
from training.explain.predictions import Predictions, Watch, make_panel, predict, unseen
from training.explain.reads import Doubles
from training.explain.reliability import Tested
from training.explain.report import AttentionReport, InputReport, Report
from training.explain.subject import Subject

Stage = Callable[[str], Watch]
"""Told the name of what begins; gives what is told how much of it is done."""


class Asked(msgspec.Struct, frozen=True):
    """A single prediction: its symbol and when its window's last bar opened. `message`: what a daemon said of it."""

    symbol: str
    at_ms: int
    message: Message | None = None


class Explained(msgspec.Struct, frozen=True):
    """The report, and what the pictures need beside it."""

    report: Report
    predictions: Predictions
    tested: Tested
    attributed: Attributed
    inside: Matrices
    volatility_N: Doubles


def explain(
    subject: Subject,
    bars: Path | BarFile,
    output: str | None,
    limit: int,
    asked: Asked | None,
    stage: Stage,
    seeds: Sequence[Subject] = (),
) -> Explained:
    """Predict, measure, attribute, judge. `seeds`: other runs of the recipe, from other seeds.

    Raises: DataError: the bars do not fit the subject.
    """
    file = bars if isinstance(bars, BarFile) else barfile.read(bars, subject.recipe.data.interval)
    panel = make_panel(subject, file, _symbols(subject, bars, asked))
    samples, row = unseen(subject, panel, limit), None
    if asked:
        samples, row = cases.with_asked(samples, asked.symbol, asked.at_ms)
    told = predict(subject, samples, subject.output(output), stage("predict"))
    recorded = None
    if asked and asked.message and row is not None:
        recorded = derived.compare(subject, told.reads(np.array([row])), told.closes(row), asked.message)
    forecast = attribution.forecaster(subject, told.output)
    tested = reliability.prepare(told, forecast, stage("attribute"))
    hanging = attributed.attribute(told, tested)
    pointers = {name: (tested.rows, values_NT) for name, values_NT in hanging.steps[0].items()}
    events = None if isinstance(bars, BarFile) else truth.events_beside(bars)
    planted_N = truth.planted(told, events) if events else np.full(len(told), -1)
    volatility_N = cases.volatility(told)
    steady = stability.compare(told, seeds, stage("other seeds")) if seeds else ()
    watch = stage("measure")
    attentions = []
    for done, look in enumerate(told.looks, 1):
        judged = reliability.judge(told, look.profile_NT, tested, look.place)
        own = {"attention": (np.arange(len(told)), look.profile_NT.astype(np.float64))}
        # The cause lies in the symbol's own bars, not in the market's.
        found = None if look.place else truth.find(planted_N, own | pointers, told)
        agree = attributed.agreements(told, look, tested, hanging, judged.best_shift)
        one = measure.measure(told, look, volatility_N, judged, found)
        beside = next((one for one in steady if one.attention == look.attention.name), None)
        one = msgspec.structs.replace(one, agreements=agree, stability=beside)
        attentions.append(
            msgspec.structs.replace(one, findings=(*findings.tell(one), *findings.followed(one.name, subject.history)))
        )
        watch(done / len(told.looks))
    watch = stage("single predictions")
    chosen = []
    for done, (one_row, kinds) in enumerate(picks := cases.choose(told, volatility_N, row), 1):
        chosen.append(cases.tell(told, one_row, kinds, float(volatility_N[one_row]), forecast))
        watch(done / len(picks))
    hanging = attributed.with_cases(hanging, [case.occlusion for case in chosen])
    within = inside.look(told)
    report = _report(told, file, tuple(attentions), tuple(chosen), hanging.methods)
    report = msgspec.structs.replace(report, recorded=recorded, inside=within.told)
    return Explained(report, told, tested, hanging, within, volatility_N)


def _symbols(subject: Subject, bars: Path | BarFile, asked: Asked | None) -> tuple[str, ...]:
    """Those of the recipe and the one that is asked about; all of a daemon's store, which may serve others."""
    known = subject.recipe.data.symbols
    if isinstance(bars, BarFile) or not known:
        return ()
    return tuple(dict.fromkeys((*known, *([asked.symbol] if asked else []))))


def _report(
    of: Predictions,
    file: BarFile,
    attentions: tuple[AttentionReport, ...],
    chosen: tuple[Case, ...],
    methods: tuple[str, ...],
) -> Report:
    draws, subject = of.draws(), of.subject
    known_N = np.isfinite(of.outcome_N) & (of.outcome_N != 0)
    times_N = of.samples.opened_at_ms
    return Report(
        subject.name,
        subject.kind,
        subject.recipe.model.family,
        subject.digest,
        of.output.name,
        file.fingerprint,
        of.panel.interval.name,
        of.panel.length,
        tuple(
            InputReport(one.name, one.symbol or one.interval or "all symbols", one.window.length, one.features)
            for one in subject.inputs
        ),
        len(of),
        len(np.unique(of.panel.symbol_R[of.samples.ends_N])),
        (cases.iso(int(times_N.min())), cases.iso(int(times_N.max()))),
        draws.blocks,
        draws.mean(of.right.astype(np.float64), known_N),
        {name: int(mask_N.sum()) for name, mask_N in cases.truths(of).items()},
        subject.scores,
        subject.history,
        methods,
        attentions,
        said.analyse(of),
        tuple(measure.gates(one) for one in of.gates),
        chosen,
    )
