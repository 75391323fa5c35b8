"""Binance's side of its dialect: the keys, order, types and number formats of what was captured."""

import gzip
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from core.barfile import BarFile, SymbolBars
from core.bars import Interval
from daemon.exchange.dialects import dialect
from daemon.exchange.dialects.binance import kline_event, row
from daemon.exchange.market import Digits, Market, Update
from daemon.feeds import feed

MARKETS = ("binance", "binance_us", "binance_usdm")
# Settled in coins, quoted in contracts: markets that this dialect does not speak for.
COIN_MARGINED = ("USD_",)
MONTH = Interval("1M", 31 * 86_400_000)


def recorded(folder: Path, name: str) -> list[dict[str, Any]]:
    (path,) = (folder / "frames").glob(f"{name}*")
    raw = path.read_bytes()
    return [msgspec.json.decode(line) for line in (gzip.decompress(raw) if path.suffix == ".gz" else raw).splitlines()]


def captured_klines(folder: Path) -> list[str]:
    names = ("binance_spot", "binance_us_", "binance_usdm", "candle_messages", "real_single")
    frames = [record.get("raw", "") for name in names for record in recorded(folder, name)]
    return [frame for frame in frames if '"e":"kline"' in frame and not any(word in frame for word in COIN_MARGINED)]


def decimals(number: str) -> int:
    return len(number.partition(".")[2])


def shape(value: Any) -> Any:
    """Keys in their order, types, and how many decimals a number in a string has."""
    if isinstance(value, dict):
        return [(key, shape(part)) for key, part in value.items()]
    if isinstance(value, list):
        return [shape(part) for part in value]
    return decimals(value) if isinstance(value, str) and value[0].isdigit() else type(value)


def test_a_captured_kline_decoded_and_told_again_is_the_same(shared_data: Path):
    klines = captured_klines(shared_data)
    assert len(klines) == 79
    for raw in klines:
        frame = msgspec.json.decode(raw)
        event = frame.get("data", frame)
        kline = event["k"]
        (bar,) = feed("binance").decode(raw)
        interval = MONTH if kline["i"] == "1M" else Interval.parse(kline["i"])
        told = kline_event(Update(bar, event["E"]), interval, Digits(decimals(kline["o"]), decimals(kline["v"])))
        again = msgspec.json.decode(told)
        assert shape(again) == shape(event)
        known = ("t", "T", "s", "i", "o", "c", "h", "l", "v", "x")
        assert [again["k"][letter] for letter in known] == [kline[letter] for letter in known]
        assert [again[letter] for letter in "eEs"] == [event[letter] for letter in "eEs"]
        assert b" " not in told


def test_a_recorded_row_decoded_and_told_again_is_the_same(shared_data: Path):
    rows = 0
    for record in recorded(shared_data, "binance_rest_klines"):
        spot = record["path"] == "/api/v3/klines"
        if record["path"].startswith("/dapi") or "1d" in record["query"]:
            # The earliest futures days dropped trailing zeros.
            continue
        length = Interval.parse(record["query"].partition("interval=")[2].partition("&")[0])
        body = msgspec.json.encode(record["response"])
        bars = feed("binance").decode_history("X", length, body, now_ms=1 << 60)
        for bar, expected in zip(bars, record["response"], strict=True):
            digits = Digits(8, 8) if spot else Digits(decimals(expected[1]), decimals(expected[5]))
            told = msgspec.json.decode(msgspec.json.encode(row(bar, length.ms, digits)))
            assert shape(told) == shape(expected)
            assert told[:7] == expected[:7]
            rows += 1
    assert rows > 2_500


@pytest.mark.parametrize("name", MARKETS)
def test_the_feed_and_the_stand_in_understand_each_other(name: str, week: BarFile):
    market = Market(week)
    side, venue = dialect(name, market), feed(name)
    (socket,) = venue.sockets(list(market.symbols), market.interval)
    session = side.session("/stream", {})
    assert session is not None
    acks = [session.hear(request, 0)[0] for request in socket.hello]
    assert acks == [b'{"result":null,"id":1}']
    assert sorted(session.symbols) == sorted(market.symbols)
    for update in market.period(market.first_ms) + market.period(market.first_ms + market.interval.ms):
        frame = session.wrap(update.bar.symbol, side.tell(update))
        assert list(venue.decode(frame)) == [update.bar]


@pytest.mark.parametrize("name", MARKETS)
def test_numbers_keep_every_bit_where_eight_decimals_would_not(name: str):
    interval = Interval.parse("1h")
    rows = np.array([[2 / 3e7, 3 / 3e7, 1 / 3e7, 2 / 3e7, 1e6 / 7]])
    file = BarFile(interval, {"XUSDT": SymbolBars("XUSDT", np.array([0]), rows)}, "made")
    market = Market(file, updates=0)
    (update,) = market.period(interval.ms)
    side, venue = dialect(name, market), feed(name)
    assert list(venue.decode(side.tell(update))) == [update.bar]
    body = side.answer(f"{side.venue.api}/klines", {"symbol": "XUSDT", "interval": "1h"}, interval.ms).body
    assert venue.decode_history("XUSDT", interval, body, interval.ms) == [update.bar]


@pytest.fixture
def side(week: BarFile) -> Any:
    return dialect("binance", Market(week))


def test_streams_come_by_address_and_by_request(side: Any):
    assert side.session("/ws/btcusdt@kline_1h", {}).symbols == {"BTCUSDT"}
    assert side.session("/stream", {"streams": "btcusdt@kline_1h/ethusdt@kline_1h"}).symbols == {"BTCUSDT", "ETHUSDT"}
    assert side.session("/market/ws", {}).symbols == set()
    assert side.session("/api/v3/ws", {}) is None
    session = side.session("/ws", {})
    session.hear('{"method":"SUBSCRIBE","params":["btcusdt@kline_1h","btcusdt@trade","x@kline_1h"],"id":"a"}', 0)
    session.hear('{"method":"SUBSCRIBE","params":["ethusdt@kline_1h","ethusdt@kline_1m"],"id":2}', 0)
    assert session.symbols == {"BTCUSDT", "ETHUSDT"}
    assert (
        session.hear('{"method":"UNSUBSCRIBE","params":["btcusdt@kline_1h"],"id":3}', 0)[0] == b'{"result":null,"id":3}'
    )
    assert session.symbols == {"ETHUSDT"}
    listed = session.hear('{"method":"LIST_SUBSCRIPTIONS","id":4}', 0)[0]
    assert listed == b'{"result":["btcusdt@trade","x@kline_1h","ethusdt@kline_1h","ethusdt@kline_1m"],"id":4}'


@pytest.mark.parametrize(
    ("request_text", "code"),
    [
        ("hello", 3),
        ("\ud800", 3),
        ('{"method":"SHOUT","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":[1],"id":1}', 2),
    ],
)
def test_a_bad_request_is_refused_with_the_venues_code(side: Any, request_text: str, code: int):
    session = side.session("/ws", {})
    assert msgspec.json.decode(session.hear(request_text, 0)[0])["error"]["code"] == code


def test_more_streams_than_a_socket_carries_are_refused(side: Any):
    session = side.session("/ws", {})
    for start, answer in ((0, None), (520, {"code": 4, "msg": "Too many subscriptions"})):
        # In two requests, since one may have only 4,096 bytes.
        streams = [str(number) for number in range(start, start + 520)]
        asked = msgspec.json.encode({"method": "SUBSCRIBE", "params": streams, "id": 1})
        assert msgspec.json.decode(session.hear(asked.decode(), 0)[0]).get("error") == answer


def test_a_request_of_more_than_4096_bytes_is_left_unanswered(side: Any):
    session = side.session("/ws", {})
    assert session.hear('{"method":"SUBSCRIBE","params":["%s"],"id":1}' % ("x" * 4_096), 0) == ()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, -1102),
        ({"symbol": "NOPE", "interval": "1h"}, -1121),
        ({"symbol": "BTCUSDT", "interval": "1m"}, -1120),
        ({"symbol": "BTCUSDT", "interval": "1h", "limit": "0"}, -1130),
        ({"symbol": "BTCUSDT", "interval": "1h", "startTime": "soon"}, -1100),
    ],
)
def test_a_bad_question_is_refused_with_the_venues_code(side: Any, query: dict[str, str], code: int):
    answer = side.answer("/api/v3/klines", query, 0)
    assert answer.status == 400
    assert msgspec.json.decode(answer.body)["code"] == code


def test_the_small_answers_are_there_under_each_markets_own_path(week: BarFile):
    for name, api in (("binance", "/api/v3"), ("binance_usdm", "/fapi/v1")):
        side = dialect(name, Market(week))
        assert side.answer(f"{api}/ping", {}, 7).body == b"{}"
        assert side.answer(f"{api}/time", {}, 7).body == b'{"serverTime":7}'
        listed = msgspec.json.decode(side.answer(f"{api}/exchangeInfo", {}, 7).body)["symbols"]
        assert {entry["symbol"] for entry in listed} == set(week.symbols)
        assert side.answer("/api/v9/ping", {}, 7).status == 404
