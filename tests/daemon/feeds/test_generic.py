"""A source of one's own: bars in, a refusal told, history if there is any."""

import asyncio

import aiohttp
import msgspec
import pytest

from core.bars import Bar, Interval
from core.errors import ConfigError, FrameError, RefusalError
from daemon.feeds import feed
from daemon.listening.history import History
from daemon.listening.rest import Rest

HOUR = Interval.parse("1h")
TOLD = {"symbol": "X", "interval": "1h", "opened_at_ms": 0, "open": 2, "high": "4.0", "low": 1.0, "close": "3"}
TOLD |= {"volume": 5, "closed": True}


def test_numbers_may_be_strings_and_a_message_may_have_many_bars():
    frame = msgspec.json.encode({"bars": [TOLD, TOLD | {"closed": False}]})
    bar = Bar("X", 0, 2.0, 4.0, 1.0, 3.0, 5.0)
    assert list(feed("generic").decode(frame)) == [bar, msgspec.structs.replace(bar, closed=False)]


@pytest.mark.parametrize("missing", TOLD)
def test_a_bar_without_one_of_its_parts_is_refused(missing: str):
    told = {key: value for key, value in TOLD.items() if key != missing}
    with pytest.raises(FrameError, match=f"missing required field `{missing}`"):
        feed("generic").decode(msgspec.json.encode({"bars": [told]}))


def test_it_has_no_address_of_its_own():
    with pytest.raises(ConfigError, match=r"try: .*websocket_url"):
        feed("generic").sockets(["X"], HOUR)


async def test_without_an_address_for_history_there_is_none_and_our_clock_counts():
    async with asyncio.timeout(100), aiohttp.ClientSession() as session:
        history = History(feed("generic", "ws://127.0.0.1:1"), Rest(session), now=lambda: 10_000.5)
        assert await history.venue_time_ms() == 10_000_500
        assert await history.closed_until_ms(HOUR) == 2 * HOUR.ms
        assert await history.bars("X", HOUR, 0, 2 * HOUR.ms) == []


def test_history_leaves_out_what_forms_and_what_was_not_asked_for():
    rows = [TOLD | {"opened_at_ms": HOUR.ms}, TOLD, TOLD | {"symbol": "Y"}, TOLD | {"closed": False}]
    bars = feed("generic").decode_history("X", HOUR, msgspec.json.encode({"bars": rows}), now_ms=2 * HOUR.ms - 1)
    assert [(bar.symbol, bar.opened_at_ms) for bar in bars] == [("X", 0)]
    with pytest.raises(RefusalError, match="generic refused: not today"):
        feed("generic").decode_history("X", HOUR, b'{"error":"not today"}', 0)


def test_history_of_another_interval_is_refused_also_before_anything_was_subscribed():
    body = msgspec.json.encode({"bars": [TOLD | {"interval": "1m"}]})
    with pytest.raises(FrameError, match="'X' bar of '1m', asked for 1h"):
        feed("generic").decode_history("X", HOUR, body, now_ms=2 * HOUR.ms)
