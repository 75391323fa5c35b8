"""The venues Gaze can listen to. A new one is one file here and one line in FEEDS."""

import pkgutil
from difflib import get_close_matches
from typing import Final

from core.errors import ConfigError
from daemon.ports import Feed

FEEDS: Final = {
    "binance": "daemon.feeds.binance:spot",
    "binance_us": "daemon.feeds.binance:us",
    "binance_usdm": "daemon.feeds.binance:usdm",
    "bybit": "daemon.feeds.bybit:spot",
    "bybit_linear": "daemon.feeds.bybit:linear",
    "okx": "daemon.feeds.okx:Okx",
    "kraken": "daemon.feeds.kraken:Kraken",
    "hyperliquid": "daemon.feeds.hyperliquid:Hyperliquid",
    "coinbase": "daemon.feeds.coinbase:Coinbase",
    "generic": "daemon.feeds.generic:Generic",
}
"""Name -> where its constructor is; imported only when that feed is asked for."""

OTHERS: Final = {"redis": "daemon.feeds.redis:Redis"}
"""Feeds for gaze run alone, which bring bars by other means than websockets and REST of ours."""


def feed(name: str, websocket_url: str | None = None, rest_url: str | None = None) -> Feed:
    """Build a feed; the addresses are the venue's own unless given, without a path or with a prefix of one.

    Raises: ConfigError: no such feed, or an address of another scheme.
    """
    known = FEEDS | OTHERS
    if name not in known:
        near = get_close_matches(name, known, n=1) or sorted(known)
        raise ConfigError(f"no feed is called {name!r}; there are: {', '.join(sorted(known))}. try: {near[0]}")
    for url, schemes in ((websocket_url, ("ws://", "wss://")), (rest_url, ("http://", "https://"))):
        if url is not None and name in FEEDS and not url.startswith(schemes):
            raise ConfigError(f"feed {name}: expected an address with {' or '.join(schemes)}, found {url!r}")
    built: Feed = pkgutil.resolve_name(known[name])(websocket_url, rest_url)
    return built
