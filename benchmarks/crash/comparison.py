"""Two records held against each other, bar by bar."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from benchmarks.crash.record import Told


class Counts(msgspec.Struct, frozen=True):
    """What the comparison found, in predictions."""

    expected: int
    lost: int
    unknown: int
    doubled: int
    different: int
    vanished: int
    """Seen by a reader of the stream, and not in it at the end."""
    unlike: int
    """Series of the adaptive state: drift, scores, margins, running profiles."""

    @property
    def clean(self) -> bool:
        """Whether the disturbed record is the undisturbed one."""
        return not (self.lost or self.unknown or self.doubled or self.different or self.vanished or self.unlike)


class _Parts(msgspec.Struct, frozen=True):
    """A message, its prediction as bytes."""

    prediction: msgspec.Raw


def compare(
    undisturbed: Sequence[bytes], seen: Sequence[bytes], record: Sequence[bytes], until_ms: int, unlike: int = 0
) -> Counts:
    """Hold a record against the undisturbed one, bar by bar at its latest revision, up to `until_ms`."""
    expected, _ = _latest(undisturbed, until_ms)
    found, ids = _latest(record, until_ms)
    there = Counter(record)
    return Counts(
        expected=len(expected),
        lost=len(expected.keys() - found.keys()),
        unknown=len(found.keys() - expected.keys()),
        doubled=sum(count - 1 for count in ids.values()),
        different=sum(found[bar] != expected[bar] for bar in expected.keys() & found.keys()),
        vanished=sum(there[message] == 0 for message in seen),
        unlike=unlike,
    )


def _latest(messages: Sequence[bytes], until_ms: int) -> tuple[dict[tuple[str, int], bytes], Counter[str]]:
    """The bytes of every bar's prediction at its latest revision, and how often each id was told."""
    latest: dict[tuple[str, int], tuple[int, bytes]] = {}
    ids: Counter[str] = Counter()
    for message in messages:
        prediction = msgspec.json.decode(message, type=_Parts).prediction
        told = msgspec.json.decode(prediction, type=Told)
        ids[told.id] += 1
        bar = told.symbol, told.opened_at_ms
        if told.opened_at_ms < until_ms and told.revision >= latest.get(bar, (0, b""))[0]:
            latest[bar] = told.revision, bytes(prediction)
    return {bar: prediction for bar, (_, prediction) in latest.items()}, ids
