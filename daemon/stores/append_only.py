"""The append-only file of a server of our own, rewritten while nobody waits for that server.

The file grows only while bursts are written. So a server that rewrites it as soon as it has grown enough begins in the
middle of one, and takes a core and copies of its memory from it.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn

import msgspec
from redis.exceptions import ResponseError

from core.errors import StoreError
from daemon.stores.address import address
from daemon.stores.keys import Keys
from daemon.stores.wire import Wire, command

log = logging.getLogger("gaze.store")

_ANSWER_S: Final = 10.0
_LOOK_S: Final = 2.0
_AGAIN_S: Final = 60.0
"""So long it is not asked again, whatever came of it."""
_LEAST_BYTES: Final = 64 << 20
_GROWN: Final = 2
"""So many times as large as it would be anew, it is rewritten when that disturbs nobody."""
_OVERGROWN: Final = 4
"""So many times as large it is rewritten at once, for the disk's sake."""
_QUIET_LOOKS: Final = 2
_REFUSED: Final = "our own server's file cannot be made short; try: free space on its disk"
_TOLD: Final = re.compile(rb"^(aof_\w+|used_memory):(\w+)", re.MULTILINE)


class Size(msgspec.Struct, frozen=True):
    """How large the file is, how large it was when it was new, and whether it is being rewritten or could not be."""

    now_bytes: int
    new_bytes: int
    rewriting: bool
    failed: bool


class AppendOnlyFile:
    """Has its server rewrite it. `busy`: whether bars wait. `look_s`: between two looks at both.

    `least_bytes`: below this it is left alone.
    """

    def __init__(
        self,
        url: str,
        keys: Keys,
        *,
        busy: Callable[[], bool],
        look_s: float = _LOOK_S,
        again_s: float = _AGAIN_S,
        least_bytes: int = _LEAST_BYTES,
    ) -> None:
        self._wire = Wire(address(url, keys.lease), _ANSWER_S)
        self._busy = busy
        self._look_s = look_s
        self._again_s = again_s
        self._least_bytes = least_bytes

    async def rewrite_forever(self) -> NoReturn:
        """Have it rewritten whenever it has grown. Ends only by cancellation."""
        quiet = 0
        while True:
            await asyncio.sleep(self._look_s)
            quiet = 0 if self._busy() else quiet + 1
            # Whether the server is away the keeper of the store tells.
            with suppress(StoreError):
                size = await self.size()
                if self.due(size, quiet=quiet >= _QUIET_LOOKS):
                    await self._rewrite(size)
                    await asyncio.sleep(self._again_s)

    def due(self, size: Size, *, quiet: bool) -> bool:
        """Whether it is to be rewritten now."""
        grown = size.now_bytes / max(size.new_bytes, self._least_bytes)
        return not size.rewriting and grown >= (_GROWN if quiet else _OVERGROWN)

    async def size(self) -> Size:
        """As the server knows it. Raises: StoreError: the server is away."""
        [said] = await self._wire.demand([command("INFO")])
        told = dict(_TOLD.findall(said))
        return Size(
            now_bytes=int(told[b"aof_current_size"]),
            # A server older than Redis 7 calls it new when it has read it.
            new_bytes=min(int(told[b"aof_base_size"]), int(told[b"used_memory"])),
            rewriting=b"1" in (told[b"aof_rewrite_in_progress"], told[b"aof_rewrite_scheduled"]),
            failed=told[b"aof_last_bgrewrite_status"] != b"ok",
        )

    async def _rewrite(self, size: Size) -> None:
        [answer] = await self._wire.ask([command("BGREWRITEAOF")])
        told: dict[str, object] = {"MiB": size.now_bytes >> 20, "new_MiB": size.new_bytes >> 20}
        if size.failed or isinstance(answer, ResponseError):
            said = str(answer) if isinstance(answer, ResponseError) else "the last time it failed"
            log.warning(_REFUSED, extra=told | {"server": said})
        else:
            log.info("our own server makes its file short", extra=told)

    async def close(self) -> None:
        """Let go of the connection."""
        await self._wire.close()
