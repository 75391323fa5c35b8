"""OKX as captured and as documented: the right bars out, nothing else."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import msgspec
import pytest

from core import barfile
from core.barfile import BarFile
from core.bars import Bar, Interval
from core.errors import FarewellError, FrameError, RefusalError
from daemon.exchange.clock import VenueClock
from daemon.exchange.dialects import dialect
from daemon.exchange.market import Market
from daemon.exchange.server import Exchange
from daemon.feeds import feed
from daemon.listening.history import History
from daemon.listening.rest import Rest

Records = Callable[[str], list[dict[str, Any]]]
HOUR = Interval.parse("1h")


def a_row(hour: int, confirm: str = "1") -> list[str]:
    return [str(hour * HOUR.ms), "2", "4", "1", "3", "5", "15", "15", confirm]


def a_frame(*rows: list[str], channel: str = "candle1H", symbol: str = "BTC-USDT") -> bytes:
    return msgspec.json.encode({"arg": {"channel": channel, "instId": symbol}, "data": rows or [a_row(0)]})


def history(*rows: list[str], code: str = "0", msg: str = "") -> bytes:
    return msgspec.json.encode({"code": code, "msg": msg, "data": rows})


def test_the_captured_hour_of_nine_fields_gives_its_bar(recorded: Records):
    (raw,) = [record["raw"] for record in recorded("real_single") if record["exchange"] == "okx"]
    venue = feed("okx")
    venue.sockets(["BTC-USDT-SWAP"], HOUR)
    (bar,) = venue.decode(raw)
    expected = (103_644.1, 103_700.0, 103_629.2, 103_700.0, 113.1608)
    assert (bar.symbol, bar.row, bar.closed) == ("BTC-USDT-SWAP", expected, False)


def test_captured_rows_of_seven_fields_count_coins_and_never_close(recorded: Records):
    frames = [record["raw"] for record in recorded("candle_messages") if record["exchange"] == "okx"]
    bars = [bar for frame in frames for bar in feed("okx").decode(frame)]
    assert [(bar.symbol, bar.volume, bar.closed) for bar in bars] == [
        ("BTC-USDT", 0.0111536, False),
        ("BTC-USD-220624", 0.554, False),
        ("BTC-USDT-220624", 1.33, False),
        ("BTC-USD-SWAP", 6.7561, False),
        ("BTC-USDT-SWAP", 40.7, False),
        ("BTC-USD-220624-50000-C", 0.0, False),
    ]


def test_every_other_captured_frame_gives_nothing(recorded: Records):
    for record in recorded("okx_acks"):
        if "raw" in record and record["dir"] == "in":
            assert feed("okx").decode(record["raw"]) == ()


def test_the_documented_frame_and_history_decode(recorded: Records):
    raws = {record["source"]: record["raw"] for record in recorded("documented") if record["exchange"] == "okx"}
    (frame,) = [raw for source, raw in raws.items() if source.endswith("ws_candle.json")]
    assert feed("okx").decode(frame) == [
        Bar("BTC-USDT", 1_597_026_383_085, 8533.02, 8553.74, 8527.17, 8548.26, 45_247.0)
    ]
    (body,) = [raw for source, raw in raws.items() if "http_get_candlesticks" in source]
    bars = feed("okx").decode_history("BTC-USDT-SWAP", Interval.parse("1m"), body.encode(), now_ms=1 << 60)
    assert [(bar.opened_at_ms, bar.volume) for bar in bars] == [
        (1_747_093_980_000, 71.6404),
        (1_747_094_040_000, 10.4037),
    ]


def test_rows_are_confirmed_or_left_out():
    assert [bar.closed for bar in feed("okx").decode(a_frame(a_row(0), a_row(1, "0")))] == [True, False]
    body = history(a_row(2), a_row(1, "0"), a_row(0))
    bars = feed("okx").decode_history("BTC-USDT", HOUR, body, now_ms=2 * HOUR.ms)
    assert [bar.opened_at_ms for bar in bars] == [0]


def test_history_is_asked_in_the_venues_words():
    url = urlsplit(feed("okx").history_request("BTC-USDT", Interval.parse("1d"), 1_000, 2_000).url)
    assert (url.netloc, url.path) == ("www.okx.com", "/api/v5/market/candles")
    assert {key: values[0] for key, values in parse_qs(url.query).items()} == {
        "instId": "BTC-USDT", "bar": "1Dutc", "before": "999", "after": "2000", "limit": "100",
    }  # fmt: skip


async def test_bars_older_than_the_usual_history_has_are_there_too(shared_data: Path):
    bars = barfile.read(shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet")
    part = bars.symbols["BTCUSDT"]
    market = Market(BarFile(bars.interval, {"BTCUSDT": part}, "cut"))
    exchange = Exchange(market, dialect("okx", market), VenueClock(market.first_ms + 1_700 * HOUR.ms))
    async with asyncio.timeout(100), exchange, aiohttp.ClientSession() as session:
        history = History(feed("okx", exchange.websocket_url, exchange.rest_url), Rest(session), spacing_s=0.0)
        found = await history.bars("BTCUSDT", HOUR, market.first_ms, market.first_ms + 1_699 * HOUR.ms)
    assert [bar.row for bar in found] == [tuple(row) for row in part.rows[:1_699].tolist()]


def test_the_public_websocket_and_unknown_instruments_are_refused_with_60018():
    raw = '{"event":"error","code":"60018","msg":"Wrong URL or channel:candle1H,instId:X doesn\'t exist."}'
    with pytest.raises(FrameError, match="okx refused with 60018: Wrong URL or channel"):
        feed("okx").decode(raw)


@pytest.mark.parametrize(
    "frame", ["pong", b"pong", '{"event":"notice","code":"1","msg":"news"}', a_frame(channel="trades")]
)
def test_pongs_other_notices_and_other_channels_give_nothing(frame: str | bytes):
    assert feed("okx").decode(frame) == ()


@pytest.mark.parametrize("frame", ["ping", a_frame(symbol=""), a_frame(["1", "2"]), a_frame(channel="candle1m")])
def test_what_is_no_candle_is_refused(frame: str | bytes):
    venue = feed("okx")
    venue.sockets(["BTC-USDT"], HOUR)
    with pytest.raises(FrameError):
        venue.decode(frame)


def test_what_will_never_be_answered_differs_from_what_may_be_later():
    venue = feed("okx")
    with pytest.raises(RefusalError, match="51001"):
        venue.decode_history("X", HOUR, history(code="51001", msg="Instrument ID doesn't exist"), 0)
    with pytest.raises(FrameError, match="50011") as busy:
        venue.decode_clock(history(code="50011", msg="Rate limit reached"))
    assert not isinstance(busy.value, RefusalError)


def test_the_notice_of_an_upgrade_is_a_farewell():
    with pytest.raises(FarewellError, match="okx: soon"):
        feed("okx").decode('{"event":"notice","code":"64008","msg":"soon","connId":"a"}')
