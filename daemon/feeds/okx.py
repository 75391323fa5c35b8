"""OKX's dialect, version 5: candles of spot, swaps and futures, which only its `business` websocket carries.

A row ends with its confirmation where it has nine fields. The seven of older frames never say that a bar has closed:
history does. Days and weeks are asked for in UTC; the venue's own begin at 16:00.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

import msgspec

from core.bars import Bar, Interval
from core.errors import FarewellError, FrameError, RefusalError
from daemon.feeds.shared import EXCERPT, excerpt, parts, read, word_for
from daemon.ports import Request, Socket

# One request for them all: an hour takes 480 of them, and the channels of one may have 64 KB.
CHANNELS_A_SOCKET: Final = 200
HISTORY_ROWS: Final = 100
"""Both kinds of history give so many at once."""
RECENT_BARS: Final = 1_440
"""The usual history has so many; the one of older bars is apart."""
_SURELY_RECENT: Final = 1_400
INTERVALS: Final = {
    60_000: "1m",
    180_000: "3m",
    300_000: "5m",
    900_000: "15m",
    1_800_000: "30m",
    3_600_000: "1H",
    7_200_000: "2H",
    14_400_000: "4H",
    21_600_000: "6Hutc",
    43_200_000: "12Hutc",
    86_400_000: "1Dutc",
    604_800_000: "1Wutc",
}
"""Milliseconds -> the venue's word."""
_UNKNOWN: Final = frozenset({"51000", "51001"})
"""Refusals for good: a parameter that is wrong, an instrument that does not exist."""
_FAREWELL: Final = "64008"
"""The notice that a socket will soon be closed for an upgrade."""


class Channel(msgspec.Struct, frozen=True):
    """What a frame is about."""

    channel: str = ""
    instId: str = ""


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A bar, by place: `contracts` are those of a derivative, and the amount itself on spot."""

    opened_at_ms: int
    open: float
    high: float
    low: float
    close: float
    contracts: float
    amount: float
    quote_amount: str = ""
    confirm: str = "0"


class Frame(msgspec.Struct, frozen=True):
    """Any text frame but a pong: rows of a channel, an answer, a notice or a refusal."""

    event: str = ""
    arg: Channel = Channel()
    data: msgspec.Raw = msgspec.Raw(b"[]")
    code: str = ""
    msg: str = ""


class Answer(msgspec.Struct, frozen=True):
    """Any answer over REST."""

    code: str
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"[]")


class Clock(msgspec.Struct, frozen=True):
    """What the answer about the time holds."""

    ts: int


_FRAMES: Final = msgspec.json.Decoder(Frame)
_ROWS: Final = msgspec.json.Decoder(list[Row], strict=False)
_ANSWERS: Final = msgspec.json.Decoder(Answer)
_CLOCKS: Final = msgspec.json.Decoder(tuple[Clock], strict=False)


class Okx:
    """OKX as a Feed. `sockets` fixes the interval; a candle of another one is then refused."""

    name = "okx"
    # Dropped after 30 s without a word from either side.
    heartbeat = (15.0, "ping")
    silence_s = 30.0
    openings = (3, 1.0)
    life_s = None
    grace_s = None
    carries = None
    history_reach = None
    empty_after_s = None
    history_limit = HISTORY_ROWS
    # Of older bars two seconds take twenty requests.
    request_spacing_s = 0.1

    def __init__(self, websocket_url: str | None = None, rest_url: str | None = None) -> None:
        self._websocket_url = (websocket_url or "wss://ws.okx.com:8443").rstrip("/") + "/ws/v5/business"
        self._rest_url = (rest_url or "https://www.okx.com").rstrip("/") + "/api/v5"
        self._channel: str | None = None
        self._now_ms = 0

    def spelling(self, symbol: str) -> str:
        """In capitals, with hyphens: BTC-USDT, BTC-USDT-SWAP."""
        return symbol.upper().replace("/", "-")

    def sockets(self, symbols: Sequence[str], interval: Interval) -> list[Socket]:
        """One request a socket. Raises: ConfigError: the venue has no such interval."""
        channel = self._channel = f"candle{word_for(self.name, INTERVALS, interval)}"
        return [
            Socket(self._websocket_url, (_subscription(channel, carried),), carried)
            for carried in parts(symbols, CHANNELS_A_SOCKET)
        ]

    def decode(self, frame: str | bytes) -> Sequence[Bar]:
        """The bars of a candle frame; nothing for any other channel, acks, notices and pongs."""
        if frame in ("pong", b"pong"):
            return ()
        told = read(self.name, _FRAMES.decode, frame)
        if told.event == "error":
            raise FrameError(f"{self.name} refused with {told.code[:EXCERPT]}: {told.msg[:EXCERPT]}")
        if told.event == "notice" and told.code == _FAREWELL:
            raise FarewellError(f"{self.name}: {told.msg[:EXCERPT]}")
        channel, symbol = told.arg.channel, told.arg.instId
        if told.event or not channel.startswith("candle"):
            return ()
        if not symbol:
            raise FrameError(f"{self.name}: a candle without its instrument, in {excerpt(frame)}")
        if channel != (self._channel or channel):
            raise FrameError(f"{self.name}: {symbol} on {channel[:EXCERPT]}, asked for {self._channel}")
        rows = read(self.name, _ROWS.decode, bytes(told.data))
        return [_bar(symbol, row, closed=row.confirm == "1") for row in rows]

    def clock_request(self) -> Request:
        """Ten a second at most."""
        return Request(f"{self._rest_url}/public/time")

    def decode_clock(self, body: bytes) -> int:
        """The venue's time, which tells old bars from recent ones. Raises: FrameError: no such answer, or a refusal."""
        (clock,) = read(self.name, _CLOCKS.decode, self._answer(body))
        self._now_ms = clock.ts
        return clock.ts

    def history_request(self, symbol: str, interval: Interval, from_ms: int, to_ms: int) -> Request:
        """`before` and `after` are those of the list, which is newest first; neither is inclusive."""
        kind = "history-candles" if from_ms < self._now_ms - _SURELY_RECENT * interval.ms else "candles"
        query = {
            "instId": symbol,
            "bar": word_for(self.name, INTERVALS, interval),
            "before": from_ms - 1,
            "after": to_ms,
            "limit": self.history_limit,
        }
        return Request(f"{self._rest_url}/market/{kind}?{urlencode(query)}")

    def decode_history(self, symbol: str, interval: Interval, body: bytes, now_ms: int) -> list[Bar]:
        """The confirmed rows. Raises: FrameError: no such answer, or a refusal."""
        rows = read(self.name, _ROWS.decode, self._answer(body))
        return [
            _bar(symbol, row, closed=True)
            for row in reversed(rows)
            if row.confirm == "1" and row.opened_at_ms + interval.ms <= now_ms
        ]

    def _answer(self, body: bytes) -> bytes:
        answer = read(self.name, _ANSWERS.decode, body)
        if answer.code != "0":
            kind = RefusalError if answer.code in _UNKNOWN else FrameError
            raise kind(f"{self.name} refused with {answer.code[:EXCERPT]}: {answer.msg[:EXCERPT]}")
        return bytes(answer.data)


def is_derivative(symbol: str) -> bool:
    """Whether its volume is counted in contracts: BTC-USDT-SWAP, BTC-USD-220624."""
    return symbol.count("-") > 1


def _bar(symbol: str, row: Row, *, closed: bool) -> Bar:
    volume = row.amount if is_derivative(symbol) else row.contracts
    return Bar(symbol, row.opened_at_ms, row.open, row.high, row.low, row.close, volume, closed)


def _subscription(channel: str, symbols: Sequence[str]) -> str:
    channels = [{"channel": channel, "instId": symbol} for symbol in symbols]
    return msgspec.json.encode({"op": "subscribe", "args": channels}).decode()
