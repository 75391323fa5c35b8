"""One prediction that a daemon made, found again by its id, and the bars that its store still has."""

import asyncio
import hashlib
from contextlib import AsyncExitStack
from typing import Any, Final

import msgspec
import numpy as np

from core.barfile import BarFile, SymbolBars
from core.bars import CLOSE, VOLUME, Interval
from core.errors import DataError
from core.prediction import Message, decode
from daemon.replaying.recorded import connected
from daemon.stores import ring
from daemon.stores.keys import Keys

_A_READ: Final = 1_000
_MOST_SYMBOLS: Final = 200
"""As many symbols tell what is usual."""


class Found(msgspec.Struct, frozen=True):
    """The message, and the newest bars of its symbol and of others beside it: what the daemon's windows held."""

    message: Message
    bars: BarFile


def look_up(prediction_id: str, where: str, shard: str) -> Found:
    """Find a prediction in the store at a Redis URL, or in the folder of a daemon's own store, running or not.

    Raises: UsageError: no such place. StoreError: it does not answer. DataError: no such prediction.
    """
    return asyncio.run(_look_up(prediction_id, where, shard))


async def _look_up(prediction_id: str, where: str, shard: str) -> Found:
    async with AsyncExitStack() as stack:
        client = await connected(where, shard, stack)
        message = await _message(client, prediction_id, shard)
        return Found(message, await _bars(client, message, shard))


async def _message(client: Any, prediction_id: str, shard: str) -> Message:
    """The newest entries are read first: that is what is asked about."""
    wanted, read = prediction_id.encode(), 0
    streams = sorted([name async for name in client.scan_iter(match=f"gaze:{{{shard}}}:predictions:*")])
    for stream in streams:
        before = "+"
        while entries := await client.xrevrange(stream, max=before, count=_A_READ):
            read += len(entries)
            for _, fields in entries:
                raw = fields.get(b"message", b"")
                if wanted in raw and (message := decode(raw)).prediction.id == prediction_id:
                    return message
            before = f"({entries[-1][0].decode()}"
    raise DataError(
        f"no prediction with id {prediction_id!r} among the {read:,} that shard {shard} holds; "
        "try: an id as gaze watch --json shows it, --shard, or a larger store.stream_maxlen"
    )


async def _bars(client: Any, message: Message, shard: str) -> BarFile:
    told = message.prediction
    interval, pattern = Interval.parse(told.interval), Keys(told.model, shard).ring(told.interval, 0, "")
    before = pattern.removesuffix(":0:")
    names = [name.decode() async for name in client.scan_iter(match=f"{before}:*", count=1_000)]
    rings = [tuple(name.removeprefix(f"{before}:").split(":", 1)) for name in sorted(names)]
    own = [int(capacity) for capacity, symbol in rings if symbol == told.symbol]
    if not own:
        raise DataError(f"the store has no bars of {told.symbol} any more; try: --bars with a file that has them")
    largest = max(own)
    others = [symbol for capacity, symbol in rings if int(capacity) == largest and symbol != told.symbol]
    symbols = [told.symbol, *others[: _MOST_SYMBOLS - 1]]
    kept = await client.mget([f"{before}:{largest}:{symbol}" for symbol in symbols])
    rows_NC = ring.unpack(kept, interval, largest)
    parts = {symbol: _part(symbol, rows_C) for symbol, rows_C in zip(symbols, rows_NC, strict=True)}
    if message.context.filled:
        parts[told.symbol] = _held_flat(parts[told.symbol], interval)
    parts = {symbol: part for symbol, part in parts.items() if len(part.rows)}
    digest = hashlib.sha256(b"".join(part.rows.tobytes() for part in parts.values())).hexdigest()
    return BarFile(interval, parts, digest)


def _part(symbol: str, rows_C: np.ndarray[Any, Any]) -> SymbolBars:
    there = rows_C[rows_C["written"] > 0]
    there = there[np.argsort(there["opened_at_ms"])]
    return SymbolBars(symbol, there["opened_at_ms"].astype(np.int64), np.ascontiguousarray(there["bar"], np.float64))


def _held_flat(part: SymbolBars, interval: Interval) -> SymbolBars:
    """With every hole filled as the daemon did: each price the last close before, volume 0."""
    times = np.arange(part.opened_at_ms[0], part.opened_at_ms[-1] + 1, interval.ms)
    last = np.searchsorted(part.opened_at_ms, times, side="right") - 1
    rows = part.rows[last]
    made = part.opened_at_ms[last] != times
    rows[made] = rows[made, CLOSE][:, None]
    rows[made, VOLUME] = 0.0
    return SymbolBars(part.symbol, times, rows)
