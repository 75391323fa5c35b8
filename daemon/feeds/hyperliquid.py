"""Hyperliquid's dialect: a candle never says that it is closed, its numbers are strings, its REST takes POSTs only.

Some report frames of one candle; the documents show an array of them, and numbers. All are read.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from core.bars import Bar, Interval
from core.errors import ConfigError, FrameError
from daemon.feeds.shared import EXCERPT, excerpt, parts, read, word_for
from daemon.ports import Request, Socket

COINS_A_SOCKET: Final = 200
MOST_COINS: Final = 1_000
"""One address may subscribe to so many."""
HISTORY_ROWS: Final = 500
# Its days are ours; of three-day bars and weeks nobody has written down when they open.
INTERVALS: Final = {
    60_000: "1m",
    180_000: "3m",
    300_000: "5m",
    900_000: "15m",
    1_800_000: "30m",
    3_600_000: "1h",
    7_200_000: "2h",
    14_400_000: "4h",
    28_800_000: "8h",
    43_200_000: "12h",
    86_400_000: "1d",
}
"""Milliseconds -> the venue's word."""


class Candle(msgspec.Struct, frozen=True, gc=False):
    """One bar, by the venue's letters; the count of trades is passed over."""

    t: int
    T: int
    s: str
    i: str
    o: float
    h: float
    l: float  # noqa: E741 - the venue's letter
    c: float
    v: float


class Frame(msgspec.Struct, frozen=True):
    """Any text frame."""

    channel: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class Clock(msgspec.Struct, frozen=True):
    """The answer about the state of the exchange."""

    time: int


_FRAMES: Final = msgspec.json.Decoder(Frame)
_CANDLES: Final = msgspec.json.Decoder(Candle | list[Candle], strict=False)
_ROWS: Final = msgspec.json.Decoder(list[Candle], strict=False)
_CLOCKS: Final = msgspec.json.Decoder(Clock)


class Hyperliquid:
    """Hyperliquid as a Feed. `sockets` fixes the interval; a candle of another one is then refused."""

    name = "hyperliquid"
    # Dropped after 60 s in which it sent nothing.
    heartbeat = (25.0, '{"method":"ping"}')
    silence_s = 60.0
    openings = (30, 60.0)
    life_s = None
    grace_s = 5.0
    carries = None
    history_reach = 5_000
    empty_after_s = None
    history_limit = HISTORY_ROWS
    # A request for candles weighs 20 and one for each 60 of them; a minute takes 1,200.
    request_spacing_s = 1.0

    def __init__(self, websocket_url: str | None = None, rest_url: str | None = None) -> None:
        self._websocket_url = (websocket_url or "wss://api.hyperliquid.xyz").rstrip("/") + "/ws"
        self._info_url = (rest_url or "https://api.hyperliquid.xyz").rstrip("/") + "/info"
        self._interval: Interval | None = None

    def spelling(self, symbol: str) -> str:
        """In capitals where it is all small; kPEPE and the like must be written so."""
        return symbol.upper() if symbol.islower() else symbol

    def sockets(self, symbols: Sequence[str], interval: Interval) -> list[Socket]:
        """One message a coin. Raises: ConfigError: no such interval, or more coins than one address may have."""
        if len(symbols) > MOST_COINS:
            raise ConfigError(
                f"{self.name}: expected at most {MOST_COINS} symbols for one address, found {len(symbols)}; "
                "try: fewer, or a second machine"
            )
        self._interval = interval
        word = word_for(self.name, INTERVALS, interval)
        return [
            Socket(self._websocket_url, tuple(_subscription(coin, word) for coin in carried), carried)
            for carried in parts(symbols, COINS_A_SOCKET)
        ]

    def decode(self, frame: str | bytes) -> Sequence[Bar]:
        """The bars of a candle frame, none of them closed; nothing for acks, pongs and other channels."""
        told = read(self.name, _FRAMES.decode, frame)
        if told.channel == "error":
            raise FrameError(f"{self.name} refused: {excerpt(bytes(told.data))}")
        if told.channel != "candle":
            return ()
        candles = read(self.name, _CANDLES.decode, bytes(told.data))
        return [self._bar(candle) for candle in (candles if isinstance(candles, list) else [candles])]

    def clock_request(self) -> Request:
        """Weight 2; no answer about candles tells the time."""
        return Request(self._info_url, b'{"type":"exchangeStatus"}')

    def decode_clock(self, body: bytes) -> int:
        """The venue's time. Raises: FrameError: no such answer."""
        return read(self.name, _CLOCKS.decode, body).time

    def history_request(self, symbol: str, interval: Interval, from_ms: int, to_ms: int) -> Request:
        """The end is inclusive there, `to_ms` is not; of the last 5,000 bars."""
        asked = {
            "coin": symbol,
            "interval": word_for(self.name, INTERVALS, interval),
            "startTime": from_ms,
            "endTime": to_ms - 1,
        }
        return Request(self._info_url, msgspec.json.encode({"type": "candleSnapshot", "req": asked}))

    def decode_history(self, symbol: str, interval: Interval, body: bytes, now_ms: int) -> list[Bar]:
        """The closed rows. Raises: FrameError: no such answer."""
        return [
            Bar(symbol, row.t, row.o, row.h, row.l, row.c, row.v)
            for row in read(self.name, _ROWS.decode, body)
            if max(row.T + 1, row.t + interval.ms) <= now_ms
        ]

    def _bar(self, candle: Candle) -> Bar:
        asked = self._interval
        if asked is not None and candle.T - candle.t != asked.ms - 1:
            raise FrameError(
                f"{self.name}: {candle.s[:EXCERPT]!a} candle of {candle.i[:EXCERPT]!a} from {candle.t} to {candle.T}, "
                f"asked for {asked.name}"
            )
        return Bar(candle.s, candle.t, candle.o, candle.h, candle.l, candle.c, candle.v, closed=False)


def _subscription(coin: str, word: str) -> str:
    asked = {"type": "candle", "coin": coin, "interval": word}
    return msgspec.json.encode({"method": "subscribe", "subscription": asked}).decode()
