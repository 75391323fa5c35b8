"""What the daemon can tell about itself to probes and people."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from core.prediction import Message


class Condition(msgspec.Struct, frozen=True):
    """One thing that must be so before the daemon is ready, whether it is, and why."""

    name: str
    met: bool
    reason: str


class StatusSource(Protocol):
    """Whoever knows how the daemon is. Called from the event loop; must answer at once."""

    def conditions(self) -> Sequence[Condition]:
        """All of them: the daemon is ready when every one is met."""

    def about(self) -> Mapping[str, str]:
        """What runs: model, version, digest, engine, venue, symbols, store, in words and without secrets."""

    def latest(self, limit: int) -> Sequence[Message]:
        """The newest message of each symbol, last published first, at most `limit` of them."""
