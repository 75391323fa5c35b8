"""A reader of the store beside the daemon, whose errors are for the person who asked."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

from redis.exceptions import AskError, BusyLoadingError, ClusterDownError, ConnectionError, RedisError  # noqa: A004 - Redis' own
from redis.exceptions import TimeoutError as LateError

from core.errors import ConfigError, StoreError, UsageError
from daemon.stores.reading import reader
from daemon.telling.log import redact

if TYPE_CHECKING:
    from redis.asyncio import Redis

AWAY: Final = (OSError, ConnectionError, LateError, BusyLoadingError, AskError, ClusterDownError)
"""The server starts, is gone, or another has taken its place."""
_RETRY_S: Final = 0.2


@contextmanager
def told(url: str) -> Iterator[None]:
    """Raises: UsageError: it is no Redis address. StoreError: Redis does not answer, or refuses."""
    try:
        yield
    except ConfigError as error:
        advice = str(error).partition("; try: ")[2]
        raise UsageError(f"{redact(url)!r} is not a Redis address; try: {advice}") from error
    except (RedisError, OSError) as error:
        raise StoreError(
            f"no predictions from {redact(url)}: {redact(str(error)).rstrip('.')}; try: is the daemon running? "
            "a Redis URL is [store] url of its configuration, a folder [store] directory"
        ) from error


@asynccontextmanager
async def answering(url: str, shard: str, within_s: float = 0.0) -> AsyncIterator["Redis"]:
    """A client of the server that has this shard, once that answers, for which it has so long."""
    deadline = time.monotonic() + within_s
    async with AsyncExitStack() as stack:
        while True:
            try:
                client = await stack.enter_async_context(reader(url, shard))
                await client.ping()
                break
            except AWAY:
                await stack.aclose()
                if time.monotonic() >= deadline:
                    raise
            await asyncio.sleep(_RETRY_S)
        yield client
