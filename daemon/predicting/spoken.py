"""What a model said of a batch, in columns, and in the words that go out: what metrics and the status page are told.

N messages.
"""

from collections.abc import Sequence
from itertools import compress
from typing import Final

import msgspec

from daemon.ports import Float32s
from daemon.predicting.gazing import Looks


class Spoken(msgspec.Struct, frozen=True):
    """N messages. `places`: at which of the batch's entries each is; `outputs` and `looks` by name, (N, ...) each."""

    places: list[int]
    symbols: list[str]
    opened_at_ms: list[int]
    received_at_ms: list[int]
    late: list[bool]
    filled: list[int]
    published_at_ms: int
    outputs: dict[str, Float32s]
    looks: dict[str, Looks]
    words: list[bytes]

    def __len__(self) -> int:
        return len(self.words)

    def of(self, went_out: Sequence[bool]) -> "Spoken":
        """Those of them whose entry went out."""
        now = [went_out[place] for place in self.places]
        if all(now):
            return self
        return Spoken(
            list(compress(self.places, now)),
            list(compress(self.symbols, now)),
            list(compress(self.opened_at_ms, now)),
            list(compress(self.received_at_ms, now)),
            list(compress(self.late, now)),
            list(compress(self.filled, now)),
            self.published_at_ms,
            {name: values[now] for name, values in self.outputs.items()},
            {name: looks.of(now) for name, looks in self.looks.items()},
            list(compress(self.words, now)),
        )


NOTHING: Final = Spoken([], [], [], [], [], [], 0, {}, {}, [])
