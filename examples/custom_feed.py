"""A venue of one's own, without touching Gaze: this file adds it and is then used where `gaze` would be.

    python examples/custom_feed.py run gaze.toml --feed semicolons

A feed is pure: what to open and say, how to read what comes, how to ask for history. Sockets, gaps, clocks and retries
are the listener's. This one reads lines such as BTCUSDT;1717200000000;67000.1;67100;66900;67050.5;12.5;1 and asks the
same of its history; a source that can speak JSON needs no file at all: docs/reference/feeds.md has the generic one.
"""

import csv
from collections.abc import Sequence
from urllib.parse import urlencode

import gaze
from core.bars import Bar, Interval
from core.errors import ConfigError, FrameError
from daemon.feeds import FEEDS
from daemon.ports import Request, Socket


class Semicolons:
    """Bars as lines of text with semicolons between: symbol, opened_at_ms, open, high, low, close, volume, closed."""

    name = "semicolons"
    openings = None
    heartbeat = None
    silence_s = 300.0
    grace_s = None
    carries = None
    history_reach = None
    empty_after_s = None
    history_limit = 1_000
    request_spacing_s = 0.05

    def __init__(self, websocket_url: str | None = None, rest_url: str | None = None) -> None:
        if websocket_url is None or rest_url is None:
            raise ConfigError(
                'semicolons has no addresses of its own; try: [feed] websocket_url = "ws://..." and rest_url'
            )
        self._websocket_url, self._rest_url = websocket_url, rest_url

    def spelling(self, symbol: str) -> str:
        """In capitals."""
        return symbol.upper()

    def sockets(self, symbols: Sequence[str], interval: Interval) -> list[Socket]:
        """One for all."""
        return [Socket(self._websocket_url, (f"SUBSCRIBE {interval.name} {' '.join(symbols)}",), tuple(symbols))]

    def decode(self, frame: str | bytes) -> Sequence[Bar]:
        """The bars in a frame, one a line. Raises: FrameError: a line is no bar."""
        text = frame.decode() if isinstance(frame, bytes) else frame
        return [_bar(line) for line in csv.reader(text.splitlines(), delimiter=";")]

    def clock_request(self) -> Request | None:
        """Asks the time."""
        return Request(f"{self._rest_url}/time")

    def decode_clock(self, body: bytes) -> int:
        """Unix milliseconds, in digits."""
        if not body.isdigit():
            raise FrameError(f"semicolons: {body[:40]!r} is no time")
        return int(body)

    def history_request(self, symbol: str, interval: Interval, from_ms: int, to_ms: int) -> Request | None:
        """Asks for the bars that open in [from_ms, to_ms)."""
        asked = {"symbol": symbol, "interval": interval.name, "from": from_ms, "to": to_ms}
        return Request(f"{self._rest_url}/bars?{urlencode(asked)}")

    def decode_history(self, symbol: str, interval: Interval, body: bytes, now_ms: int) -> list[Bar]:
        """The closed bars of that symbol, oldest first."""
        bars = [bar for bar in self.decode(body) if bar.symbol == symbol and bar.opened_at_ms + interval.ms <= now_ms]
        return sorted(bars, key=lambda bar: bar.opened_at_ms)


def _bar(line: Sequence[str]) -> Bar:
    try:
        symbol, opened_at_ms, *numbers, closed = line
        opened, high, low, close, volume = map(float, numbers)
        return Bar(symbol, int(opened_at_ms), opened, high, low, close, volume, closed == "1")
    except ValueError as error:
        raise FrameError(f"semicolons: {';'.join(line)[:80]!r} is no bar") from error


FEEDS["semicolons"] = "custom_feed:Semicolons"

if __name__ == "__main__":
    gaze.main()
