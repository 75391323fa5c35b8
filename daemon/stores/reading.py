"""A client for those who read beside the daemon: of whatever the daemon's own store configuration names."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.connection import Connection, ConnectionPool

from daemon.stores.address import address
from daemon.stores.keys import Keys

_ANSWER_S: Final = 10.0


def client_at(place: Mapping[str, Any], answer_s: float = _ANSWER_S) -> "Redis":
    """A client of the server at a place that an address leads to."""
    told = dict(place)
    kind = told.pop("connection_class", Connection)
    return Redis.from_pool(ConnectionPool(connection_class=kind, protocol=2, **(told | {"socket_timeout": answer_s})))


@asynccontextmanager
async def reader(url: str, shard: str) -> AsyncIterator["Redis"]:
    """A client of the one server that has this shard now, whichever way the URL leads to it.

    Raises: ConfigError: no Redis address. RedisError, OSError: nobody says where it is.
    """
    client = client_at(await address(url, Keys("any", shard).lease).place())
    try:
        yield client
    finally:
        await client.aclose()
