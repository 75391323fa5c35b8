"""Coinbase as documented: five minutes, no word of a close, the longer bars in history alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from core import barfile
from core.bars import Bar, Interval
from core.errors import ConfigError, FrameError, UsageError
from daemon.exchange.dialects import dialect
from daemon.exchange.market import Market
from daemon.feeds import feed

Records = Callable[[str], list[dict[str, Any]]]
HOUR = Interval.parse("1h")


def a_frame(*starts: int, **changes: str) -> bytes:
    candle = {"high": "4", "low": "1", "open": "2", "close": "3", "volume": "5", "product_id": "BTC-USD"} | changes
    candles = [{"start": str(start)} | candle for start in starts]
    return msgspec.json.encode({"channel": "candles", "events": [{"type": "snapshot", "candles": candles}]})


def test_every_documented_frame_gives_its_bars_or_nothing(recorded: Records):
    bars = []
    for record in recorded("documented"):
        if record["exchange"] == "coinbase" and record.get("dir") != "out" and "http" not in record["source"]:
            bars += feed("coinbase").decode(record["raw"])
    expected = Bar("BTC-USD", 1_775_521_800_000, 68_900.0, 68_950.0, 68_850.0, 68_920.5, 42.15, closed=False)
    assert bars == [expected]


def test_frames_and_history_of_the_older_api_give_nothing_or_are_refused(recorded: Records):
    for record in recorded("coinbase_exchange_capture"):
        if "raw" in record and record["dir"] == "in":
            assert feed("coinbase").decode(record["raw"]) == ()
    for record in recorded("coinbase_exchange_rest"):
        with pytest.raises(FrameError, match="Expected `object`, got `array`"):
            feed("coinbase").decode_history("BTC-USD", HOUR, record["response"].encode(), 1 << 60)


def test_the_documented_history_decodes_oldest_first(recorded: Records):
    (raw,) = [record["raw"] for record in recorded("documented") if "coinbase/test_data/http" in record["source"]]
    bars = feed("coinbase").decode_history("BTC-USD", HOUR, raw.encode(), now_ms=1_712_192_400_000)
    assert bars == [Bar("BTC-USD", 1_712_188_800_000, 65_984.18, 66_387.77, 65_857.35, 66_314.59, 358.74851052)]


def test_a_snapshot_comes_newest_first_and_is_read_oldest_first():
    assert [bar.opened_at_ms for bar in feed("coinbase").decode(a_frame(600, 300, 0))] == [0, 300_000, 600_000]


def test_heartbeats_are_subscribed_before_the_candles():
    first, second = feed("coinbase").sockets([f"S{number}-USD" for number in range(101)], HOUR)
    assert first.url == "wss://advanced-trade-ws.coinbase.com"
    assert first.hello[0] == '{"type":"subscribe","channel":"heartbeats"}'
    assert len(msgspec.json.decode(first.hello[1])["product_ids"]) == 100
    assert second.symbols == ("S100-USD",)
    with pytest.raises(ConfigError, match="no bars of 1m"):
        feed("coinbase").sockets(["BTC-USD"], Interval.parse("1m"))


def test_history_is_asked_in_seconds_with_both_ends_in():
    url = urlsplit(feed("coinbase").history_request("BTC-USD", HOUR, HOUR.ms, 5 * HOUR.ms).url)
    assert url.path == "/api/v3/brokerage/market/products/BTC-USD/candles"
    assert {key: values[0] for key, values in parse_qs(url.query).items()} == {
        "start": "3600", "end": "17999", "granularity": "ONE_HOUR", "limit": "350",
    }  # fmt: skip


@pytest.mark.parametrize(
    "frame", [a_frame(0, product_id=""), a_frame(0, open="two"), b'{"channel":"candles","events":[1]}']
)
def test_what_is_no_candle_is_refused(frame: bytes):
    with pytest.raises(FrameError):
        feed("coinbase").decode(frame)


def test_a_refusal_is_told_in_the_venues_words():
    with pytest.raises(FrameError, match="coinbase refused: authentication failure"):
        feed("coinbase").decode('{"type":"error","message":"authentication failure"}')


def test_the_stand_in_answers_about_hours_from_its_five_minutes(shared_data: Path):
    path = shared_data / "bars" / "binance_usdm_5m_15m_1h_2025_03.parquet"
    market = Market(barfile.read(path, "5m"))
    own = barfile.read(path, "1h").symbols["BTCUSDT"]
    venue = feed("coinbase")
    from_ms, to_ms = int(own.opened_at_ms[0]), int(own.opened_at_ms[200])
    url = urlsplit(venue.history_request("BTCUSDT", HOUR, from_ms, to_ms).url)
    query = {key: values[0] for key, values in parse_qs(url.query).items()}
    answer = dialect("coinbase", market).answer(url.path, query, to_ms)
    bars = venue.decode_history("BTCUSDT", HOUR, answer.body, to_ms)
    assert [bar.row for bar in bars] == [tuple(row) for row in own.rows[:200].tolist()]


def test_the_stand_in_wants_five_minutes(shared_data: Path):
    path = shared_data / "bars" / "binance_usdm_5m_15m_1h_2025_03.parquet"
    with pytest.raises(UsageError, match="the file has 1h; try: a file of 5m"):
        dialect("coinbase", Market(barfile.read(path, "1h")))
