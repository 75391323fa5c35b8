"""Which shard serves which symbol: one more shard takes its share from all, and no other symbol moves.

Rendezvous hashing (Thaler and Ravishankar, 1998): each shard draws a number for the symbol, and the highest has it.
"""

from collections.abc import Iterable
from hashlib import blake2b


def owner(symbol: str, shards: int) -> int:
    """The shard of 0 to `shards` - 1 that serves this symbol."""
    return max(range(shards), key=lambda shard: blake2b(f"{shard} {symbol}".encode(), digest_size=8).digest())


def share(symbols: Iterable[str], shard: int, shards: int) -> tuple[str, ...]:
    """Those of the symbols that this shard serves, in their order."""
    return tuple(symbol for symbol in symbols if owner(symbol, shards) == shard)
