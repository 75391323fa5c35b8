"""Kraken's dialect, version 2: a candle never says that it is closed, and one without a trade is never told.

`interval_begin` is its opening; `timestamp`, its end, is deprecated and passed over.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from urllib.parse import urlencode

import msgspec

from core.bars import Bar, Interval
from core.errors import FrameError, RefusalError
from daemon.feeds.shared import EXCERPT, parts, read, word_for
from daemon.ports import Request, Socket

SYMBOLS_A_SOCKET: Final = 200
SYMBOLS_A_REQUEST: Final = 50
HISTORY_ROWS: Final = 720
# Its weeks open on Thursdays, ours on Mondays: it has none that we could use.
INTERVALS: Final = {
    60_000: "1",
    300_000: "5",
    900_000: "15",
    1_800_000: "30",
    3_600_000: "60",
    14_400_000: "240",
    86_400_000: "1440",
}
"""Milliseconds -> the venue's word, minutes."""
_OLD_NAMES: Final = {"XBT": "BTC", "XDG": "DOGE"}
"""Version 1 and REST still know these; version 2 refuses them."""
_FOR_GOOD: Final = ("EQuery:", "EGeneral:Invalid")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Candle(msgspec.Struct, frozen=True, gc=False):
    """One bar in an ohlc frame; what it has beyond these is passed over."""

    symbol: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    interval_begin: Annotated[datetime, msgspec.Meta(tz=True)]
    interval: int


class Frame(msgspec.Struct, frozen=True):
    """Any text frame: data of a channel, or an answer."""

    channel: str = ""
    data: msgspec.Raw = msgspec.Raw(b"[]")
    success: bool = True
    error: str = ""


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of REST history, by place; the count of trades is passed over."""

    opened_at_s: int
    open: float
    high: float
    low: float
    close: float
    average: float
    volume: float


class Clock(msgspec.Struct, frozen=True):
    """What the answer about the time holds, in whole seconds."""

    unixtime: int


class Answer(msgspec.Struct, frozen=True):
    """Any answer over REST; a refusal has status 200 too."""

    error: list[str] = []
    result: msgspec.Raw = msgspec.Raw(b"{}")


_FRAMES: Final = msgspec.json.Decoder(Frame)
_CANDLES: Final = msgspec.json.Decoder(list[Candle])
_ANSWERS: Final = msgspec.json.Decoder(Answer)
_ROWS: Final = msgspec.json.Decoder(dict[str, list[Row] | int], strict=False)
_CLOCKS: Final = msgspec.json.Decoder(Clock)


class Kraken:
    """Kraken as a Feed. `sockets` fixes the interval; a candle of another one is then refused."""

    name = "kraken"
    # A heartbeat comes each second on which nothing else does.
    heartbeat = (15.0, '{"method":"ping"}')
    silence_s = 30.0
    openings = (150, 600.0)
    life_s = None
    grace_s = 5.0
    carries = None
    empty_after_s = 15.0
    history_limit = HISTORY_ROWS
    # One of them is the forming one.
    history_reach = HISTORY_ROWS - 1
    request_spacing_s = 1.0

    def __init__(self, websocket_url: str | None = None, rest_url: str | None = None) -> None:
        self._websocket_url = (websocket_url or "wss://ws.kraken.com").rstrip("/") + "/v2"
        self._rest_url = (rest_url or "https://api.kraken.com").rstrip("/") + "/0/public"
        self._word: str | None = None

    def spelling(self, symbol: str) -> str:
        """In capitals, with a slash, without the old names: BTC/USD."""
        base, slash, quote = symbol.upper().replace("-", "/").partition("/")
        return _OLD_NAMES.get(base, base) + slash + _OLD_NAMES.get(quote, quote)

    def sockets(self, symbols: Sequence[str], interval: Interval) -> list[Socket]:
        """A snapshot is asked for. Raises: ConfigError: the venue has no such interval."""
        word = self._word = word_for(self.name, INTERVALS, interval)
        return [
            Socket(
                self._websocket_url,
                tuple(_subscription(asked, word) for asked in parts(carried, SYMBOLS_A_REQUEST)),
                carried,
            )
            for carried in parts(symbols, SYMBOLS_A_SOCKET)
        ]

    def decode(self, frame: str | bytes) -> Sequence[Bar]:
        """The bars of an ohlc frame, none of them closed; nothing for acks, pongs, heartbeats and other channels."""
        told = read(self.name, _FRAMES.decode, frame)
        if not told.success:
            raise FrameError(f"{self.name} refused: {told.error[:EXCERPT]}")
        if told.channel != "ohlc":
            return ()
        return [self._bar(candle) for candle in read(self.name, _CANDLES.decode, bytes(told.data))]

    def clock_request(self) -> Request:
        """In whole seconds, rounded down."""
        return Request(f"{self._rest_url}/Time")

    def decode_clock(self, body: bytes) -> int:
        """The venue's time. Raises: FrameError: no such answer, or a refusal."""
        return read(self.name, _CLOCKS.decode, self._answer(body)).unixtime * 1_000

    def history_request(self, symbol: str, interval: Interval, from_ms: int, to_ms: int) -> Request:  # noqa: ARG002
        """Everything from then on, of the last 720 bars; `since` itself is left out, and an end cannot be asked for."""
        query = {
            "pair": symbol.replace("/", ""),
            "interval": word_for(self.name, INTERVALS, interval),
            "since": from_ms // 1_000 - 1,
        }
        return Request(f"{self._rest_url}/OHLC?{urlencode(query)}")

    def decode_history(self, symbol: str, interval: Interval, body: bytes, now_ms: int) -> list[Bar]:
        """The closed rows; the last one never is. Raises: FrameError: no such answer, or a refusal."""
        found = read(self.name, _ROWS.decode, self._answer(body)).values()
        return [
            Bar(symbol, row.opened_at_s * 1_000, row.open, row.high, row.low, row.close, row.volume)
            for rows in found
            if not isinstance(rows, int)
            for row in rows
            if row.opened_at_s * 1_000 + interval.ms <= now_ms
        ]

    def _bar(self, candle: Candle) -> Bar:
        if str(candle.interval) != (self._word or str(candle.interval)):
            raise FrameError(f"{self.name}: {candle.symbol} of {candle.interval} minutes, asked for {self._word}")
        opened_at_ms = (candle.interval_begin - _EPOCH) // timedelta(milliseconds=1)
        return Bar(
            candle.symbol, opened_at_ms, candle.open, candle.high, candle.low, candle.close, candle.volume, closed=False
        )

    def _answer(self, body: bytes) -> bytes:
        answer = read(self.name, _ANSWERS.decode, body)
        if answer.error:
            told = "; ".join(answer.error)[:EXCERPT]
            kind = RefusalError if told.startswith(_FOR_GOOD) else FrameError
            raise kind(f"{self.name} refused: {told}")
        return bytes(answer.result)


def _subscription(symbols: Sequence[str], word: str) -> str:
    params = {"channel": "ohlc", "symbol": symbols, "interval": int(word), "snapshot": True}
    return msgspec.json.encode({"method": "subscribe", "params": params}).decode()
