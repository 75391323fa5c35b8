"""What speaks against each prediction of a batch: doubts that its readers get with it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.bars import OFF_A_SOCKET, Origin
from core.bundle import Input
from core.inputs import Counts
from core.prediction import Doubt, Reason
from core.reference import HIGH, LOW
from daemon.ports import Float32s
from daemon.predicting.behind import Stored

_FULL: Final = np.empty(0, np.int64)
_NAMED: Final = 3
"""So many features or statistics are named in one doubt."""


class Trust:
    """Doubts about one model's predictions.

    `reference`: the bundle's arrays, which core/reference.py names. `uncalibrated`: what it lacks to be judged by.
    """

    def __init__(
        self,
        inputs: Sequence[Input],
        reference: Mapping[str, npt.NDArray[Any]],
        uncalibrated: Sequence[str] = (),
    ) -> None:
        self._length = max((one.window.length for one in inputs if one.window.kind == "expanding"), default=0)
        self._features = {one.name: one.features for one in inputs}
        self._ranges = {
            one.name: (reference[LOW + one.name], reference[HIGH + one.name])
            for one in inputs
            if LOW + one.name in reference
        }
        lacking = [*uncalibrated, *(() if self._ranges else ("the bundle has no training range",))]
        self._always = tuple(Doubt(Reason.UNCALIBRATED, what) for what in lacking)

    def doubts(
        self,
        predicted: Sequence[Stored],
        inputs: Mapping[str, Float32s],
        drifting: Sequence[str],
        reach_N: Counts = _FULL,
    ) -> list[tuple[Doubt, ...]]:
        """What speaks against each. `inputs`: (N, T, F) of each, or its newest row; `drifting`: what has drifted.

        `reach_N`: how many rows each window has, where windows expand.
        """
        always = self._always
        if drifting:
            always = (*always, Doubt(Reason.DRIFTED, _named(drifting)))
        # Most rows have the same, and share it: they are encoded once.
        doubts = [always] * len(predicted)
        for row, one in enumerate(predicted):
            if one.filled or one.arrival.origin not in OFF_A_SOCKET:
                doubts[row] = (*always, *_of_bars(one))
        for name, values_NTF in inputs.items():
            self._doubt_range(name, values_NTF[:, -1], doubts)
        for row in np.flatnonzero(reach_N < self._length).tolist():
            doubts[row] = (*doubts[row], Doubt(Reason.THIN, f"{int(reach_N[row])} of {self._length} bars"))
        return doubts

    def _doubt_range(self, name: str, newest_NF: Float32s, doubts: list[tuple[Doubt, ...]]) -> None:
        if name not in self._ranges:
            return
        low_F, high_F = self._ranges[name]
        outside_NF = (newest_NF < low_F) | (newest_NF > high_F)
        if not outside_NF.any():
            return
        for row in np.flatnonzero(outside_NF.any(axis=1)).tolist():
            names = [self._features[name][column] for column in np.flatnonzero(outside_NF[row])]
            doubts[row] = (*doubts[row], Doubt(Reason.OUTSIDE, _named(names)))


def _of_bars(one: Stored) -> tuple[Doubt, ...]:
    late = (Doubt(Reason.LATE, "the bar came by backfill"),) if one.arrival.origin is Origin.BACKFILLED else ()
    built = one.filled + (one.arrival.origin is Origin.FILLED)
    return (*late, Doubt(Reason.FILLED, f"{built} bars of the window")) if built else late


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
