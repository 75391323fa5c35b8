"""The other side of Gaze's own bar protocol, as an example of a source."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from core.bars import Bar
from core.errors import UNREADABLE
from daemon.exchange.dialects import Answer
from daemon.exchange.market import Market, Update
from daemon.exchange.numbers import whole
from daemon.feeds.generic import HISTORY_ROWS, Told


class Request(msgspec.Struct, frozen=True):
    """What a client says over its websocket."""

    subscribe: list[str]
    interval: str


_REQUESTS: Final = msgspec.json.Decoder(Request)


class GenericSession:
    """The symbols of one socket."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self.symbols: list[str] = []

    def hear(self, request: str, _now_ms: int) -> Sequence[bytes]:
        """Subscribe to all that is asked for, or say which is not there."""
        try:
            asked = _REQUESTS.decode(request)
        except UNREADABLE as error:
            return (_error(str(error)),)
        unknown = [symbol for symbol in asked.subscribe if symbol not in self._market.symbols]
        if unknown or asked.interval != self._market.interval.name:
            return (_error(f"no bars of {', '.join(unknown) or asked.interval}"),)
        self.symbols = asked.subscribe
        return (msgspec.json.encode({"subscribed": asked.subscribe}),)

    def wrap(self, _symbol: str, told: bytes) -> bytes:
        """As it is."""
        return told

    def beat(self, _now_ms: int) -> bytes:
        """A message without bars: there is life."""
        return b"{}"


class GenericDialect:
    """A source of one's own over a replayed market."""

    name = "generic"
    ping_every_s = 20.0
    cut_after_s = 60.0

    def __init__(self, market: Market) -> None:
        self.market = market

    def session(self, path: str, _query: Mapping[str, str]) -> GenericSession | None:
        """At the root."""
        return GenericSession(self.market) if path in ("", "/") else None

    def tell(self, update: Update) -> bytes:
        """A message of one bar."""
        return msgspec.json.encode({"bars": [self._told(update.bar)]})

    def farewell(self, _at_ms: int) -> None:
        """It closes without a word."""

    def answer(self, path: str, query: Mapping[str, str], now_ms: int, _body: bytes = b"") -> Answer:
        """Bars from `from_ms` to before `to_ms`, and the time."""
        if path == "/time":
            return Answer(200, msgspec.json.encode({"now_ms": now_ms}))
        symbol = query.get("symbol", "")
        if path != "/bars" or symbol not in self.market.symbols or query.get("interval") != self.market.interval.name:
            return Answer(404, _error(f"no bars of {symbol}"))
        from_ms, to_ms = whole(query, "from_ms") or 0, whole(query, "to_ms") or now_ms
        bars = self.market.history(symbol, now_ms, HISTORY_ROWS, from_ms, to_ms - 1)
        return Answer(200, msgspec.json.encode({"bars": [self._told(bar) for bar in bars]}))

    def _told(self, bar: Bar) -> Told:
        return Told(bar.symbol, self.market.interval.name, bar.opened_at_ms, *bar.row, closed=bar.closed)


def _error(message: str) -> bytes:
    return msgspec.json.encode({"error": message})
