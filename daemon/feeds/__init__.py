"""The venues Gaze can listen to. A new one is one file here and one line in FEEDS."""

import pkgutil
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from typing import Any, Final

from core.errors import ConfigError
from daemon.feeds.ccxt import Ccxt
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
"""Feeds for gaze run alone, which bring bars by other means than websockets and REST."""

_CCXT: Final = "ccxt:"
"""Before ccxt's name of a venue."""


def feed(name: str, websocket_url: str | None = None, rest_url: str | None = None) -> Feed:
    """Build a feed; the addresses are the venue's own unless given, without a path or with a prefix of one.

    Raises: ConfigError: no such feed, or an address of another scheme.
    """
    for url, schemes in ((websocket_url, ("ws://", "wss://")), (rest_url, ("http://", "https://"))):
        if url is not None and name not in OTHERS and not url.startswith(schemes):
            raise ConfigError(f"feed {name}: expected an address with {' or '.join(schemes)}, found {url!r}")
    built: Feed = _constructor(name)(websocket_url, rest_url)
    return built


def _constructor(name: str) -> Callable[..., Any]:
    if name.startswith(_CCXT):
        return partial(Ccxt, name.removeprefix(_CCXT))
    known = FEEDS | OTHERS
    if name not in known:
        near = get_close_matches(name, known, n=1) or sorted(known)
        raise ConfigError(
            f"no feed is called {name!r}; there are: {', '.join(sorted(known))}, and ccxt:NAME. try: {near[0]}"
        )
    built: Callable[..., Any] = pkgutil.resolve_name(known[name])
    return built
