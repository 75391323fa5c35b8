"""A model judged on windows it was not trained on, beside the baselines, with intervals and a verdict in words.

N windows, M moments, B blocks of time, D draws.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.bands import Margin
from core.bundle import Score
from core.errors import DataError
from core.outputs import Kind, Output
from training.data.dataset import Samples
from training.judging import baselines, conformal, trading
from training.judging.baselines import Learned
from training.judging.curves import Curve, curve
from training.judging.intervals import Bootstrap, bootstrap
from training.judging.predicting import LOOKED, Said
from training.judging.scores import MEASURES, Forecasts, Measure, inside, limits, lower_is_better, of_kind
from training.judging.slices import By, Slice, slices
from training.judging.trading import Trade
from training.network import model

Floats = npt.NDArray[np.float64]

MODEL: Final = "model"
PLAIN: Final = "uncalibrated"
"""The model without its calibration, where it has one."""
FEWEST_MOMENTS: Final = 8
"""With fewer opening times than these no interval can be told."""
COMPARED: Final[dict[Kind, tuple[tuple[str, str], ...]]] = {
    Kind.RETURN: (("mse", "zero"), ("direction", "majority"), ("mse", "linear"), ("mse", "boosting")),
    Kind.TREND: (("mse", "zero"), ("direction", "majority"), ("mse", "linear"), ("mse", "boosting")),
    Kind.PROBABILITY: (("brier", "majority"), ("accuracy", "majority"), ("brier", "linear"), ("brier", "boosting")),
    Kind.DIRECTION: (("brier", "majority"), ("accuracy", "majority"), ("brier", "linear"), ("brier", "boosting")),
    Kind.ORDINAL: (("rps", "majority"), ("accuracy", "majority"), ("rps", "linear"), ("rps", "boosting")),
    Kind.QUANTILES: (("pinball", "usual"), ("pinball", "boosting")),
    Kind.DEVIATION: (("qlike", "usual"),),
}
"""The comparisons a verdict rests on: measure and baseline."""


class Comparison(msgspec.Struct, frozen=True):
    """The model against a baseline in one measure, both over the same draws: model minus baseline."""

    output: str
    measure: str
    baseline: str
    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Better, worse, or not distinguishable."""
        if self.low <= 0 <= self.high:
            return "not distinguishable from"
        better = (self.difference < 0) == lower_is_better(self.measure)
        return "better than" if better else "worse than"


class Part(msgspec.Struct, frozen=True):
    """The scores of some of the windows: `by` symbol or volatility regime, which one, and how many they are."""

    by: By
    name: str
    windows: int
    scores: tuple[Score, ...]


class Evaluation(msgspec.Struct, frozen=True):
    """Everything `gaze evaluate` reports. `span`: opening times of the first and the last bar used."""

    bars_fingerprint: str
    span: tuple[int, int]
    windows: int
    symbols: int
    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    curves: tuple[Curve, ...] = ()
    parts: tuple[Part, ...] = ()
    leaks: tuple[str, ...] = ()
    """What training knew of these windows: with any, the scores mean nothing."""
    trades: tuple[Trade, ...] = ()


def traded(said: Said, learned: Learned, samples: Samples, cost_bps: float, tries: int) -> tuple[Trade, ...]:
    """What the model's forecasts and the baselines' would have earned; nothing is asked of labels, known or not."""
    found: list[Trade] = []
    for output in samples.panel.outputs if cost_bps else ():
        if output.kind in trading.TRADED:
            _, predictions = _predictions(said, learned, samples, output)
            found += trading.trades(output, predictions, samples, cost_bps, tries)
    return tuple(found)


class Judged(msgspec.Struct, frozen=True):
    """One output's forecasts of all predictors and what came, for the windows whose label is known."""

    output: Output
    samples: Samples
    predictions: dict[str, Floats]
    measures: dict[str, tuple[Measure, ...]]
    """Of each predictor those in which it says something."""
    actual_N: Floats
    moment_N: npt.NDArray[np.int64]
    draws: Bootstrap

    def values(self, mask_N: npt.NDArray[np.bool_] | None = None) -> dict[tuple[str, str], Floats]:
        """Measure and predictor -> (D,): the measure of these windows themselves, then of each draw."""
        return {
            (measure.name, predictor): self._value(measure, predictor, mask_N)
            for measure in next(iter(self.measures.values()))
            for predictor, own in self.measures.items()
            if measure in own
        }

    def blocks(self, mask_N: npt.NDArray[np.bool_]) -> int:
        """How many blocks of time hold some of these windows."""
        return len(np.unique(self.draws.block_M[self.moment_N[mask_N]]))

    def curves(self) -> Iterable[Curve]:
        """The calibration curve of every predictor, where the output has any."""
        block_N = self.draws.block_M[self.moment_N]
        for predictor, predicted_N in self.predictions.items():
            made = curve(self.output, predictor, predicted_N, self.actual_N, block_N, self.draws)
            if made is not None:
                yield made

    def _value(self, measure: Measure, predictor: str, mask_N: npt.NDArray[np.bool_] | None) -> Floats:
        place_N, places = self.moment_N, len(self.draws.block_M)
        if not measure.across:
            # Sums over a block are all that a draw needs, and blocks are few.
            place_N, places = self.draws.block_M[place_N], self.draws.blocks
        given = (self.predictions[predictor], self.actual_N, place_N)
        if mask_N is not None:
            given = tuple(one[mask_N] for one in given)  # type: ignore[assignment]
        terms = measure.terms(Forecasts(*given, self.output.levels, places))
        sums = self.draws.sums(terms) if measure.across else self.draws.times_DB @ terms
        return measure.value(sums)


def judge(
    said: Said,
    learned: Learned,
    samples: Samples,
    bars_fingerprint: str,
    margins: Sequence[Margin] = (),
    by: Sequence[By] = (),
) -> Evaluation:
    """Score the model's outputs and the baselines' on those of these windows whose label is known.

    `by`: also apart, by what.

    Raises: DataError: the windows end at too few moments for any interval.
    """
    scores: list[Score] = []
    comparisons: list[Comparison] = []
    curves: list[Curve] = []
    parts: dict[tuple[By, str], Part] = {}
    for judged in outputs_judged(said, learned, samples, margins):
        values = judged.values()
        scores += _scores(judged, values, judged.draws.blocks)
        comparisons += _comparisons(judged, values)
        curves += judged.curves()
        for one in slices(judged.samples, by):
            blocks = judged.blocks(one.mask_N)
            own = _scores(judged, judged.values(one.mask_N), blocks) if blocks > 1 else []
            parts[one.by, one.name] = _joined(parts.get((one.by, one.name)), one, own)
    span, symbols = samples.span, len(np.unique(samples.panel.symbol_R[samples.ends_N]))
    told = (tuple(scores), tuple(comparisons), tuple(curves), tuple(parts.values()))
    return Evaluation(bars_fingerprint, span, len(samples), symbols, *told)


def outputs_judged(said: Said, learned: Learned, samples: Samples, margins: Sequence[Margin] = ()) -> Iterable[Judged]:
    """Every output whose label is known of some windows.

    Raises: DataError: those end at too few moments for any interval.
    """
    for output in samples.panel.outputs:
        known_N = np.isfinite(samples.target(output))
        some = samples.known(output)
        if not len(some):
            continue
        _, moment_N = np.unique(some.opened_at_ms, return_inverse=True)
        moments = int(moment_N.max()) + 1
        if moments < FEWEST_MOMENTS:
            raise DataError(
                f"{len(some)} windows of {output.name} end at {moments} different times; an interval needs "
                f"{FEWEST_MOMENTS}, and no score is told without one. try: more bars, or a larger test part"
            )
        told = {name: said[name][known_N] for name in (output.name, model.PLAIN + output.name, LOOKED) if name in said}
        beside, predictions = _predictions(told, learned, some, output)
        own = tuple(MEASURES[name] for name in of_kind(output.kind))
        measures = {MODEL: (*own, *_of_bands(output, margins))} | ({PLAIN: own} if PLAIN in predictions else {})
        measures |= {name: tuple(MEASURES[one] for one in named) for name, named in beside.items()}
        draws = bootstrap(moments, output.horizon)
        yield Judged(output, some, predictions, measures, some.target(output), moment_N, draws)


def _predictions(
    said: Said, learned: Learned, samples: Samples, output: Output
) -> tuple[dict[str, tuple[str, ...]], dict[str, Floats]]:
    """The baselines beside an output and their measures; and what the model and each of them says of the windows."""
    looked = said[LOOKED] if LOOKED in said and baselines.looks(learned) else None
    beside = baselines.beside(output, looked=looked is not None)
    predictions = {MODEL: said[output.name].astype(np.float64)}
    if model.PLAIN + output.name in said:
        predictions[PLAIN] = said[model.PLAIN + output.name].astype(np.float64)
    predictions |= {name: baselines.foretell(name, learned, samples, output, looked) for name in beside}
    return beside, predictions


def _of_bands(output: Output, margins: Sequence[Margin]) -> Iterable[Measure]:
    for margin in margins:
        if margin.output == output.name:
            held = partial(_held, output, margin.value)
            yield inside(margin.coverage, output.kind, held)


def _held(output: Output, margin: float, of: Forecasts) -> npt.NDArray[np.bool_]:
    return conformal.held(output, of.predicted_N, of.actual_N, margin)


def _joined(before: Part | None, one: Slice, own: Sequence[Score]) -> Part:
    """A part with the scores of one output more."""
    windows = int(one.mask_N.sum())
    if before is None:
        return Part(one.by, one.name, windows, tuple(own))
    return Part(one.by, one.name, max(before.windows, windows), (*before.scores, *own))


def _scores(judged: Judged, values: dict[tuple[str, str], Floats], blocks: int) -> list[Score]:
    """A measure that is not defined on these windows, such as IC with few symbols, gives no score."""
    found = []
    for (measure, predictor), value_D in values.items():
        if np.isfinite(value_D[0]) and np.isfinite(value_D[1:]).any():
            low, high = np.clip(judged.draws.bounds(value_D, blocks), *limits(measure)).tolist()
            found.append(Score(judged.output.name, measure, predictor, float(value_D[0]), low, high))
    return found


def _comparisons(judged: Judged, values: dict[tuple[str, str], Floats]) -> list[Comparison]:
    found = []
    for measure, baseline in COMPARED[judged.output.kind]:
        difference_D = values[measure, MODEL] - values[measure, baseline]
        if np.isfinite(difference_D[0]):
            bounds = judged.draws.bounds(difference_D)
            found.append(Comparison(judged.output.name, measure, baseline, float(difference_D[0]), *bounds))
    return found
