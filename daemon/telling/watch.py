"""`gaze watch`: the newest prediction of each symbol, with where the model looked, as they come.

It reads the latest message of every symbol, then follows the stream from where it was before that read, so nothing
falls between. A reader that falls behind takes the latest messages again instead of running after the stream.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from core.errors import StoreError, UsageError
from core.prediction import Message, decode
from daemon.stores.embedded import socket_in
from daemon.stores.keys import Keys
from daemon.telling.reading import AWAY, answering, told
from daemon.telling.watch_view import View

if TYPE_CHECKING:
    from redis.asyncio import Redis

_BEHIND: Final = 1_000
"""As many entries in one read mean that we are behind."""
_BLOCK_MS: Final = 500
_RATE_S: Final = 10.0
_ANY: Final = "*"


class Until(msgspec.Struct, frozen=True):
    """When to stop: after the latest ones, after so many that came while watching, after so many seconds.

    `store_s`: how long the store may be away, as while the daemon starts, or another server takes over.
    """

    once: bool = False
    count: int | None = None
    seconds: float | None = None
    store_s: float = 0.0


def address(directory: Path) -> str:
    """The URL of the store that a daemon runs for itself in this folder."""
    return f"unix://{quote(str(socket_in(directory)))}"


async def watch(url: str, model: str | None, shard: str, until: Until, view: View) -> None:
    """Show predictions until it is time to stop.

    Raises: StoreError: Redis does not answer. UsageError: no address, or several models and none chosen.
    """
    with told(url), contextlib.suppress(TimeoutError):
        async with asyncio.timeout(until.seconds):
            shown = _Shown(until, view)
            while not shown.enough:
                async with answering(url, shard, until.store_s) as client:
                    with contextlib.suppress(*(AWAY if until.store_s else ())):
                        keys = Keys(model or await _only_model(client, shard, wait=not until.once), shard)
                        await shown.follow(client, keys)


class _Shown:
    """What was shown so far, of one server or of others that took its place."""

    def __init__(self, until: Until, view: View) -> None:
        self.enough = False
        self._until = until
        self._view = view
        self._newest: dict[str, Message] = {}
        self._came: deque[tuple[float, int]] = deque()
        self._total = -1

    async def follow(self, client: "Redis", keys: Keys) -> None:
        """Show what is there and what comes, until it is enough."""
        async for messages in follow(client, keys):
            new = [message for message in messages if _is_new(self._newest, message)]
            # What was there before we came counts for nothing.
            live = len(new) if self._total >= 0 else 0
            self._total = max(self._total, 0) + live
            footer = f"model {keys.model}, {len(self._newest)} symbols, {self._rate(live):.1f} predictions a second"
            self._view.show(new, list(self._newest.values()), time.time_ns() // 1_000_000, footer)
            if self._until.once or (self._until.count is not None and self._total >= self._until.count):
                self.enough = True
                return

    def _rate(self, live: int) -> float:
        self._came.append((time.monotonic(), live))
        while self._came[0][0] < self._came[-1][0] - _RATE_S:
            self._came.popleft()
        return sum(count for _, count in self._came) / _RATE_S


def _is_new(newest: dict[str, Message], message: Message) -> bool:
    """Whether it was not shown before; `newest` learns of it where its bar is no older."""
    known = newest.get(message.prediction.symbol)
    if known is not None and known.prediction.id == message.prediction.id:
        return False
    if known is None or message.prediction.opened_at_ms >= known.prediction.opened_at_ms:
        newest[message.prediction.symbol] = message
    return True


async def follow(client: "Redis", keys: Keys) -> AsyncIterator[list[Message]]:
    """First the latest message of every symbol, then what comes; an empty list when nothing came for a moment."""
    after = await _end(client, keys)
    yield await _latest(client, keys)
    while True:
        streams: Any = await client.xread({keys.stream: after}, count=_BEHIND, block=_BLOCK_MS)
        entries = streams[0][1] if streams else []
        if len(entries) == _BEHIND:
            after = await _end(client, keys)
            yield await _latest(client, keys)
        else:
            after = str(entries[-1][0], "ascii") if entries else after
            yield [decode(fields[b"message"]) for _, fields in entries]


async def _end(client: "Redis", keys: Keys) -> str:
    newest: Any = await client.xrevrange(keys.stream, count=1)
    return str(newest[0][0], "ascii") if newest else "0-0"


async def _latest(client: "Redis", keys: Keys) -> list[Message]:
    names = [name async for name in client.scan_iter(match=keys.latest(_ANY), count=1_000)]
    pipeline = client.pipeline(transaction=False)
    for name in sorted(names):
        pipeline.get(name)
    return [decode(raw) for raw in await pipeline.execute() if raw is not None]


async def _only_model(client: "Redis", shard: str, *, wait: bool) -> str:
    """The one model that publishes; `wait` for the first message where there is none yet."""
    prefix, channel = f"gaze:{{{shard}}}:predictions:", "gaze:predictions:"
    async with client.pubsub() as announced:
        await announced.psubscribe(channel + _ANY)
        streams = [name.decode() async for name in client.scan_iter(match=prefix + _ANY, count=1_000)]
        models = sorted(name.removeprefix(prefix) for name in streams)
        if len(models) > 1:
            raise UsageError(f"several models publish here: {', '.join(models)}; try: --model {models[0]}")
        if not models and not wait:
            raise StoreError(
                f"no model has published in shard {shard} yet; try: without --once, it waits for the first"
            )
        while not models:
            heard = await announced.get_message(ignore_subscribe_messages=True, timeout=_BLOCK_MS / 1_000)
            said = str(heard["channel"], "ascii").removeprefix(channel) if heard is not None else ":"
            # Beside the channels of models lie those on which a daemon tries whether it may publish.
            models = [said] if ":" not in said else []
    return str(models[0])
