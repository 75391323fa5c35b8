"""What a bundle will be watched by: the ranges of features in training, and how it was on bars not trained on."""

from collections.abc import Sequence

import numpy as np

from core.drift import calibration
from core.drift.statistics import (
    QUARTER_MS,
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
from core.reference import HIGH, LOW, Arrays, Reference, arrays, side_by_side
from training.data.dataset import Samples
from training.judging.predicting import Said
from training.network.model import Model

_AT_ONCE = 8_192
"""Windows whose statistics are computed together."""


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


def watched(model: Model, unseen: Sequence[tuple[Samples, Said]]) -> Arrays:
    """The statistics of what the model said of windows it was not trained on, by period, and the limits they give."""
    panel = unseen[0][0].panel
    period = period_ms(panel.interval.ms)
    told, counts = [], []
    for samples, said in unseen:
        every = (slice(first, first + _AT_ONCE) for first in range(0, len(samples), _AT_ONCE))
        rows = joined([observe(_rows(model, samples, said, some)) for some in every])
        observed, count_C = by_period(rows, samples.opened_at_ms, period)
        told.append(observed)
        counts.append(count_C)
    whole = joined(told)
    parts_CAP = side_by_side(whole.parts, len(whole.values))
    limits = calibration.calibrated(whole.values, parts_CAP, QUARTER_MS // period)
    called = names(panel.inputs, model.outputs, model.attentions, _rows(model, *unseen[0], slice(0, 1)))
    usual = float(np.median(np.concatenate(counts)))
    steps = {one.name: unseen[0][1][one.name].shape[-1] for one in model.attentions if not one.gates}
    return arrays(Reference(called, period, usual, steps, whole.values, whole.parts, limits))


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
