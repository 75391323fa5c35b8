"""What a bundle will be watched by: the ranges that features had in training."""

from typing import Any

import numpy as np
import numpy.typing as npt

from core.reference import HIGH, LOW
from training.dataset import Samples

Arrays = dict[str, npt.NDArray[Any]]


def ranges(train: Samples) -> Arrays:
    """Of every input the least and the largest value of each feature, (F,), over all rows of the training part."""
    rows = {"features": train.feature_rows()}
    if train.panel.market is not None:
        rows["market"] = train.market_rows()
    kept: Arrays = {}
    for name, rows_RF in rows.items():
        kept[LOW + name] = np.nanmin(rows_RF, axis=0)
        kept[HIGH + name] = np.nanmax(rows_RF, axis=0)
    return kept
