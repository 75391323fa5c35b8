"""From the bars behind a prediction to what a model reads of them: the one place that export, live and replay share.

Shapes: N predictions, L bars, T window steps, F features.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.bars import BarArray, Interval, TimeArray
from core.bundle import Input
from core.errors import BundleError
from core.features import FeatureSet


class Inputs:
    """What each input of a bundle's graph is given.

    Raises: BundleError: this gaze computes some feature otherwise than the one that trained.
    """

    def __init__(self, inputs: Sequence[Input], interval: Interval) -> None:
        self._inputs = tuple(inputs)
        self._features = [_known(one) for one in inputs]
        self._interval_ms = interval.ms
        self.bars_needed = max(one.bars_needed for one in inputs)
        """Bars behind each prediction, its own included."""

    def make(self, bars_NL5: BarArray, opened_at_ms_N: TimeArray) -> dict[str, npt.NDArray[np.float32]]:
        """(N, L, 5) unbroken bars and (N,) opening times of the last of each -> by input, (N, T, F)."""
        back_L = np.arange(bars_NL5.shape[1] - 1, -1, -1) * self._interval_ms
        opened_at_ms_NL = opened_at_ms_N[:, None] - back_L
        return {
            one.name: features.rows(bars_NL5, one.window.length, opened_at_ms_NL).astype(np.float32)
            for one, features in zip(self._inputs, self._features, strict=True)
        }


def _known(one: Input) -> FeatureSet:
    known = FeatureSet(one.features)
    if (known.digest, known.lookback) != (one.features_digest, one.lookback):
        raise BundleError(
            f"the features of input {one.name!r} have digest {known.digest} here and {one.features_digest} in the "
            "bundle: their definitions changed. try: the gaze that trained it, or gaze train again"
        )
    return known
