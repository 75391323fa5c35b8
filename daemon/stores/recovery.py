"""What a server that lost something is given again out of memory: bars, and what is known of each symbol."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import numpy as np

from core.windows import EMPTY, NEVER, Windows
from daemon.stores import ring
from daemon.stores.wire import Wire, command

_GUARDED: Final = b"""
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return redis.error_reply('UNHELD this server does not know that we took the lease')
end
return redis.call(ARGV[2], KEYS[2], unpack(ARGV, 3))
"""
"""A command that only a server obeys which has not lost what it was given since we took the lease there."""
_RINGS_A_CALL: Final = 100
_SYMBOLS_A_CALL: Final = 1_000


class Loss(msgspec.Struct, frozen=True):
    """Predictions that a server had answered and then did not have: how many, and how many it has again."""

    lost: int
    republished: int

    @property
    def gone(self) -> int:
        """Those that nobody remembers."""
        return max(self.lost - self.republished, 0)


class Fence(msgspec.Struct, frozen=True):
    """Who may write, and the key that says so."""

    key: str
    token: bytes

    def guard(self, name: str, key: str, *words: bytes | str | int) -> bytes:
        """This command on this key, refused where the server lost our token, and so perhaps more."""
        return command("EVAL", _GUARDED, 2, self.key, key, self.token, name, *words)


async def mend_rings(wire: Wire, fence: Fence, windows: Windows, name: Callable[[str], str], keep_ms: int) -> None:
    """Write the rings that lack a bar, or have an older revision of it; what they have beside stays."""
    for first in range(0, len(windows.symbols), _RINGS_A_CALL):
        some = windows.symbols[first : first + _RINGS_A_CALL]
        [rings] = await wire.demand([command("MGET", *map(name, some))])
        merged = zip(some, ring.merge(windows, first, rings), strict=True)
        await wire.demand(fence.guard("SET", name(symbol), told, "PX", keep_ms) for symbol, told in merged if told)


async def mend_symbols(
    wire: Wire, fence: Fence, windows: Windows, since: str, newest: str, followed: Mapping[str, int]
) -> None:
    """Write where each symbol's predictions begin, and which is its newest that went out."""
    published_ms_S = np.where(windows.published_SC != NEVER, windows.opened_at_ms_SC, EMPTY).max(axis=1).tolist()
    published_ms = {name: at for name, at in zip(windows.symbols, published_ms_S, strict=True) if at != EMPTY}
    for key, told in ((since, followed), (newest, published_ms)):
        names = list(told)
        for first in range(0, len(names), _SYMBOLS_A_CALL):
            some = names[first : first + _SYMBOLS_A_CALL]
            [there] = await wire.demand([command("HMGET", key, *some)])
            lacking = [name for name, at in zip(some, there, strict=True) if at is None or int(at) < told[name]]
            if lacking:
                pairs = [word for name in lacking for word in (name, told[name])]
                await wire.demand([fence.guard("HSET", key, *pairs)])
