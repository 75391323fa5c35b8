"""Binance as captured: the right bars out, nothing else."""

import math
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bars import Bar, Interval
from core.errors import ConfigError, FarewellError, FrameError
from daemon.feeds import feed

Records = Callable[[str], list[dict[str, Any]]]
HOUR = Interval.parse("1h")
MINUTE = Interval.parse("1m")
CAPTURES = {
    "binance": "binance_spot_combined",
    "binance_us": "binance_us_combined",
    "binance_usdm": "binance_usdm_combined",
}


def a_kline(**changes: object) -> bytes:
    kline = {"t": 0, "T": 3_599_999, "i": "1h", "o": "2", "h": "4", "l": "1", "c": "3", "v": "5", "x": True}
    return msgspec.json.encode({"e": "kline", "E": 3_600_200, "s": "BTCUSDT", "k": kline | changes})


@pytest.mark.parametrize("name", CAPTURES)
def test_every_captured_kline_gives_its_bar_and_everything_else_gives_nothing(name: str, recorded: Records):
    venue = feed(name)
    venue.sockets(["BTCUSDT"], MINUTE)
    seen = 0
    for record in recorded(CAPTURES[name]):
        if "raw" not in record:
            continue
        bars = venue.decode(record["raw"])
        event = msgspec.json.decode(record["raw"])["data"]
        if event.get("e") != "kline":
            assert bars == ()
            continue
        k = event["k"]
        numbers = [float(k[letter]) for letter in "ohlcv"]
        assert list(bars) == [Bar(k["s"], k["t"], *numbers, closed=k["x"])]
        seen += 1
    assert seen == {"binance": 2, "binance_us": 5, "binance_usdm": 67}[name]


def test_the_four_closed_minutes_of_the_futures_capture_are_closed(recorded: Records):
    venue = feed("binance_usdm")
    frames = [record["raw"] for record in recorded(CAPTURES["binance_usdm"]) if "raw" in record]
    closed = [bar.symbol for frame in frames for bar in venue.decode(frame) if bar.closed]
    assert sorted(closed) == ["AKROUSDT", "CTKUSDT", "KEEPUSDT", "SUSHIUSDT"]


def test_klines_of_other_years_and_markets_decode_with_and_without_the_wrapper(recorded: Records):
    records = [*recorded("candle_messages"), *recorded("real_single"), *recorded("documented_examples")]
    klines = [record["raw"] for record in records if record["exchange"] == "binance" and '"k":{' in record["raw"]]
    bars = [feed("binance").decode(frame.encode())[0] for frame in klines]
    assert {bar.symbol for bar in bars} >= {"BTCUSDT", "BTCUSD_220624", "ETHUSD_PERP"}
    assert len(bars) == 9
    assert [bar.close for bar in bars if bar.opened_at_ms == 1_706_597_269_000] == [43_296.79]


def test_a_frame_of_any_other_venue_gives_no_bar(recorded: Records):
    venue = feed("binance")
    for name in ("okx", "bybit", "bitstamp", "coinbase_exchange_capture"):
        for record in recorded(name):
            try:
                assert venue.decode(record.get("raw", "{}")) == ()
            except FrameError:
                continue


def test_every_recorded_history_decodes_and_a_refusal_is_told(recorded: Records):
    for record in recorded("binance_rest_klines"):
        body = msgspec.json.encode(record["response"])
        interval = parse_qs(record["query"])["interval"][0]
        if isinstance(record["response"], dict):
            with pytest.raises(FrameError, match="-4088: Maximum time interval is 200 days"):
                feed("binance_usdm").decode_history("BTCUSD_PERP", HOUR, body, now_ms=0)
            continue
        length = Interval.parse(interval.replace("1M", "4w"))
        bars = feed("binance").decode_history("btcusdt", length, body, now_ms=1 << 60)
        assert [bar.row for bar in bars] == [tuple(map(float, row[1:6])) for row in record["response"]]
        assert [bar.opened_at_ms for bar in bars] == [row[0] for row in record["response"]]
        assert {bar.symbol for bar in bars} == {"BTCUSDT"}


def test_the_row_still_forming_by_the_venues_clock_is_left_out():
    rows = [[start, "1", "1", "1", "1", "1", start + HOUR.ms - 1, "0"] for start in (0, HOUR.ms)]
    body = msgspec.json.encode(rows)

    def opened(now_ms: int):
        return [bar.opened_at_ms for bar in feed("binance").decode_history("BTCUSDT", HOUR, body, now_ms)]

    assert opened(2 * HOUR.ms - 1) == [0]
    assert opened(2 * HOUR.ms) == [0, HOUR.ms]


def test_history_is_asked_in_the_venues_words_with_the_end_left_out():
    url = urlsplit(feed("binance_usdm").history_request("btcusdt", HOUR, 0, 10 * HOUR.ms).url)
    assert (url.netloc, url.path) == ("fapi.binance.com", "/fapi/v1/klines")
    asked = {key: values[0] for key, values in parse_qs(url.query).items()}
    assert asked == {
        "symbol": "BTCUSDT",
        "interval": "1h",
        "startTime": "0",
        "endTime": "35999999",
        "limit": "1500",
    }


def test_the_clock_is_read_and_a_refusal_of_it_told():
    venue = feed("binance_us", rest_url="http://127.0.0.1:1/")
    assert venue.clock_request().url == "http://127.0.0.1:1/api/v3/time"
    assert venue.decode_clock(b'{"serverTime":1499827319559}') == 1_499_827_319_559
    with pytest.raises(FrameError, match="-1003: Way too many requests"):
        venue.decode_clock(b'{"code":-1003,"msg":"Way too many requests."}')
    with pytest.raises(FrameError, match="Bad Gateway"):
        venue.decode_clock(b"<html>Bad Gateway</html>")


@pytest.mark.parametrize("frame", ['{"result":null,"id":1}', '{"result":["a@trade"],"id":3}', "{}", b"{}"])
def test_acks_give_nothing(frame: str | bytes):
    assert feed("binance").decode(frame) == ()


@pytest.mark.parametrize(
    "frame",
    [
        '{"error":{"code":2,"msg":"Invalid request: bad"},"id":1}',
        '{"code":2,"msg":"Invalid request: bad","id":1}',
    ],
)
def test_a_refused_subscription_is_an_error_with_the_venues_words(frame: str | bytes):
    with pytest.raises(FrameError, match="refused with 2: Invalid request: bad"):
        feed("binance").decode(frame)


@pytest.mark.parametrize(
    "frame",
    [
        a_kline(o="two"),
        a_kline(v=None),
        a_kline(t="soon"),
        b'{"e":"kline","s":"BTCUSDT"}',
        a_kline().replace(b"BTCUSDT", b""),
        a_kline()[:-9],
        b"[1]",
        b"",
        b"\xff",
        b'{"a":' + b"[" * 100_000,
        '{"a":"\ud800"}',
    ],
)
def test_what_is_no_frame_is_refused_with_a_short_excerpt(frame: str | bytes):
    with pytest.raises(FrameError) as refused:
        feed("binance").decode(frame)
    assert len(str(refused.value)) < 1_000


def test_a_number_that_is_none_is_left_for_the_core_to_refuse():
    (bar,) = feed("binance").decode(a_kline(c="NaN"))
    assert math.isnan(bar.close)


@pytest.mark.parametrize("changes", [{"i": "1m"}, {"T": 59_999}])
def test_a_kline_of_another_interval_than_was_asked_for_is_refused(changes: dict[str, object]):
    venue = feed("binance")
    venue.sockets(["BTCUSDT"], HOUR)
    assert venue.decode(a_kline())
    with pytest.raises(FrameError, match="asked for 1h"):
        venue.decode(a_kline(**changes))


@pytest.mark.parametrize("name", CAPTURES)
@pytest.mark.parametrize("count", [0, 1, 200, 201, 10_000])
def test_sockets_carry_every_symbol_once_within_the_venues_limits(name: str, count: int):
    symbols = [f"S{number}USDT" for number in range(count)]
    sockets = feed(name, websocket_url="ws://127.0.0.1:1/").sockets(symbols, HOUR)
    carried = []
    for socket in sockets:
        assert socket.url == "ws://127.0.0.1:1/stream"
        assert len(socket.hello) <= 4
        assert all(len(request) <= 4_096 for request in socket.hello)
        requests = [msgspec.json.decode(request) for request in socket.hello]
        assert [request["id"] for request in requests] == list(range(1, len(requests) + 1))
        streams = [stream for request in requests for stream in request["params"]]
        assert len(streams) <= (200 if name == "binance_usdm" else 1_024)
        assert streams == [f"{symbol.lower()}@kline_1h" for symbol in socket.symbols]
        carried += streams
    assert carried == [f"s{number}usdt@kline_1h" for number in range(count)]


def test_an_unknown_feed_names_the_nearest_one_and_a_wrong_scheme_is_said():
    with pytest.raises(ConfigError, match="try: binance_usdm"):
        feed("binance_usmd")
    with pytest.raises(ConfigError, match="ws:// or wss://"):
        feed("binance", websocket_url="http://127.0.0.1")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*"eskdataxtTiohlcv", "data", "error"]), inner),
    max_leaves=20,
)


@given(st.binary() | st.text() | _json.map(msgspec.json.encode))
def test_whatever_arrives_decode_and_history_raise_nothing_but_frame_error(frame: str | bytes):
    venue = feed("binance")
    body = frame.encode(errors="surrogatepass") if isinstance(frame, str) else frame
    for read in (
        lambda: venue.decode(frame),
        lambda: venue.decode_history("BTCUSDT", HOUR, body, now_ms=0),
        lambda: venue.decode_clock(body),
    ):
        try:
            read()
        except FrameError:
            continue


@given(st.data())
def test_a_kline_damaged_anywhere_is_a_bar_or_a_frame_error(data: st.DataObject):
    frame = bytearray(a_kline())
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    try:
        bars = feed("binance").decode(bytes(frame))
    except FrameError:
        return
    assert all(isinstance(bar, Bar) for bar in bars)


@pytest.mark.parametrize("frame", ['{"stream":"","data":{"e":"serverShutdown","E":1}}', '{"e":"serverShutdown","E":1}'])
def test_the_word_that_the_server_shuts_down_is_a_farewell(frame: str):
    with pytest.raises(FarewellError, match="shuts down"):
        feed("binance").decode(frame)
