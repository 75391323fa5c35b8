"""The way to each venue: our own sockets, or ccxt's."""

import importlib.util

from core.bars import Interval
from core.errors import ConfigError
from daemon.feeds.ccxt import Ccxt
from daemon.listening.wire import Library, Way, wire
from daemon.ports import Feed


def way_to(
    feed: Feed | Ccxt, interval: Interval, proxy: str = "", ca_file: str = "", library: Library = "websockets"
) -> Way:
    """How a feed's venue is reached. Raises: ConfigError: as wire; ccxt is asked for and does not have it."""
    own = wire(proxy, ca_file, library)
    if not isinstance(feed, Ccxt):
        return own
    if not importlib.util.find_spec("ccxt"):
        raise ConfigError(f"feed {feed.name} needs ccxt, which is not installed; try: pip install 'gazed[ccxt]'")
    from daemon.listening.ccxt import ccxt_way  # noqa: PLC0415 - an extra

    return ccxt_way(feed, interval, proxy, ca_file)
