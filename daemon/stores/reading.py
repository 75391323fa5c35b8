"""A client for those who read beside the daemon: of whatever the daemon's own store configuration names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.connection import Connection, ConnectionPool

from daemon.stores.address import address
from daemon.stores.keys import Keys

_ANSWER_S: Final = 10.0


@asynccontextmanager
async def reader(url: str, shard: str) -> AsyncIterator["Redis"]:
    """A client of the one server that has this shard now, whichever way the URL leads to it.

    Raises: ConfigError: no Redis address. RedisError, OSError: nobody says where it is.
    """
    told: dict[str, Any] = dict(await address(url, Keys("any", shard).lease).place())
    kind = told.pop("connection_class", Connection)
    pool = ConnectionPool(connection_class=kind, protocol=2, **(told | {"socket_timeout": _ANSWER_S}))
    client = Redis.from_pool(pool)
    try:
        yield client
    finally:
        await client.aclose()
