"""The store that the settings name, from its opening to its end."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from core.bars import Interval
from core.errors import ConfigError, StoreError
from daemon.config import StoreConfig
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.neighbours import Neighbours
from daemon.stores.recovery import Loss
from daemon.stores.redis import RedisStore

Revive = Callable[[], Awaitable[None]]


@asynccontextmanager
async def opened(
    config: StoreConfig, model: str, interval: Interval, capacity: int, lost: Callable[[Loss], None]
) -> AsyncIterator[tuple[RedisStore, Revive, Neighbours]]:
    """The store, what brings its server back where that is ours, and the shards beside it.

    It has the lease unless it is to wait for that. At the end a daemon that waits may take it at once.
    Raises: ConfigError: the settings do not fit together. StoreError: it cannot be reached.
    """
    if config.standby and not config.url:
        raise ConfigError(
            "[store] standby waits behind another daemon, so both need one Redis; try: url = 'redis://host:6379/0'"
        )
    async with AsyncExitStack() as stack:
        url, revive = config.url, _leave_it
        if not url:
            server = await stack.enter_async_context(EmbeddedServer(Path(config.directory)))
            url, revive = server.url, server.start
        keys = Keys(model, config.shard)
        store = RedisStore(
            url,
            keys,
            interval,
            capacity,
            stream_maxlen=config.stream_maxlen,
            lease_s=config.lease_s,
            republish=config.republish,
            lost=lost,
        )
        stack.push_async_callback(_leave, store)
        await (store.connect() if config.standby else store.open())
        yield store, revive, Neighbours(url, keys, config.shards, interval, config.lease_s)


async def _leave(store: RedisStore) -> None:
    with suppress(StoreError):
        await store.release()
    await store.close()


async def _leave_it() -> None:
    """A server that is not ours is for others to bring back."""
