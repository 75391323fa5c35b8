"""The right to write, for a time by the server's clock; whoever took it last is the only one whose writes are taken."""

import os
import secrets
import socket
from pathlib import Path
from typing import Any, Final

import msgspec

from daemon.stores.keys import Keys
from daemon.stores.wire import Wire, command

_SCRIPT: Final = Path(__file__).with_name("lease.lua").read_bytes()


class Counts(msgspec.Struct, frozen=True):
    """What the server has taken so far, over all daemons: calls that wrote, and messages that they published."""

    writes: int
    messages: int


class Lease:
    """The lease of one model in one shard. `lasts_s`: so long after its last renewal a daemon that waits takes over.

    `token` is empty before it was taken. Writes renew it and are fenced by it (commit.lua).
    """

    def __init__(self, keys: Keys, wire: Wire, lasts_s: float) -> None:
        self.token = b""
        self.lasts_ms = int(lasts_s * 1_000)
        self._keys = keys
        self._wire = wire
        self._who = f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(4)}"

    async def take(self) -> Counts:
        """Take it whoever has it: the writes of that one are refused from now on. Raises: StoreError."""
        _, self.token, writes, messages = await self._ask("take", self._who)
        return Counts(writes, messages)

    async def seek(self) -> Counts | str:
        """Take it unless its holder is alive; otherwise says who that is. Raises: StoreError."""
        free, told, *counted = await self._ask("seek", self._who)
        if not free:
            return holder(told)
        self.token = told
        return Counts(*counted)

    async def restore(self) -> None:
        """Have it again where the server lost it, unless another daemon took it since. Raises: StoreError."""
        await self._ask("restore", self.token)

    async def release(self) -> None:
        """Let a daemon that waits take it at once; whoever lost it still cannot write. Raises: StoreError."""
        await self._ask("release", self.token)

    async def _ask(self, what: str, who: str | bytes) -> Any:
        keys = (self._keys.lease, self._keys.fence)
        [answer] = await self._wire.demand([command("EVAL", _SCRIPT, len(keys), *keys, what, self.lasts_ms, who)])
        return answer


def holder(token: bytes | str) -> str:
    """Whose token it is: host and process."""
    told = token.decode() if isinstance(token, bytes) else token
    return " ".join(told.split()[1:3])
