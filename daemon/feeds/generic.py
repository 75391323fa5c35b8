"""Gaze's own bar protocol, for a source of one's own: docs/reference/feeds.md tells it whole.

History is optional: without an address for it the feed has neither past bars nor a clock.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

import msgspec

from core.bars import Bar, Interval
from core.errors import ConfigError, FrameError, RefusalError
from daemon.feeds.shared import EXCERPT, read
from daemon.ports import Request, Socket

HISTORY_ROWS: Final = 1_000


class Told(msgspec.Struct, frozen=True, gc=False):
    """One bar. Numbers may be strings, so that a decimal is told as it is."""

    symbol: str
    interval: str
    opened_at_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    closed: bool


class Frame(msgspec.Struct, frozen=True):
    """Any message, and any answer: bars, a refusal, or something else that is passed over."""

    bars: list[Told] = []
    error: str = ""


class Clock(msgspec.Struct, frozen=True):
    """The answer about the time."""

    now_ms: int


_FRAMES: Final = msgspec.json.Decoder(Frame, strict=False)
_CLOCKS: Final = msgspec.json.Decoder(Clock)


class Generic:
    """A source of one's own as a Feed. `sockets` fixes the interval; a bar of another one is then refused."""

    name = "generic"
    heartbeat: tuple[float, str] | None = None
    silence_s = 300.0
    openings = None
    life_s = None
    grace_s: float | None = None
    carries = None
    history_reach = None
    empty_after_s: float | None = None
    history_limit = HISTORY_ROWS
    request_spacing_s = 0.05

    def __init__(self, websocket_url: str | None = None, rest_url: str | None = None) -> None:
        self._websocket_url = websocket_url
        self._rest_url = rest_url and rest_url.rstrip("/")
        self._asked: str | None = None

    def spelling(self, symbol: str) -> str:
        """As it is written."""
        return symbol

    def sockets(self, symbols: Sequence[str], interval: Interval) -> list[Socket]:
        """One socket for all. Raises: ConfigError: nobody said where."""
        if self._websocket_url is None:
            raise ConfigError(
                'feed generic has no address of its own; try: [feed] websocket_url = "ws://127.0.0.1:8765"'
            )
        self._asked = interval.name
        hello = msgspec.json.encode({"subscribe": symbols, "interval": interval.name}).decode()
        return [Socket(self._websocket_url, (hello,), tuple(symbols))]

    def decode(self, frame: str | bytes) -> Sequence[Bar]:
        """The bars of a message; nothing for a message without any."""
        told = read(self.name, _FRAMES.decode, frame)
        if told.error:
            raise FrameError(f"{self.name} refused: {told.error[:EXCERPT]}")
        return [self._bar(bar, self._asked) for bar in told.bars]

    def clock_request(self) -> Request | None:
        """None without an address for history."""
        return Request(f"{self._rest_url}/time") if self._rest_url else None

    def decode_clock(self, body: bytes) -> int:
        """The source's time. Raises: FrameError: no such answer."""
        return read(self.name, _CLOCKS.decode, body).now_ms

    def history_request(self, symbol: str, interval: Interval, from_ms: int, to_ms: int) -> Request | None:
        """None without an address for it."""
        if not self._rest_url:
            return None
        query = {"symbol": symbol, "interval": interval.name, "from_ms": from_ms, "to_ms": to_ms}
        return Request(f"{self._rest_url}/bars?{urlencode(query)}")

    def decode_history(self, symbol: str, interval: Interval, body: bytes, now_ms: int) -> list[Bar]:
        """The closed bars, oldest first. Raises: FrameError: no such answer. RefusalError: the source refuses."""
        told = read(self.name, _FRAMES.decode, body)
        if told.error:
            raise RefusalError(f"{self.name} refused: {told.error[:EXCERPT]}")
        bars = sorted(told.bars, key=lambda bar: bar.opened_at_ms)
        return [
            self._bar(bar, interval.name)
            for bar in bars
            if bar.symbol == symbol and bar.closed and bar.opened_at_ms + interval.ms <= now_ms
        ]

    def _bar(self, bar: Told, asked: str | None) -> Bar:
        if bar.interval != (asked or bar.interval):
            raise FrameError(
                f"{self.name}: {bar.symbol[:EXCERPT]!a} bar of {bar.interval[:EXCERPT]!a}, asked for {asked}"
            )
        return Bar(bar.symbol, bar.opened_at_ms, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.closed)
