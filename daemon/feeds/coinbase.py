"""Coinbase's dialect (Advanced Trade): five-minute candles that never say they are closed.

Longer bars are built from them; history has the longer ones itself. A candle without a trade is never told. Unless the
heartbeats are subscribed too, a quiet socket is closed after a minute.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from core.bars import Bar, Interval
from core.errors import FrameError
from daemon.feeds.shared import EXCERPT, parts, read, word_for
from daemon.ports import Request, Socket

PRODUCTS_A_SOCKET: Final = 100
HISTORY_ROWS: Final = 350
CARRIED: Final = Interval.parse("5m")
INTERVALS: Final = {
    300_000: "FIVE_MINUTE",
    900_000: "FIFTEEN_MINUTE",
    1_800_000: "THIRTY_MINUTE",
    3_600_000: "ONE_HOUR",
    7_200_000: "TWO_HOUR",
    21_600_000: "SIX_HOUR",
    86_400_000: "ONE_DAY",
}
"""Milliseconds -> the venue's word over REST."""


class Candle(msgspec.Struct, frozen=True, gc=False):
    """One bar; over REST without its product."""

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    product_id: str = ""


class Event(msgspec.Struct, frozen=True):
    """A part of a candles frame."""

    candles: list[Candle]


class Frame(msgspec.Struct, frozen=True):
    """Any text frame: events of a channel, or a refusal."""

    channel: str = ""
    type: str = ""
    message: str = ""
    events: msgspec.Raw = msgspec.Raw(b"[]")


class Clock(msgspec.Struct, frozen=True):
    """The answer about the time."""

    epochMillis: int


_FRAMES: Final = msgspec.json.Decoder(Frame)
_EVENTS: Final = msgspec.json.Decoder(list[Event], strict=False)
_ANSWERS: Final = msgspec.json.Decoder(Event, strict=False)
_CLOCKS: Final = msgspec.json.Decoder(Clock, strict=False)


class Coinbase:
    """Coinbase as a Feed."""

    name = "coinbase"
    # The subscribed heartbeats come every second.
    heartbeat = None
    silence_s = 15.0
    openings = (8, 1.0)
    life_s = None
    grace_s = 5.0
    carries = CARRIED
    # The older REST answers from a cache of up to 300 s; this one may do so too.
    empty_after_s = 330.0
    history_limit = HISTORY_ROWS - 1
    history_reach = None
    request_spacing_s = 0.125

    def __init__(self, websocket_url: str | None = None, rest_url: str | None = None) -> None:
        self._websocket_url = (websocket_url or "wss://advanced-trade-ws.coinbase.com").rstrip("/")
        self._rest_url = (rest_url or "https://api.coinbase.com").rstrip("/") + "/api/v3/brokerage"

    def spelling(self, symbol: str) -> str:
        """In capitals, with a hyphen: BTC-USD."""
        return symbol.upper().replace("/", "-")

    def sockets(self, symbols: Sequence[str], interval: Interval) -> list[Socket]:
        """The heartbeats first. Raises: ConfigError: no history of this interval, or one shorter than it streams."""
        word_for(self.name, INTERVALS, interval)
        return [
            Socket(self._websocket_url, (_subscription("heartbeats", ()), _subscription("candles", carried)), carried)
            for carried in parts(symbols, PRODUCTS_A_SOCKET)
        ]

    def decode(self, frame: str | bytes) -> Sequence[Bar]:
        """The five-minute bars of a candles frame, oldest first, none of them closed; nothing for other channels."""
        told = read(self.name, _FRAMES.decode, frame)
        if told.type == "error":
            raise FrameError(f"{self.name} refused: {told.message[:EXCERPT]}")
        if told.channel != "candles":
            return ()
        candles = [candle for event in read(self.name, _EVENTS.decode, bytes(told.events)) for candle in event.candles]
        if not all(candle.product_id for candle in candles):
            raise FrameError(f"{self.name}: a candle without its product")
        # A snapshot comes newest first.
        candles.sort(key=_start)
        return [_bar(candle.product_id, candle, closed=False) for candle in candles]

    def clock_request(self) -> Request:
        """Public."""
        return Request(f"{self._rest_url}/time")

    def decode_clock(self, body: bytes) -> int:
        """The venue's time. Raises: FrameError: no such answer."""
        return read(self.name, _CLOCKS.decode, body).epochMillis

    def history_request(self, symbol: str, interval: Interval, from_ms: int, to_ms: int) -> Request:
        """Start and end in seconds, both inclusive; `to_ms` is not."""
        query = {
            "start": from_ms // 1_000,
            "end": to_ms // 1_000 - 1,
            "granularity": word_for(self.name, INTERVALS, interval),
            "limit": HISTORY_ROWS,
        }
        return Request(f"{self._rest_url}/market/products/{quote(symbol, safe='')}/candles?{urlencode(query)}")

    def decode_history(self, symbol: str, interval: Interval, body: bytes, now_ms: int) -> list[Bar]:
        """The closed rows. Raises: FrameError: no such answer."""
        candles = sorted(read(self.name, _ANSWERS.decode, body).candles, key=_start)
        return [_bar(symbol, candle, closed=True) for candle in candles if candle.start * 1_000 + interval.ms <= now_ms]


def _start(candle: Candle) -> int:
    return candle.start


def _bar(symbol: str, candle: Candle, *, closed: bool) -> Bar:
    return Bar(symbol, candle.start * 1_000, candle.open, candle.high, candle.low, candle.close, candle.volume, closed)


def _subscription(channel: str, products: Sequence[str]) -> str:
    asked: dict[str, object] = {"type": "subscribe", "product_ids": products, "channel": channel}
    if not products:
        del asked["product_ids"]
    return msgspec.json.encode(asked).decode()
