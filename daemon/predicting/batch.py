"""Bars taken in together: what to keep of them, what to predict, and what the model is given of each. Pure.

Shapes: N predictions, T window steps, F features.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.bars import Arrival
from core.windows import Fate
from daemon.ports import Float32s
from daemon.predicting.behind import Stored

NOBODY: Final = np.empty(0, np.int64)
"""No place, and no count."""


class Batch(msgspec.Struct, frozen=True):
    """Bars taken in together; `stored` has every bar to keep.

    Where nothing else is to be kept, `stored` is `predicted` itself. Of `predicted` come first those whose newest row
    is enough, as the rest of their window was run ahead: `newest` has their rows and `ahead` the places of their
    symbols. `inputs` has the whole windows of those after them. `reach`: how many rows the window of each of
    `predicted` has, where windows expand.
    """

    stored: tuple[Stored, ...]
    predicted: tuple[Stored, ...]
    inputs: dict[str, Float32s]
    newest: dict[str, Float32s] = {}
    ahead: npt.NDArray[np.int64] = NOBODY
    reach: npt.NDArray[np.int64] = NOBODY

    @property
    def given(self) -> dict[str, Float32s]:
        """What the model is given of one part: by input (N, 1, F) of newest rows, (N, T, F) of whole windows."""
        return self.newest if len(self.ahead) else self.inputs

    def fed(self, row: int) -> dict[str, Float32s]:
        """What the model is given now of the prediction in this row: by input (T, F), or (1, F)."""
        of, row = (self.newest, row) if row < len(self.ahead) else (self.inputs, row - len(self.ahead))
        return {name: rows[row] for name, rows in of.items()}

    def parts(self, rows: int) -> list["Batch"]:
        """The same in batches of at most so many predictions, each of newest rows or of whole windows alone.

        Bars that are only to be kept go with the bar before them, or with the first: a store that has a later bar of a
        symbol in a slot of its ring takes an earlier one for outdated, and publishes nothing of it.
        """
        ahead = len(self.ahead)
        if len(self.predicted) <= rows and ahead in (0, len(self.predicted)):
            return [self]
        firsts = [*range(0, ahead, rows), *range(ahead, len(self.predicted), rows)]
        ends = [*firsts[1:], len(self.predicted)]
        predicted = [self.predicted[first:end] for first, end in zip(firsts, ends, strict=True)]
        kept = predicted if self.stored is self.predicted else self._kept(predicted)
        return [
            Batch(
                stored,
                some,
                {name: values[first - ahead : end - ahead] for name, values in self.inputs.items() if first >= ahead},
                {name: values[first:end] for name, values in self.newest.items() if first < ahead},
                self.ahead[first:end],
                self.reach[first:end],
            )
            for first, end, some, stored in zip(firsts, ends, predicted, kept, strict=True)
        ]

    def _kept(self, predicted: Sequence[tuple[Stored, ...]]) -> list[tuple[Stored, ...]]:
        """What is to be kept of each part, of which so many are predicted."""
        part_of = {key_of(one): part for part, some in enumerate(predicted) for one in some}
        kept: list[list[Stored]] = [[] for _ in predicted]
        reached: dict[str, int] = {}
        for one in self.stored:
            symbol = one.arrival.bar.symbol
            reached[symbol] = part_of.get(key_of(one), reached.get(symbol, 0))
            kept[reached[symbol]].append(one)
        return [tuple(some) for some in kept]


class Admission(msgspec.Struct, frozen=True):
    """What became of the bars that arrived: how many met each fate, and those whose predecessor is missing."""

    batch: Batch
    fates: Counter[Fate]
    early: tuple[Arrival, ...]


def key_of(one: Stored) -> tuple[str, int, int]:
    """Symbol, opening time and revision: the same bar's."""
    return one.arrival.bar.symbol, one.arrival.bar.opened_at_ms, one.revision
