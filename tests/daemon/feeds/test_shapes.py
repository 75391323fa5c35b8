"""What a stand-in tells has the keys, order, JSON types and number formats of a recorded frame."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from core.barfile import BarFile, SymbolBars
from core.bars import Bar, Interval
from daemon.exchange.dialects import dialect
from daemon.exchange.market import Market, Update
from daemon.feeds import feed

Records = Callable[[str], list[dict[str, Any]]]

FRAMES: dict[str, tuple[str, str, str, set[str | int]]] = {
    "bybit_linear": ("real_single", "candle_unclosed_1m", "1m", {"turnover", "timestamp", "ts"}),
    "coinbase": ("documented", "ws_candles.json", "5m", {"timestamp", "sequence_num"}),
    "kraken": ("documented", "ws_ohlc_update.json", "1m", {"vwap", "trades"}),
    "okx": ("real_single", "candle_unclosed_1h_swap", "1h", {5, 7}),
}
"""Dialect -> the file and the kind of its recorded frame, its interval, and what a file of bars does not know."""


def a_market(bar: Bar, interval: str) -> Market:
    """A market of this one bar."""
    part = SymbolBars(bar.symbol, np.array([bar.opened_at_ms]), np.array([bar.row]))
    return Market(BarFile(Interval.parse(interval), {bar.symbol: part}, "recorded"))


def blurred(told: Any, unknown: set[str | int], key: str | int = "") -> Any:
    """The same, with only the JSON type of what is unknown; keys keep their order."""
    if isinstance(told, dict):
        return [(name, blurred(value, unknown, name)) for name, value in told.items()]
    if isinstance(told, list):
        return [blurred(value, unknown, place) for place, value in enumerate(told)]
    return type(told) if key in unknown else told


@pytest.mark.parametrize("name", FRAMES)
def test_a_recorded_frame_told_again_is_the_same(name: str, recorded: Records):
    file, kind, interval, unknown = FRAMES[name]
    (frame,) = [
        record["raw"]
        for record in recorded(file)
        if record["exchange"] == name.removesuffix("_linear")
        and kind in (record["kind"], record["source"].rpartition("/")[2])
    ]
    (bar,) = feed(name).decode(frame)
    told = dialect(name, a_market(bar, interval)).tell(Update(bar, bar.opened_at_ms + 1))
    assert blurred(msgspec.json.decode(told), unknown) == blurred(msgspec.json.decode(frame), unknown)
