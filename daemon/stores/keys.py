"""The names of everything Gaze keeps in Redis; docs/reference/redis.md tells them to users.

Whatever one script touches shares the hash tag of its shard, so that it lies on one node of a cluster.
"""

import re
from typing import Final

import msgspec

from core.errors import ConfigError

LAYOUT: Final = 1
"""The version of a ring's rows. Another layout has other keys, so two versions of Gaze never misread each other."""

COUNTS: Final = "shards"
"""The hash tag of what all shards read."""

_WORD: Final = re.compile(r"[A-Za-z0-9._-]+")


class Keys(msgspec.Struct, frozen=True):
    """The names for one model in one shard. Raises: ConfigError: a name that would make another key of it."""

    model: str
    shard: str = "0"

    def __post_init__(self) -> None:
        for kind, name in (("model", self.model), ("shard", self.shard)):
            if not _WORD.fullmatch(name):
                raise ConfigError(f"{kind} {name!r} cannot be part of a Redis key; try: letters, digits, '.', '_', '-'")

    @property
    def fence(self) -> str:
        """The token of the one daemon that may write, and how much was written."""
        return f"gaze:{{{self.shard}}}:fence:{self.model}"

    @property
    def lease(self) -> str:
        """That token again, for as long as its daemon is alive."""
        return f"gaze:{{{self.shard}}}:lease:{self.model}"

    @property
    def stream(self) -> str:
        """The record of every message."""
        return f"gaze:{{{self.shard}}}:predictions:{self.model}"

    def shadow(self, digest: str) -> str:
        """The record of what a challenger would have said."""
        return f"gaze:{{{self.shard}}}:shadow:{self.model}:{digest}"

    def memory(self, stream: str) -> str:
        """What a watch of one of these streams remembers of it."""
        return f"{stream}:watch"

    @property
    def commands(self) -> str:
        """Where others ask the daemon to serve another version."""
        return f"gaze:{{{self.shard}}}:commands:{self.model}"

    @property
    def channel(self) -> str:
        """Where every message is announced; the same for all shards."""
        return f"gaze:predictions:{self.model}"

    @property
    def counts(self) -> str:
        """Per shard, how many it took there to be when it last began to lead."""
        return f"gaze:{{{COUNTS}}}:counts:{self.model}"

    @property
    def gathered(self) -> str:
        """There once all that live have had the time to say so; it goes where that goes."""
        return f"gaze:{{{COUNTS}}}:gathered:{self.model}"

    def since(self, interval: str) -> str:
        """Per symbol, the opening time of the first bar that was to be predicted."""
        return f"gaze:{{{self.shard}}}:since:{self.model}:{interval}"

    def newest(self, interval: str) -> str:
        """Per symbol, the opening time of the newest bar that was published; it outlives every ring."""
        return f"gaze:{{{self.shard}}}:newest:{self.model}:{interval}"

    def latest(self, symbol: str) -> str:
        """The message of the newest bar of a symbol."""
        return f"gaze:{{{self.shard}}}:latest:{self.model}:{symbol}"

    def ring(self, interval: str, capacity: int, symbol: str) -> str:
        """The bars of a symbol. Interval and capacity decide a bar's slot, so a change of either is another ring."""
        return f"gaze:{{{self.shard}}}:ring:{LAYOUT}:{self.model}:{interval}:{capacity}:{symbol}"
