"""Kraken's side of its dialect, version 2: keys, order, types and number formats as documented."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from core.bars import Bar
from core.errors import UNREADABLE
from daemon.exchange.dialects import Answer
from daemon.exchange.market import Market, Update
from daemon.exchange.numbers import text, whole
from daemon.exchange.pairs import pair
from daemon.feeds.kraken import HISTORY_ROWS, INTERVALS
from daemon.feeds.shared import word_for

_SNAPSHOT_BARS: Final = 1


class Candle(msgspec.Struct, frozen=True):
    """One bar, complete and in order."""

    symbol: str
    interval: int
    interval_begin: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float
    trades: int


class Frame(msgspec.Struct, frozen=True):
    """An ohlc frame."""

    channel: str
    type: str
    data: list[Candle]


class Params(msgspec.Struct, frozen=True):
    """What is to be subscribed."""

    channel: str
    symbol: list[str] = []
    interval: int = 1
    snapshot: bool = True


class Request(msgspec.Struct, frozen=True):
    """What a client says over its websocket."""

    method: Literal["subscribe", "unsubscribe", "ping"]
    params: Params | None = None
    req_id: int | None = None


_REQUESTS: Final = msgspec.json.Decoder(Request)


class KrakenSession:
    """The symbols of one socket."""

    def __init__(self, dialect: "KrakenDialect") -> None:
        self._dialect = dialect
        self._symbols: dict[str, None] = {}

    @property
    def symbols(self) -> list[str]:
        """In the order they were asked for."""
        return list(self._symbols)

    def hear(self, request: str, now_ms: int) -> Sequence[bytes]:
        """Answer a ping, or each symbol of a request by itself, with a snapshot behind each subscription."""
        try:
            asked = _REQUESTS.decode(request)
        except UNREADABLE:
            return (_said(now_ms, {"error": "Malformed request", "success": False}),)
        if asked.method == "ping":
            return (_said(now_ms, {"method": "pong"}),)
        if asked.params is None or asked.params.channel != "ohlc":
            return (_said(now_ms, {"error": "Channel not supported", "method": asked.method, "success": False}),)
        return [
            told for symbol in asked.params.symbol for told in self._take(asked.method, symbol, asked.params, now_ms)
        ]

    def wrap(self, _symbol: str, told: bytes) -> bytes:
        """As it is."""
        return told

    def beat(self, _now_ms: int) -> bytes | None:
        """A heartbeat, once something is subscribed."""
        return b'{"channel":"heartbeat"}' if self._symbols else None

    def _take(self, method: str, symbol: str, params: Params, now_ms: int) -> list[bytes]:
        if symbol not in self._dialect.market.symbols or str(params.interval) != self._dialect.word:
            why = f"Currency pair not supported {symbol}"
            return [_said(now_ms, {"error": why, "method": method, "success": False, "symbol": symbol})]
        result = {"channel": "ohlc", "interval": params.interval, "snapshot": params.snapshot, "symbol": symbol}
        told = _said(now_ms, {"method": method, "result": result, "success": True})
        if method == "unsubscribe":
            self._symbols.pop(symbol, None)
            return [told]
        self._symbols[symbol] = None
        return [told, self._dialect.snapshot(symbol, now_ms)] if params.snapshot else [told]


class KrakenDialect:
    """Kraken over a replayed market."""

    name = "kraken"
    ping_every_s = 1.0
    cut_after_s = 60.0

    def __init__(self, market: Market) -> None:
        self.market = market
        self.word = word_for(self.name, INTERVALS, market.interval)

    def session(self, path: str, _query: Mapping[str, str]) -> KrakenSession | None:
        """One path for all."""
        return KrakenSession(self) if path == "/v2" else None

    def snapshot(self, symbol: str, now_ms: int) -> bytes:
        """The newest bar as it stands."""
        bars = self.market.history(symbol, now_ms, _SNAPSHOT_BARS, None, None)
        return self._frame("snapshot", bars)

    def tell(self, update: Update) -> bytes:
        """An ohlc frame, which never says that its bar is closed."""
        return self._frame("update", [update.bar])

    def farewell(self, _at_ms: int) -> None:
        """It closes without a word."""

    def answer(self, path: str, query: Mapping[str, str], now_ms: int, _body: bytes = b"") -> Answer:
        """Rows, oldest first with the forming one last, and the venue's time; a refusal has status 200 too."""
        if path == "/0/public/Time":
            rfc1123 = f"{_utc(now_ms):%a, %d %b %y %H:%M:%S} +0000"
            return _answer({"unixtime": now_ms // 1_000, "rfc1123": rfc1123})
        if path == "/0/public/Assets":
            return _answer({name: _coin(name) for symbol in self.market.symbols for name in pair(symbol)})
        if path == "/0/public/AssetPairs":
            return _answer({symbol.replace("/", ""): _listed(symbol) for symbol in self.market.symbols})
        return self._rows(query, now_ms) if path == "/0/public/OHLC" else _answer(None, "EGeneral:Unknown method")

    def _rows(self, query: Mapping[str, str], now_ms: int) -> Answer:
        pair = query.get("pair", "")
        symbol = next((name for name in self.market.symbols if name.replace("/", "") == pair), None)
        if symbol is None:
            return _answer(None, "EQuery:Unknown asset pair")
        if query.get("interval") != self.word:
            return _answer(None, "EGeneral:Invalid arguments")
        bars = self.market.history(symbol, now_ms, HISTORY_ROWS + 1, None, None)
        since_s = whole(query, "since") or 0
        rows = [row(bar) for bar in bars[-HISTORY_ROWS:] if bar.opened_at_ms > since_s * 1_000 or bar is bars[-1]]
        return _answer({pair: rows, "last": bars[-2].opened_at_ms // 1_000 if len(bars) > 1 else 0})

    def _frame(self, kind: str, bars: Sequence[Bar]) -> bytes:
        candles = [
            Candle(
                bar.symbol,
                int(self.word),
                f"{_utc(bar.opened_at_ms):%Y-%m-%dT%H:%M:%S}.000000000Z",
                *bar.row,
                vwap=bar.close,
                trades=int(bar.volume > 0),
            )
            for bar in bars
        ]
        return msgspec.json.encode(Frame("ohlc", kind, candles))


def row(bar: Bar) -> list[Any]:
    """A bar as a row of REST history."""
    prices = [text(price, None) for price in bar.row[:4]]
    return [bar.opened_at_ms // 1_000, *prices, prices[3], text(bar.volume, None), int(bar.volume > 0)]


def _coin(name: str) -> dict[str, Any]:
    return {"aclass": "currency", "altname": name, "decimals": 10, "display_decimals": 5, "status": "enabled"}


def _listed(symbol: str) -> dict[str, Any]:
    """A pair that is traded, for clients that want to know before they ask."""
    base, quote = pair(symbol)
    names = {"altname": base + quote, "wsname": f"{base}/{quote}", "base": base, "quote": quote}
    return {**names, "pair_decimals": 5, "lot_decimals": 8, "cost_decimals": 5, "status": "online"}


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1_000, UTC)


def _said(now_ms: int, told: dict[str, Any]) -> bytes:
    at = f"{_utc(now_ms):%Y-%m-%dT%H:%M:%S.%f}Z"
    return msgspec.json.encode({**told, "time_in": at, "time_out": at})


def _answer(result: Any, error: str = "") -> Answer:
    told = {"error": [error]} if error else {"error": [], "result": result}
    return Answer(200, msgspec.json.encode(told))
