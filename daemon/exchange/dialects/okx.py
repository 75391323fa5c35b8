"""OKX's side of its dialect, version 5: keys, order, types and number formats as in a recorded frame."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from core.bars import Bar
from core.errors import UNREADABLE
from daemon.exchange.dialects import Answer
from daemon.exchange.market import Market, Update
from daemon.exchange.numbers import short, whole
from daemon.feeds.okx import HISTORY_ROWS, INTERVALS, RECENT_BARS, is_derivative
from daemon.feeds.shared import word_for

_USUAL_ROWS: Final = 100
_ID: Final = "a4d3ae55"


class Channel(msgspec.Struct, frozen=True):
    """What is subscribed, and what a frame is about."""

    channel: str
    instId: str


class Frame(msgspec.Struct, frozen=True):
    """A candle frame."""

    arg: Channel
    data: tuple[list[str]]


class Request(msgspec.Struct, frozen=True):
    """What a client says over its websocket."""

    op: Literal["subscribe", "unsubscribe"]
    args: list[Channel]


_REQUESTS: Final = msgspec.json.Decoder(Request)


class OkxSession:
    """The instruments of one socket; only the business one has candles."""

    def __init__(self, channel: str, known: Mapping[str, Any]) -> None:
        self._channel = channel
        self._known = known
        self._symbols: dict[str, None] = {}

    @property
    def symbols(self) -> list[str]:
        """In the order they were asked for."""
        return list(self._symbols)

    def hear(self, request: str, _now_ms: int) -> Sequence[bytes]:
        """Answer a ping, or each channel of a request by itself."""
        if request == "ping":
            return (b"pong",)
        try:
            asked = _REQUESTS.decode(request)
        except UNREADABLE:
            return (_error("60012", f"Invalid request: {request[:100]!a}"),)
        return [self._take(asked.op, channel) for channel in asked.args]

    def wrap(self, _symbol: str, told: bytes) -> bytes:
        """As it is."""
        return told

    def beat(self, _now_ms: int) -> None:
        """It is the client that pings."""

    def _take(self, operation: str, asked: Channel) -> bytes:
        if asked.channel != self._channel or asked.instId not in self._known:
            return _error(
                "60018",
                f"Wrong URL or channel:{asked.channel},instId:{asked.instId} doesn't exist. "
                "Please use the correct URL, channel and parameters referring to API document.",
            )
        if operation == "subscribe":
            self._symbols[asked.instId] = None
        else:
            self._symbols.pop(asked.instId, None)
        return msgspec.json.encode({"event": operation, "arg": asked, "connId": _ID})


class OkxDialect:
    """OKX over a replayed market."""

    name = "okx"
    ping_every_s = 20.0
    cut_after_s = 60.0

    def __init__(self, market: Market) -> None:
        self.market = market
        self._word = word_for(self.name, INTERVALS, market.interval)
        self._channel = f"candle{self._word}"

    def session(self, path: str, _query: Mapping[str, str]) -> OkxSession | None:
        """The public websocket is there too, and has no candles."""
        if path == "/ws/v5/business":
            return OkxSession(self._channel, self.market.symbols)
        return OkxSession("", {}) if path == "/ws/v5/public" else None

    def tell(self, update: Update) -> bytes:
        """A candle frame."""
        return msgspec.json.encode(Frame(Channel(self._channel, update.bar.symbol), (row(update.bar),)))

    def farewell(self, _at_ms: int) -> bytes:
        """It says so a minute ahead."""
        told = "The connection will soon be closed for a service upgrade. Please reconnect."
        return msgspec.json.encode({"event": "notice", "code": "64008", "msg": told, "connId": _ID})

    def answer(self, path: str, query: Mapping[str, str], now_ms: int, _body: bytes = b"") -> Answer:
        """Candles, newest first, and the venue's time; a refusal has status 200 too."""
        if path == "/api/v5/public/time":
            return _answer([{"ts": str(now_ms)}])
        if path not in ("/api/v5/market/candles", "/api/v5/market/history-candles"):
            return Answer(404, b'{"msg":"Request path does not exist","code":"404"}')
        oldest_ms = 0 if path.endswith("/history-candles") else now_ms - RECENT_BARS * self.market.interval.ms
        return self._candles(query, now_ms, oldest_ms)

    def _candles(self, query: Mapping[str, str], now_ms: int, oldest_ms: int) -> Answer:
        symbol = query.get("instId", "")
        if symbol not in self.market.symbols:
            return _answer([], "51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
        if query.get("bar") != self._word:
            return _answer([], "51000", "Parameter bar error")
        most = min(whole(query, "limit") or _USUAL_ROWS, HISTORY_ROWS)
        before, after = whole(query, "before"), whole(query, "after")
        from_ms, to_ms = None if before is None else before + 1, None if after is None else after - 1
        bars = self.market.history(symbol, now_ms, most, from_ms, to_ms)
        return _answer([row(bar) for bar in reversed(bars) if bar.opened_at_ms >= oldest_ms])


def row(bar: Bar) -> list[str]:
    """A bar as OKX writes it; of a derivative, a contract is one coin here."""
    quote = short(round(bar.volume * bar.close, 8))
    amounts = [short(bar.volume), short(bar.volume) if is_derivative(bar.symbol) else quote, quote]
    return [str(bar.opened_at_ms), *map(short, bar.row[:4]), *amounts, str(int(bar.closed))]


def _error(code: str, message: str) -> bytes:
    return msgspec.json.encode({"event": "error", "code": code, "msg": message, "connId": _ID})


def _answer(data: list[Any], code: str = "0", message: str = "") -> Answer:
    return Answer(200, msgspec.json.encode({"code": code, "msg": message, "data": data}))
