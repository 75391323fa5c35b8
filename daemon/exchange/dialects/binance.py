"""Binance's side of its dialect: frames and rows with the keys, order, types and number formats as captured.

A file of bars knows no trades, so each bar is told as one trade at its close: `n`, `q` and their like follow from it.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal

import msgspec

from core.bars import Bar, Interval
from core.errors import UNREADABLE
from daemon.exchange.dialects import Answer
from daemon.exchange.market import Digits, Market, Update
from daemon.exchange.numbers import text
from daemon.feeds.binance import SPOT, US, USDM, stream
from daemon.feeds.binance import Market as Venue

_SPOT_DIGITS: Final = 8
_REQUEST_BYTES: Final = 4_096
_USUAL_ROWS: Final = 500


class Kline(msgspec.Struct, frozen=True):
    """The candle inside a kline event, complete and in order."""

    t: int
    T: int
    s: str
    i: str
    f: int
    L: int
    o: str
    c: str
    h: str
    l: str  # noqa: E741 - the venue's letter
    v: str
    n: int
    x: bool
    q: str
    V: str
    Q: str
    B: str = "0"


class Event(msgspec.Struct, frozen=True):
    """A kline event."""

    e: str
    E: int
    s: str
    k: Kline


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A row of REST history, complete and in order, under the letters that the stream has for the same."""

    t: int
    o: str
    h: str
    l: str  # noqa: E741 - the venue's letter
    c: str
    v: str
    T: int
    q: str
    n: int
    V: str
    Q: str
    B: str = "0"


class Request(msgspec.Struct, frozen=True):
    """What a client says over its websocket."""

    method: Literal["SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS"]
    params: list[str] = []
    id: int | str | None = None


class Refused(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """A REST request that Binance answers with a code of its own."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


_REQUESTS: Final = msgspec.json.Decoder(Request)


class BinanceSession:
    """The streams of one socket; `combined` frames carry their stream's name."""

    def __init__(self, dialect: "BinanceDialect", streams: list[str], *, combined: bool) -> None:
        self._dialect = dialect
        self._streams = dict.fromkeys(streams)
        self._combined = combined

    @property
    def symbols(self) -> set[str]:
        """Those of its streams that exist: Binance lets anything be subscribed and then says nothing on it."""
        known = self._dialect.streams
        return {known[name] for name in self._streams if name in known}

    def hear(self, request: str, _now_ms: int) -> Sequence[bytes]:
        """Subscribe, unsubscribe or list; a request of more than 4,096 bytes is left unanswered, as there."""
        if len(request.encode(errors="replace")) > _REQUEST_BYTES:
            return ()
        try:
            asked = _REQUESTS.decode(request)
        except msgspec.ValidationError as error:
            return (_refusal(2, f"Invalid request: {error}"),)
        except UNREADABLE as error:
            return (_refusal(3, f"Invalid JSON: {error}"),)
        return (self._take(asked),)

    def beat(self, _now_ms: int) -> None:
        """Its pings are those of the websocket."""

    def _take(self, asked: Request) -> bytes:
        if asked.method == "LIST_SUBSCRIPTIONS":
            return msgspec.json.encode({"result": list(self._streams), "id": asked.id})
        if asked.method == "SUBSCRIBE":
            wanted = self._streams | dict.fromkeys(asked.params)
            if len(wanted) > self._dialect.venue.streams_a_socket:
                return _refusal(4, "Too many subscriptions", asked.id)
            self._streams = wanted
        else:
            self._streams = {name: None for name in self._streams if name not in asked.params}
        return msgspec.json.encode({"result": None, "id": asked.id})

    def wrap(self, symbol: str, told: bytes) -> bytes:
        """With the stream's name around it, or as it is."""
        if not self._combined:
            return told
        return b'{"stream":"%s","data":%s}' % (stream(symbol, self._dialect.market.interval.name).encode(), told)


class BinanceDialect:
    """One of Binance's markets over a replayed one."""

    def __init__(self, venue: Venue, ping_every_s: float, cut_after_s: float, market: Market) -> None:
        self.name = venue.name
        self.venue = venue
        self.market = market
        self.ping_every_s = ping_every_s
        self.cut_after_s = cut_after_s
        self.streams = {stream(symbol, market.interval.name): symbol for symbol in market.symbols}
        spot = venue is not USDM
        self._digits = {symbol: _spot(digits) if spot else digits for symbol, digits in market.digits.items()}

    def session(self, path: str, query: Mapping[str, str]) -> BinanceSession | None:
        """`/ws` and `/ws/<stream>` bring events as they are, `/stream?streams=a/b` wraps them."""
        _, _, place = path.removeprefix("/market").partition("/")
        kind, _, streams = place.partition("/")
        if kind == "ws":
            return BinanceSession(self, [name for name in streams.split("/") if name], combined=False)
        if place == "stream":
            names = query.get("streams", "").split("/")
            return BinanceSession(self, [name for name in names if name], combined=True)
        return None

    def tell(self, update: Update) -> bytes:
        """A kline event."""
        return kline_event(update, self.market.interval, self._digits[update.bar.symbol])

    def farewell(self, at_ms: int) -> bytes | None:
        """Spot announces that it shuts down."""
        return msgspec.json.encode({"e": "serverShutdown", "E": at_ms}) if self.venue is SPOT else None

    def answer(self, path: str, query: Mapping[str, str], now_ms: int, _body: bytes = b"") -> Answer:
        """Klines, the venue's time, and that it is there."""
        prefix, _, name = path.rpartition("/")
        known = {"klines": self._klines, "time": self._time, "ping": self._ping, "exchangeInfo": self._exchange_info}
        if prefix != self.venue.api or name not in known:
            return Answer(404, b'{"code":-5000,"msg":"Path not found."}')
        try:
            return Answer(200, msgspec.json.encode(known[name](query, now_ms)))
        except Refused as refused:
            return Answer(400, msgspec.json.encode({"code": refused.code, "msg": str(refused)}))

    def _ping(self, _query: Mapping[str, str], _now_ms: int) -> Any:
        return {}

    def _time(self, _query: Mapping[str, str], now_ms: int) -> Any:
        return {"serverTime": now_ms}

    def _exchange_info(self, _query: Mapping[str, str], now_ms: int) -> Any:
        symbols = [{"symbol": symbol, "status": "TRADING"} for symbol in self.market.symbols]
        return {"timezone": "UTC", "serverTime": now_ms, "rateLimits": [], "exchangeFilters": [], "symbols": symbols}

    def _klines(self, query: Mapping[str, str], now_ms: int) -> Any:
        symbol = query.get("symbol", "")
        if not symbol:
            raise Refused(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        if symbol not in self.market.symbols:
            raise Refused(-1121, "Invalid symbol.")
        if query.get("interval") != self.market.interval.name:
            raise Refused(-1120, "Invalid interval.")
        limit = _number(query, "limit")
        if limit == 0:
            raise Refused(-1130, "Data sent for parameter 'limit' is not valid.")
        most = min(limit or _USUAL_ROWS, self.venue.history_limit)
        bars = self.market.history(symbol, now_ms, most, _number(query, "startTime"), _number(query, "endTime"))
        return [row(bar, self.market.interval.ms, self._digits[symbol]) for bar in bars]


def row(bar: Bar, interval_ms: int, digits: Digits) -> Row:
    """A bar as a row of REST history."""
    price, volume = digits.price, digits.volume
    both = None if price is None or volume is None else min(price + volume, _SPOT_DIGITS)
    quote = bar.volume * bar.close
    return Row(
        bar.opened_at_ms,
        text(bar.open, price),
        text(bar.high, price),
        text(bar.low, price),
        text(bar.close, price),
        text(bar.volume, volume),
        bar.opened_at_ms + interval_ms - 1,
        text(quote, both),
        int(bar.volume > 0),
        text(bar.volume / 2, volume),
        text(quote / 2, both),
    )


def kline_event(update: Update, interval: Interval, digits: Digits) -> bytes:
    """A bar as Binance pushes it."""
    bar = update.bar
    told = row(bar, interval.ms, digits)
    trade = interval.number(bar.opened_at_ms) if told.n else -1
    kline = Kline(
        t=told.t,
        T=told.T,
        s=bar.symbol,
        i=interval.name,
        f=trade,
        L=trade,
        o=told.o,
        c=told.c,
        h=told.h,
        l=told.l,
        v=told.v,
        n=told.n,
        x=bar.closed,
        q=told.q,
        V=told.V,
        Q=told.Q,
    )
    return msgspec.json.encode(Event("kline", update.at_ms, bar.symbol, kline))


def _spot(digits: Digits) -> Digits:
    """Spot tells every number with eight decimals; more only where the file would lose a bit."""

    def at_least(count: int | None) -> int | None:
        return None if count is None else max(count, _SPOT_DIGITS)

    return Digits(at_least(digits.price), at_least(digits.volume))


def _number(query: Mapping[str, str], name: str) -> int | None:
    told = query.get(name)
    if told is None:
        return None
    if not (told.isascii() and told.isdigit() and len(told) <= 20):  # noqa: PLR2004 - the venue's own rule
        raise Refused(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(told)


def _refusal(code: int, message: str, request: int | str | None = None) -> bytes:
    return msgspec.json.encode({"error": {"code": code, "msg": message}, "id": request})


spot = partial(BinanceDialect, SPOT, 20.0, 60.0)
us = partial(BinanceDialect, US, 20.0, 60.0)
usdm = partial(BinanceDialect, USDM, 180.0, 600.0)
