"""Coinbase's side of its dialect (Advanced Trade): keys, order, types and number formats as documented.

It tells five-minute bars, and answers about longer ones by building them.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import count, groupby
from typing import Any, Final, Literal

import msgspec

from core.bars import Bar, Interval
from core.errors import UNREADABLE, UsageError
from daemon.exchange.dialects import Answer
from daemon.exchange.market import Digits, Market, Update
from daemon.exchange.numbers import text, whole
from daemon.feeds.coinbase import CARRIED, HISTORY_ROWS, INTERVALS
from daemon.listening.aggregate import whole as longer

_PRODUCTS: Final = "/api/v3/brokerage/market/products/"
_LENGTHS: Final = {word: Interval(word, ms) for ms, word in INTERVALS.items()}


class Candle(msgspec.Struct, frozen=True):
    """One bar, complete and in order."""

    start: str
    high: str
    low: str
    open: str
    close: str
    volume: str
    product_id: str


class Request(msgspec.Struct, frozen=True):
    """What a client says over its websocket."""

    type: Literal["subscribe", "unsubscribe"]
    channel: str
    product_ids: list[str] = []


_REQUESTS: Final = msgspec.json.Decoder(Request)


class CoinbaseSession:
    """The products of one socket, and whether it has subscribed to heartbeats."""

    def __init__(self, dialect: "CoinbaseDialect") -> None:
        self._dialect = dialect
        self._products: dict[str, None] = {}
        self._beats: count[int] | None = None

    @property
    def symbols(self) -> list[str]:
        """In the order they were asked for."""
        return list(self._products)

    def hear(self, request: str, now_ms: int) -> Sequence[bytes]:
        """Subscribe or unsubscribe; the whole list comes back, behind it a snapshot of what is new."""
        try:
            asked = _REQUESTS.decode(request)
        except UNREADABLE:
            return (_error("failed to decode message"),)
        known = self._dialect.market.symbols
        if asked.channel not in ("candles", "heartbeats") or not set(asked.product_ids) <= set(known):
            return (_error("no valid product ids or channel"),)
        if asked.channel == "heartbeats":
            self._beats = count() if asked.type == "subscribe" else None
            return (self._listed(now_ms),)
        if asked.type == "unsubscribe":
            self._products = {name: None for name in self._products if name not in asked.product_ids}
            return (self._listed(now_ms),)
        self._products |= dict.fromkeys(asked.product_ids)
        return (self._listed(now_ms), self._dialect.snapshot(asked.product_ids, now_ms))

    def wrap(self, _symbol: str, told: bytes) -> bytes:
        """As it is."""
        return told

    def beat(self, now_ms: int) -> bytes | None:
        """A heartbeat, where they are subscribed."""
        if self._beats is None:
            return None
        at = f"{datetime.fromtimestamp(now_ms / 1_000, UTC):%Y-%m-%d %H:%M:%S.%f}000+00:00"
        return _frame("heartbeats", now_ms, [{"current_time": at, "heartbeat_counter": next(self._beats)}])

    def _listed(self, now_ms: int) -> bytes:
        subscriptions = {"candles": self.symbols} if self._products else {}
        if self._beats is not None:
            subscriptions["heartbeats"] = ["heartbeats"]
        return _frame("subscriptions", now_ms, [{"subscriptions": subscriptions}])


class CoinbaseDialect:
    """Coinbase over a replayed market of five-minute bars."""

    name = "coinbase"
    ping_every_s = 1.0
    cut_after_s = 60.0

    def __init__(self, market: Market) -> None:
        if market.interval.ms != CARRIED.ms:
            raise UsageError(
                f"coinbase tells bars of 5m only, the file has {market.interval.name}; try: a file of 5m, or --interval"
            )
        self.market = market

    def session(self, path: str, _query: Mapping[str, str]) -> CoinbaseSession | None:
        """At the root."""
        return CoinbaseSession(self) if path in ("", "/") else None

    def snapshot(self, symbols: Sequence[str], now_ms: int) -> bytes:
        """The bars of the last hours, newest first."""
        bars = [bar for symbol in symbols for bar in self.market.history(symbol, now_ms, HISTORY_ROWS, None, None)]
        bars.sort(key=lambda bar: bar.opened_at_ms, reverse=True)
        return _frame("candles", now_ms, [{"type": "snapshot", "candles": [self._candle(bar) for bar in bars]}])

    def tell(self, update: Update) -> bytes:
        """A candles frame, which never says that its bar is closed."""
        return _frame("candles", update.at_ms, [{"type": "update", "candles": [self._candle(update.bar)]}])

    def farewell(self, _at_ms: int) -> None:
        """It closes without a word."""

    def answer(self, path: str, query: Mapping[str, str], now_ms: int, _body: bytes = b"") -> Answer:
        """Candles, newest first with the forming one, and the venue's time."""
        if path == "/api/v3/brokerage/time":
            at = f"{datetime.fromtimestamp(now_ms // 1_000, UTC):%Y-%m-%dT%H:%M:%S}Z"
            told = {"iso": at, "epochSeconds": str(now_ms // 1_000), "epochMillis": str(now_ms)}
            return Answer(200, msgspec.json.encode(told))
        symbol, _, rest = path.removeprefix(_PRODUCTS).partition("/")
        length = _LENGTHS.get(query.get("granularity", ""))
        if not path.startswith(_PRODUCTS) or rest != "candles" or symbol not in self.market.symbols:
            return Answer(404, b'{"error":"NOT_FOUND","error_details":"","message":""}')
        if length is None:
            return Answer(400, b'{"error":"INVALID_ARGUMENT","error_details":"granularity","message":"granularity"}')
        from_ms, to_ms = (whole(query, "start") or 0) * 1_000, (whole(query, "end") or 0) * 1_000
        # The last one is whole even where it ends after `end`.
        shorter = self.market.history(symbol, now_ms, 1 << 40, from_ms, length.floor(to_ms) + length.ms - 1)
        bars = [
            longer(list(inside), length) for _, inside in groupby(shorter, lambda bar: length.floor(bar.opened_at_ms))
        ]
        newest_first = bars[::-1][: min(whole(query, "limit") or HISTORY_ROWS, HISTORY_ROWS)]
        return Answer(200, msgspec.json.encode({"candles": [self._row(bar) for bar in newest_first]}))

    def _candle(self, bar: Bar) -> Candle:
        return candle(bar, self.market.digits[bar.symbol])

    def _row(self, bar: Bar) -> dict[str, str]:
        told = self._candle(bar)
        return {key: getattr(told, key) for key in ("start", "low", "high", "open", "close", "volume")}


def candle(bar: Bar, digits: Digits) -> Candle:
    """A bar as Coinbase writes it: prices with two decimals or more, volumes with eight."""
    price = None if digits.price is None else max(digits.price, 2)
    volume = None if digits.volume is None else max(digits.volume, 8)
    return Candle(
        start=str(bar.opened_at_ms // 1_000),
        high=text(bar.high, price),
        low=text(bar.low, price),
        open=text(bar.open, price),
        close=text(bar.close, price),
        volume=text(bar.volume, volume),
        product_id=bar.symbol,
    )


def _frame(channel: str, now_ms: int, events: list[Any]) -> bytes:
    at = f"{datetime.fromtimestamp(now_ms / 1_000, UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
    return msgspec.json.encode(
        {"channel": channel, "client_id": "", "timestamp": at, "sequence_num": 0, "events": events}
    )


def _error(message: str) -> bytes:
    return msgspec.json.encode({"type": "error", "message": message})
