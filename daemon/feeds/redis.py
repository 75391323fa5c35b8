"""Bars from a Redis Stream, whose fields docs/reference/feeds.md tells. It is its own history."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from core.bars import Bar, Interval
from core.errors import ConfigError, FrameError
from daemon.feeds.shared import EXCERPT

_SCHEMES: Final = ("redis://", "rediss://", "unix://")
_FIELD_BYTES: Final = 256
"""No field of a bar is longer; a longer one is not looked at."""


class Told(msgspec.Struct, frozen=True, gc=False):
    """One entry of the stream."""

    symbol: str
    interval: str
    opened_at_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    closed: bool = True


class Redis:
    """A stream as a feed. `url`: the server's, and ?stream=KEY behind it; the key is else "bars"."""

    name = "redis"

    def __init__(self, url: str | None = None, _rest_url: str | None = None) -> None:
        query = parse_qs(urlsplit(url or "").query)
        self.stream = query.pop("stream", ["bars"])[0]
        rest = "&".join(f"{key}={value}" for key, values in query.items() for value in values)
        self.server_url = (url or "").partition("?")[0] + (f"?{rest}" if rest else "")
        self._interval: Interval | None = None

    def spelling(self, symbol: str) -> str:
        """As it is written."""
        return symbol

    def sockets(self, symbols: Sequence[str], interval: Interval) -> list[str]:  # noqa: ARG002 - as a Feed's
        """None; it fixes the interval. Raises: ConfigError: nobody said where the server is."""
        if not self.server_url.startswith(_SCHEMES):
            found = self.server_url.rpartition("@")[2]
            raise ConfigError(
                f"feed redis: expected an address with one of {', '.join(_SCHEMES)}, found {found!r}; "
                'try: [feed] websocket_url = "redis://127.0.0.1:6379/0?stream=bars"'
            )
        self._interval = interval
        return []

    def decode(self, fields: Mapping[bytes, bytes]) -> Bar:
        """The bar of an entry. Raises: FrameError: it is none, or of another interval."""
        try:
            told = msgspec.convert(
                {key.decode(): value.decode() for key, value in fields.items() if len(value) <= _FIELD_BYTES},
                Told,
                strict=False,
            )
        except (msgspec.ValidationError, UnicodeError) as error:
            raise FrameError(f"{self.name}: {error}, in {str(dict(fields))[:EXCERPT]!a}") from error
        if self._interval is not None and told.interval != self._interval.name:
            raise FrameError(f"{self.name}: {told.symbol!a} bar of {told.interval!a}, asked for {self._interval.name}")
        return Bar(told.symbol, told.opened_at_ms, told.open, told.high, told.low, told.close, told.volume, told.closed)
