"""The newest messages that Redis has taken, in memory: a server that lost them is given them again."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from daemon.ports import Entry


class Outbox:
    """At most `capacity` entries, in the order in which they went out; the oldest makes room."""

    def __init__(self, capacity: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=capacity)

    def __len__(self) -> int:
        return len(self._entries)

    def keep(self, entries: Iterable[Entry]) -> None:
        """Remember those of these entries that have a message."""
        self._entries.extend(entry for entry in entries if entry.message is not None)

    def parts(self, most: int) -> Iterator[Sequence[Entry]]:
        """All of them, so many at a time."""
        entries = list(self._entries)
        return (entries[first : first + most] for first in range(0, len(entries), most))
