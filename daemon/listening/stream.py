"""Bars out of a Redis Stream, which is its own history: read from its beginning, then as it grows."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NoReturn, cast

from redis.exceptions import RedisError

from core.bars import Arrival, Bar, Interval, Origin
from core.errors import FeedError, FrameError
from daemon.feeds.redis import Redis
from daemon.inbox import Inbox
from daemon.listening.backoff import Backoff
from daemon.listening.watcher import Watcher
from daemon.stores.address import address
from daemon.stores.reading import client_at

if TYPE_CHECKING:
    from redis.asyncio import Redis as Client

log = logging.getLogger("gaze.feed")

_BLOCK_MS: Final = 1_000
_ENTRIES: Final = 1_000
_TIMEOUT_S: Final = 15.0
_SAMPLES: Final = 5

Entries = list[tuple[bytes, Mapping[bytes, bytes]]]


class StreamSource:
    """One stream as a source. An entry is taken once, also over reconnects: reading goes on behind the last one.

    Raises: ConfigError: nobody said where the server is, or it is no address of Redis.
    """

    def __init__(self, feed: Redis, symbols: Sequence[str], backoff: Backoff = Backoff()) -> None:  # noqa: B008 - frozen
        self.feed = feed
        self.symbols = tuple(symbols)
        self.live = False
        """Whether what was there when we came has been read."""
        self._address = address(feed.server_url, feed.stream, "[feed] websocket_url")
        self._backoff = backoff
        self._last = b"0-0"
        self._until = b"0-0"
        self._refused = 0

    def join(
        self,
        interval: Interval,
        inbox: Inbox,
        since: Callable[[str], int | None],
        watcher: Watcher,
        *,
        now: Callable[[], float],
        warmup_bars: int,  # noqa: ARG002 - a stream is read from its beginning
    ) -> None:
        """Put its bars into this inbox, from now on: `since` says which are known already."""
        self.feed.sockets(self.symbols, interval)
        self._inbox = inbox
        self._since = {symbol: since(symbol) or 0 for symbol in self.symbols}
        self._watcher = watcher
        self._now = now

    def request_fill(self, symbol: str, from_ms: int, to_ms: int) -> None:
        """What the stream does not have, nobody has."""

    async def venue_time_ms(self) -> int:
        """The server's time. Raises: FeedError: it does not say."""
        try:
            async with client_at(await self._address.place(), _TIMEOUT_S) as client:
                seconds, microseconds = await client.time()
        except (RedisError, OSError) as error:
            raise FeedError(
                f"redis: expected its time from {self._address.name}, found {error}; try: whether it runs there"
            ) from error
        return int(seconds) * 1_000 + int(microseconds) // 1_000

    async def listen_forever(self) -> NoReturn:
        """Read on. Ends only by cancellation."""
        failures = 0
        again = False
        while True:
            try:
                async with client_at(await self._address.place(), _TIMEOUT_S) as client:
                    newest = cast("Entries", await client.xrevrange(self.feed.stream, count=1))
                    self._until = max(self._until, newest[0][0] if newest else b"0-0", key=_order)
                    self._watcher.feed_up(self.feed.name, up=True)
                    if again:
                        self._watcher.reconnected(self.feed.name)
                    again, failures = True, 0
                    await self._read(client)
            except (RedisError, OSError) as error:
                pause_s = self._backoff.pause_s(failures)
                failures += 1
                told = {
                    "venue": self.feed.name,
                    "host": self._address.name,
                    "reason": str(error),
                    "pause_s": round(pause_s, 3),
                }
                log.warning("stream lost, reading it again", extra=told)
            finally:
                self._watcher.feed_up(self.feed.name, up=False)
            await asyncio.sleep(pause_s)

    async def _read(self, client: "Client") -> NoReturn:
        task = asyncio.current_task()
        while True:
            if task is not None and task.cancelling():
                # A cancellation in the instant an answer comes is swallowed on its way up.
                raise asyncio.CancelledError
            self.live = self.live or _order(self._last) >= _order(self._until)
            answer = await client.xread({self.feed.stream: self._last}, count=_ENTRIES, block=_BLOCK_MS)
            for _, entries in cast("list[tuple[bytes, Entries]]", answer or []):
                self._watcher.frames(self.feed.name, int(self._now() * 1_000), len(entries))
                await self._take(entries)
                self._last = entries[-1][0]

    async def _take(self, entries: Entries) -> None:
        """Put the bars of entries, those that were there before we came as history."""
        arrivals: list[Arrival] = []
        at_ms = int(self._now() * 1_000)
        for number, fields in entries:
            bar = self._decode(fields)
            if bar is None or bar.symbol not in self._since:
                continue
            known = _order(number) <= _order(self._until)
            if not bar.closed:
                self._inbox.drop_open(1)
            elif not known or bar.opened_at_ms >= self._since[bar.symbol]:
                arrivals.append(Arrival(bar, self.feed.name, at_ms, Origin.BACKFILLED if known else Origin.LIVE))
        if arrivals:
            await self._inbox.put_closed(arrivals)
        backfilled = sum(arrival.origin is Origin.BACKFILLED for arrival in arrivals)
        if backfilled:
            self._watcher.backfilled(backfilled)

    def _decode(self, fields: Mapping[bytes, bytes]) -> Bar | None:
        """The bar of an entry; None where it is refused."""
        try:
            return self.feed.decode(fields)
        except FrameError as error:
            self._watcher.refused(self.feed.name)
            self._refused += 1
            if self._refused <= _SAMPLES:
                log.warning("entry refused", extra={"venue": self.feed.name, "error": str(error)})
            return None


def _order(number: bytes) -> tuple[int, int]:
    milliseconds, _, count = number.partition(b"-")
    return int(milliseconds), int(count or 0)
