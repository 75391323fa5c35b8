"""Kraken as documented: bars that never say they are closed, and none for a minute without a trade."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import msgspec
import pytest

from core.barfile import BarFile
from core.bars import Bar, Interval
from core.errors import FrameError, RefusalError
from daemon.exchange.clock import VenueClock
from daemon.exchange.dialects import dialect
from daemon.exchange.market import Market
from daemon.exchange.server import Exchange
from daemon.feeds import feed
from daemon.listening.history import History
from daemon.listening.rest import Rest
from daemon.listening.untraded import Untraded

Records = Callable[[str], list[dict[str, Any]]]
HOUR = Interval.parse("1h")


def a_frame(kind: str = "update", **changes: object) -> bytes:
    candle = {"symbol": "BTC/USD", "open": 2, "high": 4.0, "low": 1.0, "close": 3.0, "trades": 9, "volume": 5.0}
    candle |= {"vwap": 2.5, "interval_begin": "1970-01-01T01:00:00.000000000Z", "interval": 60} | changes
    return msgspec.json.encode({"channel": "ohlc", "type": kind, "data": [candle], "timestamp": "x"})


def history(*hours: int, error: list[str] | None = None) -> bytes:
    rows = [[hour * 3_600, "2", "4", "1", "3", "2.5", "5", 9] for hour in hours]
    return msgspec.json.encode({"error": error or [], "result": {"XXBTZUSD": rows, "last": 0}})


def test_every_documented_frame_gives_its_bar_or_nothing(recorded: Records):
    bars = []
    for record in recorded("documented"):
        if record["exchange"] == "kraken" and record.get("dir") != "out" and "|1|" not in record["raw"]:
            bars += feed("kraken").decode(record["raw"])
    expected = (106_038.2, 106_044.3, 106_038.1, 106_040.1, 30_927.68066226)
    assert [(bar.symbol, bar.opened_at_ms, bar.row, bar.closed) for bar in bars] == [
        ("BTC/USD", 1_696_436_700_000, expected, False)
    ]


@pytest.mark.parametrize("kind", ["snapshot", "update"])
def test_interval_begin_is_the_opening_and_the_deprecated_end_is_passed_over(kind: str):
    venue = feed("kraken")
    venue.sockets(["BTC/USD"], HOUR)
    told = venue.decode(a_frame(kind, timestamp="1970-01-01T02:00:00.000000Z"))
    assert list(told) == [Bar("BTC/USD", HOUR.ms, 2.0, 4.0, 1.0, 3.0, 5.0, closed=False)]


def test_a_pair_by_its_old_name_is_refused_in_the_venues_words():
    raw = '{"error":"Currency pair not supported XBT/USDT","method":"subscribe","success":false,"symbol":"XBT/USDT"}'
    with pytest.raises(FrameError, match="kraken refused: Currency pair not supported XBT/USDT"):
        feed("kraken").decode(raw)


def test_old_names_and_other_spellings_become_the_venues():
    written = ["xbt/usdt", "XDG-USD", "eth/xbt", "SOL/USD"]
    assert [feed("kraken").spelling(symbol) for symbol in written] == ["BTC/USDT", "DOGE/USD", "ETH/BTC", "SOL/USD"]


@pytest.mark.parametrize(
    "frame",
    [
        b'{"channel":"heartbeat"}',
        b'{"channel":"status","type":"update","data":[{"system":"online","api_version":"v2"}]}',
        b'{"method":"pong","req_id":42}',
    ],
)
def test_heartbeats_give_nothing(frame: bytes):
    assert feed("kraken").decode(frame) == ()


@pytest.mark.parametrize("changes", [{"interval": 1}, {"interval_begin": "1970-01-01T01:00:00"}, {"open": "2"}])
def test_what_is_no_candle_of_the_interval_is_refused(changes: dict[str, object]):
    venue = feed("kraken")
    venue.sockets(["BTC/USD"], HOUR)
    with pytest.raises(FrameError):
        venue.decode(a_frame(**changes))


def test_history_is_asked_without_a_slash_and_its_last_row_is_never_taken():
    url = urlsplit(feed("kraken").history_request("BTC/USD", HOUR, HOUR.ms, 5 * HOUR.ms).url)
    assert (url.netloc, url.path) == ("api.kraken.com", "/0/public/OHLC")
    asked = {key: values[0] for key, values in parse_qs(url.query).items()}
    assert asked == {"pair": "BTCUSD", "interval": "60", "since": "3599"}
    bars = feed("kraken").decode_history("BTC/USD", HOUR, history(0, 1, 2), now_ms=2 * HOUR.ms)
    assert [bar.opened_at_ms for bar in bars] == [0, HOUR.ms]


def test_what_will_never_be_answered_differs_from_what_may_be_later():
    with pytest.raises(RefusalError, match="EQuery:Unknown asset pair"):
        feed("kraken").decode_history("X", HOUR, history(error=["EQuery:Unknown asset pair"]), 0)
    with pytest.raises(FrameError, match="Too many requests") as busy:
        feed("kraken").decode_clock(history(error=["EGeneral:Too many requests"]))
    assert not isinstance(busy.value, RefusalError)


async def test_an_hour_without_a_trade_is_built_flat_once_it_is_certain(span: Callable[[str], BarFile]):
    bars = span("kraken")
    part = bars.symbols["SHIBUSDT"]
    (before,) = (
        index
        for index in range(len(part.rows) - 1)
        if part.opened_at_ms[index + 1] - part.opened_at_ms[index] > HOUR.ms
    )
    missing_ms = int(part.opened_at_ms[before]) + HOUR.ms
    market = Market(bars)

    async def found(now_ms: int) -> list[Bar]:
        exchange = Exchange(market, dialect("kraken", market), VenueClock(now_ms))
        async with asyncio.timeout(100), exchange, aiohttp.ClientSession() as session:
            history = History(feed("kraken", exchange.websocket_url, exchange.rest_url), Rest(session), spacing_s=0.0)
            return await history.bars("SHIBUSDT", HOUR, missing_ms, missing_ms + HOUR.ms)

    assert await found(missing_ms + HOUR.ms + 14_000) == []
    (built,) = await found(missing_ms + HOUR.ms + 15_000)
    close = float(part.rows[before, 3])
    assert isinstance(built, Untraded)
    assert (built.opened_at_ms, built.row) == (missing_ms, (close, close, close, close, 0.0))
