"""What a store of the model "btc" keeps of one symbol, as tests read it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from builders import HOUR

from core.windows import Windows
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore

if TYPE_CHECKING:
    import redis.asyncio as redis

DOCS = Path(__file__).resolve().parents[1] / "docs"
KEYS = Keys("btc")
LATEST = KEYS.latest("BTCUSDT")
RING = KEYS.ring("1h", 5, "BTCUSDT")


class Place:
    """Where a store is. `url` is the store's, `client_url` leads to the one node that has it."""

    def __init__(self, url: str, client_url: str, server: EmbeddedServer | None = None) -> None:
        self.url = url
        self.client_url = client_url
        self.server = server


def least_rights(user: str = "gaze") -> list[str]:
    """Words of ACL SETUSER that docs/reference/redis.md gives the daemon's user, or who only reads; no password."""
    told = (DOCS / "reference" / "redis.md").read_text()
    return told.split(f"ACL SETUSER {user} on >PASSWORD ")[1].split("\n\n")[0].split()


async def recorded(client: "redis.Redis"):
    return [fields[b"message"].decode() for _, fields in await client.xrange(KEYS.stream)]


def mirror(symbols: Sequence[str] = ("BTCUSDT",), capacity: int = 5):
    return Windows(HOUR, symbols, capacity)


async def loaded(store: RedisStore, **more: Any):
    windows = mirror(**more)
    await store.load(windows)
    return windows


def bars_of(windows: Windows, symbol: str = "BTCUSDT"):
    """Hours, closes, revisions and published revisions of one symbol, oldest first."""
    position = windows.index[symbol]
    there = np.flatnonzero(windows.opened_at_ms_SC[position] >= 0)
    order = there[np.argsort(windows.opened_at_ms_SC[position, there])]
    return [
        (
            int(windows.opened_at_ms_SC[position, slot] // HOUR.ms) - 480_000,
            float(windows.rows_SC5[position, slot, 3]),
            int(windows.revision_SC[position, slot]),
            int(windows.published_SC[position, slot]),
        )
        for slot in order
    ]
