"""What a model said of a batch, in columns, and in the words that go out: what metrics and the status page are told.

N messages.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.bars import TimeArray
from core.inputs import Bools, Counts
from daemon.ports import Float32s
from daemon.predicting.gazing import Looks


class Spoken(msgspec.Struct, frozen=True):
    """N messages. `places_N`: at which of the batch's entries each is; `outputs` and `looks` by name, (N, ...) each."""

    places_N: npt.NDArray[np.int64]
    symbols: list[str]
    opened_at_ms_N: TimeArray
    waited_ms_N: TimeArray
    """From the bar's being here to the message."""
    late_N: Bools
    filled_N: Counts
    outputs: dict[str, Float32s]
    looks: dict[str, Looks]
    words: list[bytes]

    def __len__(self) -> int:
        return len(self.words)

    def of(self, went_out: Sequence[bool]) -> "Spoken":
        """Those of them whose entry went out."""
        now_N = np.array(went_out, np.bool_)[self.places_N]
        return self if now_N.all() else self.rows(np.flatnonzero(now_N))

    def rows(self, rows: npt.NDArray[np.int64]) -> "Spoken":
        """Some of them, in this order."""
        places = rows.tolist()
        return Spoken(
            self.places_N[rows],
            [self.symbols[place] for place in places],
            self.opened_at_ms_N[rows],
            self.waited_ms_N[rows],
            self.late_N[rows],
            self.filled_N[rows],
            {name: values[rows] for name, values in self.outputs.items()},
            {name: look.rows(rows) for name, look in self.looks.items()},
            [self.words[place] for place in places],
        )


_NONE: Final = np.empty(0, np.int64)
NOTHING: Final = Spoken(_NONE, [], _NONE, _NONE, np.empty(0, np.bool_), _NONE, {}, {}, [])
