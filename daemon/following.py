"""Whom the daemon follows: the venues, and of their symbols those that are its shard's."""

from collections.abc import Sequence
from typing import Final

import msgspec

from core.errors import ConfigError
from daemon.config import Config, VenueConfig
from daemon.feeds import feed as open_feed
from daemon.feeds.redis import Redis
from daemon.listening.spelling import chosen, spelled, together
from daemon.ports import Feed
from daemon.sharding import share

_GAUGED: Final = 100
"""Symbols with a gauge of their own where the settings name none."""


class Followed(msgspec.Struct, frozen=True):
    """The venues that have symbols of ours, feed by feed, and which symbols have a gauge of their own."""

    venues: tuple[VenueConfig, ...]
    feeds: tuple[Feed | Redis, ...]
    by_feed: tuple[tuple[str, ...], ...]
    symbols: tuple[str, ...]
    gauged: tuple[str, ...]


def follow(config: Config) -> Followed:
    """As the settings say. Raises: ConfigError: a symbol twice, one that no venue has, or none that is this shard's."""
    venues = config.feed.venues
    feeds = [open_feed(one.venue, one.websocket_url or None, one.rest_url or None) for one in venues]
    asked = [spelled(feed, one.symbols) for feed, one in zip(feeds, venues, strict=True)]
    everyone = together(asked)
    named = chosen(config.metrics.symbols, feeds, everyone)
    served = [part for part in zip(venues, feeds, _shares(config, asked), strict=True) if part[2]]
    if not served:
        shard = f"shard {config.store.shard} of {config.store.shards}"
        raise ConfigError(
            f"[store] {shard} has none of the {len(everyone)} symbols; try: fewer shards, or more symbols"
        )
    by_feed = tuple(some for _, _, some in served)
    symbols = together(by_feed)
    gauged = tuple(symbol for symbol in named if symbol in set(symbols)) or symbols[:_GAUGED]
    return Followed(tuple(one for one, _, _ in served), tuple(feed for _, feed, _ in served), by_feed, symbols, gauged)


def _shares(config: Config, asked: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    shards = config.store.shards
    return [share(some, int(config.store.shard), shards) for some in asked] if shards > 1 else list(asked)
