"""How long to wait before trying again."""

import random
from collections.abc import Callable

import msgspec


class Backoff(msgspec.Struct, frozen=True):
    """Pauses that double from `first_s` up to `last_s`, each shortened by up to half so that clients spread out."""

    first_s: float = 1.0
    last_s: float = 60.0
    chance: Callable[[], float] = random.random
    """A number in [0, 1)."""

    def pause_s(self, failures: int) -> float:
        """The pause after so many failures before this one."""
        # Beyond 2**32 the doubling has long met any sensible last pause.
        return min(self.last_s, self.first_s * 2.0 ** min(failures, 32)) * (1.0 - self.chance() / 2)
