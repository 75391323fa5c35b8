"""Bybit's side of its dialect, version 5: keys, order, types and number formats as in a recorded frame."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal

import msgspec

from core.bars import Bar
from core.errors import UNREADABLE
from daemon.exchange.dialects import Answer
from daemon.exchange.market import Market, Update
from daemon.exchange.numbers import short, whole
from daemon.exchange.pairs import pair
from daemon.feeds.bybit import HISTORY_ROWS, INTERVALS, LINEAR, SPOT
from daemon.feeds.bybit import Market as Venue
from daemon.feeds.shared import word_for

_USUAL_ROWS: Final = 200


class Candle(msgspec.Struct, frozen=True):
    """One bar, complete and in order."""

    start: int
    end: int
    interval: str
    open: str
    close: str
    high: str
    low: str
    volume: str
    turnover: str
    confirm: bool
    timestamp: int


class Frame(msgspec.Struct, frozen=True):
    """A kline frame."""

    topic: str
    data: tuple[Candle]
    ts: int
    type: str = "snapshot"


class Request(msgspec.Struct, frozen=True):
    """What a client says over its websocket."""

    op: Literal["subscribe", "unsubscribe", "ping"]
    args: list[str] = []
    req_id: str | int = ""


_REQUESTS: Final = msgspec.json.Decoder(Request)


class BybitSession:
    """The topics of one socket."""

    def __init__(self, dialect: "BybitDialect") -> None:
        self._dialect = dialect
        self._topics: dict[str, None] = {}

    @property
    def symbols(self) -> set[str]:
        """Those of its topics."""
        return {self._dialect.topics[topic] for topic in self._topics}

    def hear(self, request: str, _now_ms: int) -> Sequence[bytes]:
        """Subscribe, unsubscribe or answer a ping; one topic that is none makes the whole request fail."""
        try:
            asked = _REQUESTS.decode(request)
        except UNREADABLE:
            return (_said("", success=False, told="Request format error"),)
        if asked.op == "ping":
            return (_said(asked.req_id, told="pong", op="ping"),)
        unknown = [topic for topic in asked.args if topic not in self._dialect.topics]
        most = self._dialect.venue.topics_a_request
        if unknown:
            return (_said(asked.req_id, success=False, told=f"error:handler not found,topic:{unknown[0]}"),)
        if len(asked.args) > most:
            return (_said(asked.req_id, success=False, told=f"args size >{most}"),)
        if asked.op == "subscribe":
            self._topics |= dict.fromkeys(asked.args)
        else:
            self._topics = {topic: None for topic in self._topics if topic not in asked.args}
        return (_said(asked.req_id, op=asked.op),)

    def wrap(self, _symbol: str, told: bytes) -> bytes:
        """As it is."""
        return told

    def beat(self, _now_ms: int) -> None:
        """It is the client that pings."""


class BybitDialect:
    """One of Bybit's markets over a replayed one."""

    ping_every_s = 20.0
    cut_after_s = 60.0

    def __init__(self, venue: Venue, market: Market) -> None:
        self.name = venue.name
        self.venue = venue
        self.market = market
        self._word = word_for(venue.name, INTERVALS, market.interval)
        self.topics = {f"kline.{self._word}.{symbol}": symbol for symbol in market.symbols}

    def session(self, path: str, _query: Mapping[str, str]) -> BybitSession | None:
        """One path for each market."""
        return BybitSession(self) if path == f"/v5/public/{self.venue.category}" else None

    def tell(self, update: Update) -> bytes:
        """A kline frame."""
        bar = update.bar
        candle = Candle(
            start=bar.opened_at_ms,
            end=bar.opened_at_ms + self.market.interval.ms - 1,
            interval=self._word,
            open=short(bar.open),
            close=short(bar.close),
            high=short(bar.high),
            low=short(bar.low),
            volume=short(bar.volume),
            turnover=_turnover(bar),
            confirm=bar.closed,
            timestamp=update.at_ms,
        )
        return msgspec.json.encode(Frame(f"kline.{self._word}.{bar.symbol}", (candle,), update.at_ms))

    def farewell(self, _at_ms: int) -> None:
        """It closes without a word."""

    def answer(self, path: str, query: Mapping[str, str], now_ms: int, _body: bytes = b"") -> Answer:
        """Klines, newest first, and the venue's time; a refusal has status 200 too."""
        if path == "/v5/market/time":
            return _ok({"timeSecond": str(now_ms // 1_000), "timeNano": str(now_ms * 1_000_000)}, now_ms)
        if path == "/v5/market/instruments-info":
            return _ok(
                {"category": query.get("category", ""), "list": self._listed(query), "nextPageCursor": ""}, now_ms
            )
        return self._klines(query, now_ms) if path == "/v5/market/kline" else Answer(404, b"")

    def _klines(self, query: Mapping[str, str], now_ms: int) -> Answer:
        if query.get("category") != self.venue.category:
            return _refusal("Illegal category", now_ms)
        if query.get("interval") != self._word:
            return _refusal("Invalid interval", now_ms)
        symbol = query.get("symbol", "")
        if symbol not in self.market.symbols:
            return _refusal("Not supported symbols", now_ms)
        most = min(whole(query, "limit") or _USUAL_ROWS, HISTORY_ROWS)
        bars = self.market.history(symbol, now_ms, most, whole(query, "start"), whole(query, "end"))
        rows = [row(bar) for bar in reversed(bars)]
        return _ok({"category": self.venue.category, "symbol": symbol, "list": rows}, now_ms)

    def _listed(self, query: Mapping[str, str]) -> list[dict[str, str]]:
        """What is traded, for clients that want to know before they ask."""
        mine = query.get("category") == self.venue.category
        pairs = {symbol: pair(symbol) for symbol in self.market.symbols} if mine else {}
        return [
            {"symbol": symbol, "baseCoin": base, "quoteCoin": quote, "settleCoin": quote, "status": "Trading"}
            | ({"contractType": "LinearPerpetual"} if self.venue is LINEAR else {})
            for symbol, (base, quote) in pairs.items()
        ]


def row(bar: Bar) -> list[str]:
    """A bar as a row of REST history."""
    return [str(bar.opened_at_ms), *map(short, bar.row), _turnover(bar)]


def _turnover(bar: Bar) -> str:
    return f"{bar.volume * bar.close:.4f}".rstrip("0").rstrip(".")


def _said(request: str | int, *, success: bool = True, told: str = "", op: str = "subscribe") -> bytes:
    return msgspec.json.encode(
        {"success": success, "ret_msg": told, "conn_id": "cejreaspqfm9se7usbrg-2xh", "req_id": str(request), "op": op}
    )


def _ok(result: Any, now_ms: int) -> Answer:
    told = {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now_ms}
    return Answer(200, msgspec.json.encode(told))


def _refusal(message: str, now_ms: int) -> Answer:
    told = {"retCode": 10_001, "retMsg": message, "result": {}, "retExtInfo": {}, "time": now_ms}
    return Answer(200, msgspec.json.encode(told))


spot = partial(BybitDialect, SPOT)
linear = partial(BybitDialect, LINEAR)
