"""Bybit as captured and as documented: the right bars out, nothing else."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from core.bars import Bar, Interval
from core.errors import FrameError, RefusalError
from daemon.feeds import feed

Records = Callable[[str], list[dict[str, Any]]]
HOUR = Interval.parse("1h")


def a_frame(count: int = 1, **changes: object) -> bytes:
    candle = {"start": 0, "end": 3_599_999, "interval": "60", "open": "2", "close": "3", "high": "4", "low": "1"}
    candle |= {"volume": "5", "turnover": "6", "confirm": True, "timestamp": 0} | changes
    return msgspec.json.encode({"topic": "kline.60.BTCUSDT", "data": [candle] * count, "ts": 0, "type": "snapshot"})


def history(*rows: list[str], **changes: object) -> bytes:
    result = {"category": "spot", "symbol": "BTCUSDT", "list": rows}
    return msgspec.json.encode({"retCode": 0, "retMsg": "OK", "result": result, "time": 1} | changes)


def a_row(hour: int) -> list[str]:
    return [str(hour * HOUR.ms), "2", "4", "1", "3", "5", "6"]


def test_the_captured_kline_gives_its_bar(recorded: Records):
    (raw,) = [record["raw"] for record in recorded("real_single") if record["exchange"] == "bybit"]
    venue = feed("bybit_linear")
    venue.sockets(["BTCUSDT"], Interval.parse("1m"))
    (bar,) = venue.decode(raw)
    assert bar == Bar("BTCUSDT", 1_719_667_560_000, 61_030.0, 61_030.0, 61_015.0, 61_029.9, 10.798, closed=False)


def test_every_other_recorded_frame_gives_its_bar_nothing_or_a_reason(recorded: Records):
    bars, refused = [], []
    for name in ("documented_examples", "candle_messages", "bybit_v2_acks"):
        for record in recorded(name):
            if record.get("exchange", "bybit") != "bybit" or "raw" not in record or record.get("dir") == "out":
                continue
            try:
                bars += feed("bybit").decode(record["raw"])
            except FrameError as error:
                refused.append(str(error))
    # The klines of versions 2 and 3, in seconds, are other topics.
    assert [bar.opened_at_ms for bar in bars] == [1_672_324_800_000]
    assert refused == ["bybit refused: Invalid topic: invalid.topic.BTCUSDT"]


def test_the_documented_history_decodes(recorded: Records):
    (raw,) = [record["raw"] for record in recorded("documented") if "http_get_klines_linear" in record["source"]]
    bars = feed("bybit_linear").decode_history("BTCUSDT", HOUR, raw.encode(), now_ms=1 << 60)
    assert bars == [Bar("BTCUSDT", 1_709_891_679_000, 27_450.0, 27_460.0, 27_440.0, 27_455.0, 123.45)]


def test_each_bar_of_the_array_counts():
    assert [bar.closed for bar in feed("bybit").decode(a_frame(count=2))] == [True, True]


def test_history_comes_newest_first_and_the_forming_row_is_left_out():
    body = history(a_row(2), a_row(1), a_row(0))
    bars = feed("bybit").decode_history("BTCUSDT", HOUR, body, now_ms=2 * HOUR.ms)
    assert [bar.opened_at_ms for bar in bars] == [0, HOUR.ms]


def test_history_is_asked_in_the_venues_words():
    url = urlsplit(feed("bybit").history_request("BTCUSDT", HOUR, 0, 10 * HOUR.ms).url)
    assert (url.netloc, url.path) == ("api.bybit.com", "/v5/market/kline")
    assert {key: values[0] for key, values in parse_qs(url.query).items()} == {
        "category": "spot", "symbol": "BTCUSDT", "interval": "60", "start": "0", "end": "35999999", "limit": "1000",
    }  # fmt: skip


def test_requests_stay_within_the_venues_limits():
    symbols = [f"S{number}USDT" for number in range(201)]
    first, second = feed("bybit").sockets(symbols, HOUR)
    assert first.url == "wss://stream.bybit.com/v5/public/spot"
    assert [len(msgspec.json.decode(hello)["args"]) for hello in first.hello] == [10] * 20
    assert second.hello == ('{"op":"subscribe","args":["kline.60.S200USDT"]}',)
    (hello, *_) = feed("bybit_linear").sockets(symbols, HOUR)[0].hello
    assert len(msgspec.json.decode(hello)["args"]) == 200


@pytest.mark.parametrize(
    "frame",
    [
        b'{"success":true,"ret_msg":"pong","conn_id":"a","op":"ping"}',
        b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1,"data":[{"T":1}]}',
    ],
)
def test_pongs_and_other_topics_give_nothing(frame: bytes):
    assert feed("bybit").decode(frame) == ()


@pytest.mark.parametrize("frame", [a_frame().replace(b".BTCUSDT", b""), a_frame(open="two"), a_frame(end=1, start=1)])
def test_a_kline_without_its_parts_is_refused(frame: bytes):
    venue = feed("bybit")
    venue.sockets(["BTCUSDT"], HOUR)
    with pytest.raises(FrameError):
        venue.decode(frame)


def test_what_will_never_be_answered_differs_from_what_may_be_later():
    venue = feed("bybit")
    with pytest.raises(RefusalError, match="10001: Not supported symbols"):
        venue.decode_history("X", HOUR, history(retCode=10_001, retMsg="Not supported symbols"), 0)
    with pytest.raises(FrameError, match="10006: Too many visits") as busy:
        venue.decode_clock(history(retCode=10_006, retMsg="Too many visits!"))
    assert not isinstance(busy.value, RefusalError)
