"""Hyperliquid's side of its dialect: keys, order, types and number formats as in captured frames and answers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from core.bars import Bar
from core.errors import UNREADABLE
from daemon.exchange.dialects import Answer
from daemon.exchange.market import Market, Update
from daemon.exchange.numbers import text
from daemon.feeds.hyperliquid import HISTORY_ROWS, INTERVALS
from daemon.feeds.shared import word_for


class Candle(msgspec.Struct, frozen=True):
    """One bar, complete and in order."""

    t: int
    T: int
    s: str
    i: str
    o: str
    c: str
    h: str
    l: str  # noqa: E741 - the venue's letter
    v: str
    n: int


class Subscription(msgspec.Struct, frozen=True):
    """What is to be subscribed."""

    type: str
    interval: str = ""
    coin: str = ""


class Request(msgspec.Struct, frozen=True):
    """What a client says over its websocket."""

    method: str
    subscription: Subscription | None = None


class Wanted(msgspec.Struct, frozen=True):
    """Which candles are asked for."""

    coin: str
    interval: str
    startTime: int
    endTime: int | None = None


class Question(msgspec.Struct, frozen=True):
    """What a client asks over REST."""

    type: str
    req: Wanted | None = None


_REQUESTS: Final = msgspec.json.Decoder(Request)
_QUESTIONS: Final = msgspec.json.Decoder(Question)


class HyperliquidSession:
    """The coins of one socket."""

    def __init__(self, word: str, known: Mapping[str, Any]) -> None:
        self._word = word
        self._known = known
        self._coins: dict[str, None] = {}

    @property
    def symbols(self) -> list[str]:
        """In the order they were asked for."""
        return list(self._coins)

    def hear(self, request: str, _now_ms: int) -> Sequence[bytes]:
        """Answer a ping, or subscribe to a coin; nothing of its past is told."""
        try:
            asked = _REQUESTS.decode(request)
        except UNREADABLE:
            return (_error(f"Error parsing JSON into valid websocket request: {request[:100]!a}"),)
        if asked.method == "ping":
            return (b'{"channel":"pong"}',)
        wanted = asked.subscription
        if wanted is None or (wanted.type, wanted.interval) != ("candle", self._word) or wanted.coin not in self._known:
            return (_error(f"Invalid subscription {request[:100]!a}"),)
        if asked.method == "subscribe":
            self._coins[wanted.coin] = None
        else:
            self._coins.pop(wanted.coin, None)
        told = {"channel": "subscriptionResponse", "data": {"method": asked.method, "subscription": wanted}}
        return (msgspec.json.encode(told),)

    def wrap(self, _symbol: str, told: bytes) -> bytes:
        """As it is."""
        return told

    def beat(self, _now_ms: int) -> None:
        """It is the client that pings."""


class HyperliquidDialect:
    """Hyperliquid over a replayed market."""

    name = "hyperliquid"
    ping_every_s = 20.0
    cut_after_s = 60.0

    def __init__(self, market: Market) -> None:
        self.market = market
        self._word = word_for(self.name, INTERVALS, market.interval)

    def session(self, path: str, _query: Mapping[str, str]) -> HyperliquidSession | None:
        """One path for all."""
        return HyperliquidSession(self._word, self.market.symbols) if path == "/ws" else None

    def tell(self, update: Update) -> bytes:
        """A candle frame, which never says that its bar is closed."""
        return msgspec.json.encode({"channel": "candle", "data": self._candle(update.bar)})

    def farewell(self, _at_ms: int) -> None:
        """It closes without a word."""

    def answer(self, path: str, _query: Mapping[str, str], now_ms: int, body: bytes = b"") -> Answer:
        """Candles, oldest first with the forming one last, and the venue's time."""
        if path != "/info":
            return Answer(404, b"")
        try:
            asked = _QUESTIONS.decode(body)
        except UNREADABLE:
            return Answer(422, b"Failed to deserialize the JSON body into the target type")
        if asked.type == "exchangeStatus":
            return Answer(200, msgspec.json.encode({"time": now_ms, "specialStatuses": None}))
        wanted = asked.req
        if asked.type != "candleSnapshot" or wanted is None:
            return Answer(422, b"Failed to deserialize the JSON body into the target type")
        if wanted.coin not in self.market.symbols or wanted.interval != self._word:
            return Answer(500, b"null")
        from_ms = self.market.interval.floor(wanted.startTime)
        bars = self.market.history(wanted.coin, now_ms, HISTORY_ROWS, from_ms, wanted.endTime)
        # Over REST the same keys come in the order of the alphabet.
        rows = [msgspec.to_builtins(self._candle(bar), order="sorted") for bar in bars]
        return Answer(200, msgspec.json.encode(rows))

    def _candle(self, bar: Bar) -> Candle:
        return Candle(
            t=bar.opened_at_ms,
            T=bar.opened_at_ms + self.market.interval.ms - 1,
            s=bar.symbol,
            i=self._word,
            o=text(bar.open, None),
            c=text(bar.close, None),
            h=text(bar.high, None),
            l=text(bar.low, None),
            v=text(bar.volume, None),
            n=int(bar.volume > 0),
        )


def _error(message: str) -> bytes:
    return msgspec.json.encode({"channel": "error", "data": message})
