"""Hyperliquid as recorded: bars that never say they are closed, strings or numbers, one or an array."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from core.barfile import BarFile, SymbolBars
from core.bars import Bar, Interval
from core.errors import ConfigError, FrameError
from daemon.exchange.dialects import dialect
from daemon.exchange.market import Market
from daemon.feeds import feed

Records = Callable[[str], list[dict[str, Any]]]
HOUR = Interval.parse("1h")
CANDLE = {"t": 0, "T": 3_599_999, "s": "BTC", "i": "1h", "o": "2", "c": "3", "h": "4", "l": "1", "v": "5", "n": 9}
BAR = Bar("BTC", 0, 2.0, 4.0, 1.0, 3.0, 5.0, closed=False)


def a_frame(data: object, channel: str = "candle") -> bytes:
    return msgspec.json.encode({"channel": channel, "data": data})


@pytest.mark.parametrize(
    "data",
    [CANDLE, [CANDLE], CANDLE | {"o": 2, "c": 3.0, "h": 4, "l": 1, "v": 5.0}],
    ids=["captured", "array", "numbers"],
)
def test_captured_and_documented_shapes_give_the_same_bar(data: object):
    venue = feed("hyperliquid")
    venue.sockets(["BTC"], HOUR)
    assert list(venue.decode(a_frame(data))) == [BAR]


def test_the_recorded_history_decodes_and_is_told_again_by_the_stand_in_word_for_word(recorded: Records):
    (record,) = recorded("hyperliquid_rest")
    expected = record["response"]
    asked = record["request"]["req"]
    venue = feed("hyperliquid")
    bars = venue.decode_history("kPEPE", HOUR, msgspec.json.encode(expected), now_ms=1 << 60)
    assert [bar.row for bar in bars] == [tuple(float(row[key]) for key in "ohlcv") for row in expected]
    assert len(bars) == 24
    times, rows = np.array([bar.opened_at_ms for bar in bars]), np.array([bar.row for bar in bars])
    market = Market(BarFile(HOUR, {"kPEPE": SymbolBars("kPEPE", times, rows)}, "recorded"))
    request = venue.history_request("kPEPE", HOUR, asked["startTime"], asked["endTime"] + 1)
    assert msgspec.json.decode(request.body) == record["request"]
    answer = dialect("hyperliquid", market).answer("/info", {}, 1 << 60, request.body)
    told = msgspec.json.decode(answer.body)
    assert [list(row) for row in told] == [list(row) for row in expected]
    assert [row | {"n": 0} for row in told] == [row | {"n": 0} for row in expected]


def test_recorded_acks_give_nothing_and_the_forming_row_is_left_out(recorded: Records):
    for record in recorded("documented"):
        if record["exchange"] == "hyperliquid" and record["dir"] == "in":
            assert feed("hyperliquid").decode(record["raw"]) == ()
    rows = [CANDLE, CANDLE | {"t": HOUR.ms, "T": 2 * HOUR.ms - 1}]
    bars = feed("hyperliquid").decode_history("BTC", HOUR, msgspec.json.encode(rows), now_ms=2 * HOUR.ms - 1)
    assert [bar.opened_at_ms for bar in bars] == [0]


def test_what_the_venue_refuses_is_said_in_its_words():
    with pytest.raises(FrameError, match="Invalid subscription"):
        feed("hyperliquid").decode(a_frame('Invalid subscription {"type":"candle"}', "error"))


@pytest.mark.parametrize("data", [CANDLE | {"T": 59_999}, CANDLE | {"o": "two"}, None, [[]]])
def test_what_is_no_candle_of_the_interval_is_refused(data: object):
    venue = feed("hyperliquid")
    venue.sockets(["BTC"], HOUR)
    with pytest.raises(FrameError):
        venue.decode(a_frame(data))


def test_a_name_in_mixed_letters_is_kept_and_an_address_has_a_thousand_subscriptions():
    written = ["kPEPE", "btc", "PURR/USDC", "@107"]
    assert [feed("hyperliquid").spelling(symbol) for symbol in written] == ["kPEPE", "BTC", "PURR/USDC", "@107"]
    with pytest.raises(ConfigError, match="at most 1000 symbols"):
        feed("hyperliquid").sockets([f"C{number}" for number in range(1_001)], HOUR)
