"""What a bundle will be watched by: the ranges of features in training, and how it was on bars not trained on."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from core.drift import calibration
from core.drift.statistics import (
    QUARTER_MS,
    Floats,
    Names,
    Observed,
    Rows,
    by_period,
    joined,
    middle,
    names,
    observe,
    openness,
    period_ms,
    travels,
)
from core.reference import HIGH, LOW, Arrays, Reference, Usual, arrays, side_by_side
from training.data.dataset import Samples
from training.judging.predicting import Said
from training.network.model import Model

_AT_ONCE = 8_192
"""Windows whose statistics are computed together."""
_MOST_SYMBOLS = 1_024


def ranges(train: Samples) -> Arrays:
    """Of every input the least and the largest value of each feature, (F,), over all rows of the training part."""
    rows = {"features": train.feature_rows()}
    rows |= {one.input.name: train.scale_rows(one) for one in train.panel.scales}
    if train.panel.market is not None:
        rows["market"] = train.market_rows()
    kept: Arrays = {}
    for name, rows_RF in rows.items():
        kept[LOW + name] = np.nanmin(rows_RF, axis=0)
        kept[HIGH + name] = np.nanmax(rows_RF, axis=0)
    return kept


def less(model: Model) -> dict[str, Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]]:
    """What is watched of each attention: of T x T numbers a window no more than travels in messages."""
    return {one.name: openness if one.gates else travels for one in model.attentions}


def watched(model: Model, unseen: Sequence[tuple[Samples, Said]]) -> Arrays:
    """The statistics of what the model said of windows it was not trained on, by period, and the limits they give."""
    panel = unseen[0][0].panel
    period = period_ms(panel.interval.ms)
    told, counts = [], []
    of_symbols = _OfSymbols(panel.symbols)
    for samples, said in unseen:
        rows = observed_rows(model, samples, said)
        of_symbols.take(panel.symbol_R[samples.ends_N], rows.values)
        observed, count_C = by_period(rows, samples.opened_at_ms, period)
        told.append(observed)
        counts.append(count_C)
    whole = joined(told)
    parts_CAP = side_by_side(whole.parts, len(whole.values))
    limits = calibration.calibrated(whole.values, parts_CAP, QUARTER_MS // period)
    called = names_of(model, *unseen[0])
    usual = float(np.median(np.concatenate(counts)))
    steps = {one.name: unseen[0][1][one.name].shape[-1] for one in model.attentions if not one.gates}
    return arrays(Reference(called, period, usual, steps, whole.values, whole.parts, limits, of_symbols.usual()))


def observed_rows(model: Model, samples: Samples, said: Said) -> Observed:
    """The statistics of what the model said of each of these windows."""
    every = (slice(first, first + _AT_ONCE) for first in range(0, len(samples), _AT_ONCE))
    return joined([observe(_rows(model, samples, said, some)) for some in every])


def names_of(model: Model, samples: Samples, said: Said) -> Names:
    """What those statistics are called."""
    return names(samples.panel.inputs, model.outputs, model.attentions, _rows(model, samples, said, slice(0, 1)))


class _OfSymbols:
    """Sums of every statistic over the rows of each symbol. S symbols, R rows, K statistics."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self._symbols = symbols
        self._sums: list[Floats] = []

    def take(self, symbol_R: npt.NDArray[np.int32], values_RK: Floats) -> None:
        """Take in rows, each of the symbol with this number."""
        there_RK = np.isfinite(values_RK)
        sums_3SK = np.zeros((3, len(self._symbols), values_RK.shape[1]))
        for sums_SK, added_RK in zip(sums_3SK, (there_RK, values_RK, values_RK**2), strict=True):
            np.add.at(sums_SK, symbol_R, np.where(there_RK, added_RK, 0.0))
        self._sums.append(sums_3SK)

    def usual(self) -> Usual | None:
        """How each symbol was; nothing of very many, which would be most of a bundle."""
        if len(self._symbols) > _MOST_SYMBOLS:
            return None
        count_SK, sum_SK, square_SK = np.sum(self._sums, axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean_SK = sum_SK / count_SK
            within_K = np.nansum(square_SK - count_SK * mean_SK**2, axis=0) / count_SK.sum(axis=0)
        return Usual(self._symbols, mean_SK, np.sqrt(np.maximum(within_K, 0.0)))


def _rows(model: Model, samples: Samples, said: Said, some: slice) -> Rows:
    panel, ends_n = samples.panel, samples.ends_N[some]
    newest = [panel.features_RF[ends_n], *(one.features_MF[one.row_R[ends_n]] for one in panel.scales)]
    if panel.market is not None:
        newest.append(panel.market.features_MF[panel.market.row_R[ends_n]])
    newest_nF = np.concatenate(newest, axis=1)
    return Rows(
        {one.name: travels(said[one.name][some]) for one in model.attentions if not one.gates},
        newest_nF,
        {one.name: said[one.name][some] for one in model.outputs},
        {one.name: openness(said[one.name][some]) for one in model.attentions if one.gates},
        middle(model.outputs),
    )
