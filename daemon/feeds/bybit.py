"""Bybit's dialect, version 5: spot and USDT perpetuals differ in one word and in how much a request may ask.

A kline says itself whether it is closed. History comes newest first, the forming bar with it.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final
from urllib.parse import urlencode

import msgspec

from core.bars import Bar, Interval
from core.errors import FrameError, RefusalError
from daemon.feeds.shared import EXCERPT, excerpt, parts, read, word_for
from daemon.ports import Request, Socket

# A connection takes 21,000 characters of topics; a topic has less than 100.
TOPICS_A_SOCKET: Final = 200
HISTORY_ROWS: Final = 1_000
INTERVALS: Final = {
    60_000: "1",
    180_000: "3",
    300_000: "5",
    900_000: "15",
    1_800_000: "30",
    3_600_000: "60",
    7_200_000: "120",
    14_400_000: "240",
    21_600_000: "360",
    43_200_000: "720",
    86_400_000: "D",
    604_800_000: "W",
}
"""Milliseconds -> the venue's word."""
_BUSY: Final = frozenset({10_000, 10_006, 10_016, 10_018, 10_429})
"""Refusals that pass: timeouts and rate limits."""


class Market(msgspec.Struct, frozen=True):
    """One of Bybit's markets."""

    name: str
    category: str
    topics_a_request: int


SPOT: Final = Market("bybit", "spot", 10)
LINEAR: Final = Market("bybit_linear", "linear", TOPICS_A_SOCKET)


class Candle(msgspec.Struct, frozen=True, gc=False):
    """One bar in a kline frame; what it has beyond these is passed over."""

    start: int
    end: int
    interval: str
    open: float
    close: float
    high: float
    low: float
    volume: float
    confirm: bool


class Frame(msgspec.Struct, frozen=True):
    """Any text frame: bars or other data under a topic, an answer, or a refusal."""

    topic: str = ""
    data: msgspec.Raw = msgspec.Raw(b"[]")
    success: bool = True
    ret_msg: str = ""


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of REST history, by place; turnover is passed over."""

    opened_at_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Result(msgspec.Struct, frozen=True):
    """What an answer is about."""

    rows: list[Row] = msgspec.field(name="list", default_factory=list)


class Answer(msgspec.Struct, frozen=True):
    """Any answer over REST."""

    retCode: int
    time: int
    retMsg: str = ""
    result: msgspec.Raw = msgspec.Raw(b"{}")


_FRAMES: Final = msgspec.json.Decoder(Frame)
_CANDLES: Final = msgspec.json.Decoder(list[Candle], strict=False)
_ANSWERS: Final = msgspec.json.Decoder(Answer)
_RESULTS: Final = msgspec.json.Decoder(Result, strict=False)


class Bybit:
    """One of Bybit's markets as a Feed. `sockets` fixes the interval; a kline of another one is then refused."""

    heartbeat = (20.0, '{"op":"ping"}')
    silence_s = 60.0
    openings = (500, 300.0)
    life_s = None
    grace_s = None
    carries = None
    history_reach = None
    empty_after_s = None
    history_limit = HISTORY_ROWS
    request_spacing_s = 0.05

    def __init__(self, market: Market, websocket_url: str | None = None, rest_url: str | None = None) -> None:
        self.market = market
        self.name = market.name
        self._websocket_url = (websocket_url or "wss://stream.bybit.com").rstrip("/") + f"/v5/public/{market.category}"
        self._rest_url = (rest_url or "https://api.bybit.com").rstrip("/") + "/v5/market"
        self._interval: Interval | None = None

    def spelling(self, symbol: str) -> str:
        """In capitals."""
        return symbol.upper()

    def sockets(self, symbols: Sequence[str], interval: Interval) -> list[Socket]:
        """As few sockets as the venue's limit on topics allows. Raises: ConfigError: it has no such interval."""
        self._interval = interval
        word = word_for(self.name, INTERVALS, interval)
        return [
            Socket(self._websocket_url, tuple(self._hello(carried, word)), carried)
            for carried in parts(symbols, TOPICS_A_SOCKET)
        ]

    def decode(self, frame: str | bytes) -> Sequence[Bar]:
        """The bars of a kline frame; nothing for any other topic, acks and pongs."""
        told = read(self.name, _FRAMES.decode, frame)
        if not told.success:
            raise FrameError(f"{self.name} refused: {told.ret_msg[:EXCERPT]}")
        channel, _, rest = told.topic.partition(".")
        if channel != "kline":
            return ()
        _, _, symbol = rest.partition(".")
        if not symbol:
            raise FrameError(f"{self.name}: a kline without its symbol, in {excerpt(frame)}")
        return [self._bar(symbol, candle) for candle in read(self.name, _CANDLES.decode, bytes(told.data))]

    def clock_request(self) -> Request:
        """Each answer tells the time; this one tells nothing else."""
        return Request(f"{self._rest_url}/time")

    def decode_clock(self, body: bytes) -> int:
        """The venue's time. Raises: FrameError: no such answer, or a refusal."""
        return self._answer(body).time

    def history_request(self, symbol: str, interval: Interval, from_ms: int, to_ms: int) -> Request:
        """The end is inclusive there, `to_ms` is not."""
        query = {
            "category": self.market.category,
            "symbol": symbol,
            "interval": word_for(self.name, INTERVALS, interval),
            "start": from_ms,
            "end": to_ms - 1,
            "limit": self.history_limit,
        }
        return Request(f"{self._rest_url}/kline?{urlencode(query)}")

    def decode_history(self, symbol: str, interval: Interval, body: bytes, now_ms: int) -> list[Bar]:
        """The closed rows. Raises: FrameError: no such answer, or a refusal."""
        rows = read(self.name, _RESULTS.decode, bytes(self._answer(body).result)).rows
        return [
            Bar(symbol, row.opened_at_ms, row.open, row.high, row.low, row.close, row.volume)
            for row in reversed(rows)
            if row.opened_at_ms + interval.ms <= now_ms
        ]

    def _hello(self, symbols: Sequence[str], word: str) -> list[str]:
        topics = [f"kline.{word}.{symbol}" for symbol in symbols]
        return [
            msgspec.json.encode({"op": "subscribe", "args": args}).decode()
            for args in parts(topics, self.market.topics_a_request)
        ]

    def _bar(self, symbol: str, candle: Candle) -> Bar:
        asked = self._interval
        if asked is not None and candle.end - candle.start != asked.ms - 1:
            raise FrameError(
                f"{self.name}: {symbol} kline of {candle.interval[:EXCERPT]!a} from {candle.start} to {candle.end}, "
                f"asked for {asked.name}"
            )
        return Bar(
            symbol, candle.start, candle.open, candle.high, candle.low, candle.close, candle.volume, candle.confirm
        )

    def _answer(self, body: bytes) -> Answer:
        answer = read(self.name, _ANSWERS.decode, body)
        if answer.retCode:
            kind = FrameError if answer.retCode in _BUSY else RefusalError
            raise kind(f"{self.name} refused with {answer.retCode}: {answer.retMsg[:EXCERPT]}")
        return answer


spot = partial(Bybit, SPOT)
linear = partial(Bybit, LINEAR)
