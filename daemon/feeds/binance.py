"""Binance's dialect: spot, Binance US and USD-M futures differ in addresses and limits only.

A kline says itself whether it is closed, so nothing here waits or guesses. The other side of the dialect, which the
stand-in exchange speaks, is daemon/exchange/dialects/binance.py.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Final
from urllib.parse import urlencode

import msgspec

from core.bars import Bar, Interval
from core.errors import UNREADABLE, FarewellError, FrameError
from daemon.feeds.shared import EXCERPT, excerpt, read, word_for
from daemon.ports import Request, Socket

# Binance leaves a request of more than 4,096 bytes unanswered.
_REQUEST_BYTES: Final = 4_000
# Of the five messages a second that spot takes, one is left for the pong.
_REQUESTS_A_SOCKET: Final = 4


# Of three-day bars nobody has written down when they open.
INTERVALS: Final = {
    60_000: "1m",
    180_000: "3m",
    300_000: "5m",
    900_000: "15m",
    1_800_000: "30m",
    3_600_000: "1h",
    7_200_000: "2h",
    14_400_000: "4h",
    21_600_000: "6h",
    28_800_000: "8h",
    43_200_000: "12h",
    86_400_000: "1d",
    604_800_000: "1w",
}
"""Milliseconds -> the venue's word."""


class Market(msgspec.Struct, frozen=True):
    """Where one of Binance's markets is, and its limits."""

    name: str
    websocket_url: str
    rest_url: str
    api: str
    history_limit: int
    streams_a_socket: int
    silence_s: float


SPOT: Final = Market("binance", "wss://stream.binance.com:9443", "https://api.binance.com", "/api/v3", 1_000, 1_024, 60)
# Thinly traded: minutes pass without a trade in any of a few symbols.
US: Final = Market("binance_us", "wss://stream.binance.us:9443", "https://api.binance.us", "/api/v3", 1_000, 1_024, 300)
USDM: Final = Market(
    "binance_usdm", "wss://fstream.binance.com/market", "https://fapi.binance.com", "/fapi/v1", 1_500, 200, 60
)


class Kline(msgspec.Struct, frozen=True, gc=False):
    """The candle inside a kline event, by Binance's letters; what it has beyond these is passed over."""

    t: int
    T: int
    i: str
    o: float
    h: float
    l: float  # noqa: E741 - the venue's letter
    c: float
    v: float
    x: bool


class Event(msgspec.Struct, frozen=True, gc=False):
    """What a stream pushes; only `kline` events have a `k` we read."""

    e: str = ""
    s: str = ""
    k: Kline | None = None


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """How Binance says no."""

    code: int = 0
    msg: str = ""


class Frame(Event, frozen=True, kw_only=True, gc=False):
    """Any text frame: an event alone, an event wrapped with its stream's name, an answer, or a refusal."""

    data: Event | None = None
    error: Refusal | None = None
    code: int | None = None
    msg: str = ""


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of REST history, by place; the columns after these are passed over."""

    opened_at_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    closes_at_ms: int


class Clock(msgspec.Struct, frozen=True):
    """The answer to /time."""

    serverTime: int


_FRAMES: Final = msgspec.json.Decoder(Frame, strict=False)
_ROWS: Final = msgspec.json.Decoder(list[Row], strict=False)
_CLOCK: Final = msgspec.json.Decoder(Clock)
_REFUSAL: Final = msgspec.json.Decoder(Refusal)


def stream(symbol: str, word: str) -> str:
    """The name of the stream that carries this symbol's klines; `word`: the venue's, for their interval."""
    return f"{symbol.lower()}@kline_{word}"


class Binance:
    """One of Binance's markets as a Feed. `sockets` fixes the interval; a kline of another one is then refused."""

    heartbeat = None
    openings = (300, 300.0)
    life_s = 86_400.0
    grace_s = None
    carries = None
    history_reach = None
    empty_after_s = None
    request_spacing_s = 0.05

    def __init__(self, market: Market, websocket_url: str | None = None, rest_url: str | None = None) -> None:
        self.market = market
        self.name = market.name
        self.silence_s = market.silence_s
        self.history_limit = market.history_limit
        self._websocket_url = (websocket_url or market.websocket_url).rstrip("/")
        self._rest_url = (rest_url or market.rest_url).rstrip("/") + market.api
        self._word = ""
        """The venue's, for the interval that was asked for."""
        self._span_ms = 0
        """From a bar's opening to what the venue calls its close."""

    def spelling(self, symbol: str) -> str:
        """In capitals."""
        return symbol.upper()

    def sockets(self, symbols: Sequence[str], interval: Interval) -> list[Socket]:
        """As few sockets as the limits on streams and requests allow. Raises: ConfigError: it has no such interval."""
        word = word_for(self.name, INTERVALS, interval)
        self._word, self._span_ms = word, interval.ms - 1
        url = f"{self._websocket_url}/stream"
        requests = _requests([stream(symbol, word) for symbol in symbols], self.market.streams_a_socket)
        left = iter(symbols)
        sockets: list[Socket] = []
        hello: list[list[str]] = []
        for request in requests:
            carried = sum(map(len, hello))
            if hello and (len(hello) == _REQUESTS_A_SOCKET or carried + len(request) > self.market.streams_a_socket):
                sockets.append(_socket(url, hello, left))
                hello = []
            hello.append(request)
        return [*sockets, _socket(url, hello, left)] if hello else sockets

    def decode(self, frame: str | bytes) -> Sequence[Bar]:
        """The bar of a kline event; nothing for any other event and for acks. Raises: FarewellError: it shuts down."""
        told = read(self.name, _FRAMES.decode, frame)
        if told.error is not None or told.code is not None:
            refusal = told.error or Refusal(told.code or 0, told.msg)
            raise FrameError(f"{self.name} refused with {refusal.code}: {refusal.msg[:EXCERPT]}")
        event = told.data or told
        if event.e == "serverShutdown":
            raise FarewellError(f"{self.name}: the server shuts down")
        if event.e != "kline":
            return ()
        kline = event.k
        if kline is None or not event.s:
            raise FrameError(f"{self.name}: a kline event without its kline or symbol, in {excerpt(frame)}")
        if self._word and (kline.i != self._word or kline.T - kline.t != self._span_ms):
            raise FrameError(
                f"{self.name}: {event.s} kline of {kline.i} from {kline.t} to {kline.T}, asked for {self._word}"
            )
        return (Bar(event.s, kline.t, kline.o, kline.h, kline.l, kline.c, kline.v, kline.x),)

    def clock_request(self) -> Request:
        """Weight 1."""
        return Request(f"{self._rest_url}/time")

    def decode_clock(self, body: bytes) -> int:
        """The venue's time. Raises: FrameError: no such answer, or a refusal."""
        try:
            return _CLOCK.decode(body).serverTime
        except UNREADABLE as error:
            raise self._not_history(body, error) from error

    def history_request(self, symbol: str, interval: Interval, from_ms: int, to_ms: int) -> Request:
        """Weight 2 on spot; endTime is inclusive there, `to_ms` is not."""
        query = {
            "symbol": symbol.upper(),
            "interval": word_for(self.name, INTERVALS, interval),
            "startTime": from_ms,
            "endTime": to_ms - 1,
            "limit": self.history_limit,
        }
        return Request(f"{self._rest_url}/klines?{urlencode(query)}")

    def decode_history(self, symbol: str, interval: Interval, body: bytes, now_ms: int) -> list[Bar]:
        """The closed rows. Raises: FrameError: no such answer, or a refusal."""
        try:
            rows = _ROWS.decode(body)
        except UNREADABLE as error:
            raise self._not_history(body, error) from error
        return [
            Bar(symbol.upper(), row.opened_at_ms, row.open, row.high, row.low, row.close, row.volume)
            for row in rows
            # Some rows of old outages end early: neither time alone says that a bar is whole.
            if max(row.closes_at_ms + 1, row.opened_at_ms + interval.ms) <= now_ms
        ]

    def _not_history(self, body: bytes, error: Exception) -> FrameError:
        try:
            refusal = _REFUSAL.decode(body)
        except UNREADABLE:
            return FrameError(f"{self.name}: {error}, in {excerpt(body)}")
        if not refusal.msg:
            return FrameError(f"{self.name}: {error}, in {excerpt(body)}")
        return FrameError(f"{self.name} refused with {refusal.code}: {refusal.msg[:EXCERPT]}")


def _requests(streams: Sequence[str], most: int) -> Iterator[list[str]]:
    """Cut streams into lists that each fit a SUBSCRIBE, and a socket."""
    request: list[str] = []
    size = 0
    for name in streams:
        length = len(msgspec.json.encode(name)) + 1
        if request and (size + length > _REQUEST_BYTES - 64 or len(request) == most):
            yield request
            request, size = [], 0
        request.append(name)
        size += length
    if request:
        yield request


def _socket(url: str, requests: Sequence[Sequence[str]], left: Iterator[str]) -> Socket:
    """A socket for the next of the symbols that are left."""
    return Socket(
        url,
        tuple(
            msgspec.json.encode({"method": "SUBSCRIBE", "params": params, "id": number}).decode()
            for number, params in enumerate(requests, start=1)
        ),
        tuple(islice(left, sum(map(len, requests)))),
    )


spot = partial(Binance, SPOT)
us = partial(Binance, US)
usdm = partial(Binance, USDM)
