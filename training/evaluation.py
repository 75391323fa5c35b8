"""A model judged on windows it was not trained on, beside the baselines, with intervals and a verdict in words."""

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.bundle import Score
from core.outputs import Kind, Output
from training import baselines, predicting
from training.baselines import Learned
from training.dataset import Samples
from training.intervals import Bootstrap, bootstrap
from training.predicting import LOOKED, Said
from training.scores import MEASURES, Forecasts, of_kind

Floats = npt.NDArray[np.float64]

MODEL: Final = "model"
PLAIN: Final = "uncalibrated"
"""The model without its calibration, where it has one."""
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
        better = (self.difference < 0) == MEASURES[self.measure].lower_is_better
        return "better than" if better else "worse than"


class Evaluation(msgspec.Struct, frozen=True):
    """Everything `gaze evaluate` reports. `span`: opening times of the first and the last bar used."""

    bars_fingerprint: str
    span: tuple[int, int]
    windows: int
    symbols: int
    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]


def judge(said: Said, learned: Learned, samples: Samples, bars_fingerprint: str) -> Evaluation:
    """Score the model's outputs and the baselines' on those of these windows whose label is known."""
    scores: list[Score] = []
    comparisons: list[Comparison] = []
    for output in samples.panel.outputs:
        known_N = np.isfinite(samples.target(output))
        some = samples.known(output)
        if not len(some):
            continue
        looked = said[LOOKED][known_N] if LOOKED in said and baselines.looks(learned) else None
        beside = baselines.beside(output, looked=looked is not None)
        measures = {MODEL: of_kind(output.kind), PLAIN: of_kind(output.kind), **beside}
        predictions = {MODEL: said[output.name][known_N].astype(np.float64)}
        if predicting.PLAIN + output.name in said:
            predictions[PLAIN] = said[predicting.PLAIN + output.name][known_N].astype(np.float64)
        predictions |= {name: baselines.foretell(name, learned, some, output, looked) for name in beside}
        _, moment_N = np.unique(some.opened_at_ms, return_inverse=True)
        draws = bootstrap(int(moment_N.max()) + 1, output.horizon)
        values = {
            (measure, predictor): _values(
                measure, Forecasts(predicted_N, some.target(output), moment_N, output.levels), draws
            )
            for measure in of_kind(output.kind)
            for predictor, predicted_N in predictions.items()
            if measure in measures[predictor]
        }
        scores += _scores(output, values, draws)
        comparisons += _comparisons(output, values, draws)
    span, symbols = samples.span, len(np.unique(samples.panel.symbol_R[samples.ends_N]))
    return Evaluation(bars_fingerprint, span, len(samples), symbols, tuple(scores), tuple(comparisons))


def _values(measure: str, forecasts: Forecasts, draws: Bootstrap) -> Floats:
    """(D,): the measure of the sample itself, then of each draw."""
    return MEASURES[measure].value(draws.sums(MEASURES[measure].terms(forecasts)))


def _scores(output: Output, values: dict[tuple[str, str], Floats], draws: Bootstrap) -> list[Score]:
    """A measure that is not defined on this sample, such as IC with few symbols, gives no score."""
    return [
        Score(output.name, measure, predictor, float(value_D[0]), *draws.bounds(value_D))
        for (measure, predictor), value_D in values.items()
        if np.isfinite(value_D[0])
    ]


def _comparisons(output: Output, values: dict[tuple[str, str], Floats], draws: Bootstrap) -> list[Comparison]:
    found = []
    for measure, baseline in COMPARED[output.kind]:
        difference_D = values[measure, MODEL] - values[measure, baseline]
        if np.isfinite(difference_D[0]):
            comparison = (output.name, measure, baseline, float(difference_D[0]), *draws.bounds(difference_D))
            found.append(Comparison(*comparison))
    return found
