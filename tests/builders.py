"""Builders with defaults: a test shows only what matters to it."""

from typing import Any

from core.bars import Arrival, Bar, Interval, Origin
from core.bundle import Input, Manifest, Training, Window
from core.features import FeatureSet
from core.outputs import Attention, Kind, Output

HOUR = Interval.parse("1h")


def a_bar(number: int = 1, symbol: str = "BTCUSDT", **changes: Any) -> Bar:
    """The bar with this number on the hourly grid."""
    usual: dict[str, Any] = {"open": 100.0, "high": 110.0, "low": 90.0, "close": 105.0, "volume": 12.5}
    return Bar(symbol, number * HOUR.ms, **(usual | changes))


def an_arrival(bar: Bar, origin: Origin = Origin.LIVE) -> Arrival:
    """A bar as a listener hands it over."""
    return Arrival(bar, "binance", bar.opened_at_ms + HOUR.ms + 500, origin)


def a_manifest(window: int = 4, **changes: Any) -> Manifest:
    """A bundle's manifest: btc_3 over a rolling window, one return, one attention over time."""
    features = FeatureSet.named("btc_3")
    usual: dict[str, Any] = {
        "name": "demo",
        "version": "1",
        "family": "hourly_lstm",
        "interval": "1h",
        "inputs": (
            Input(
                "bars", "symbol", features.names, features.digest, features.lookback, Window("rolling", window, window)
            ),
        ),
        "outputs": (Output(Kind.RETURN, 1, "log return"),),
        "attentions": (Attention("attention", ("time",)),),
        "artefacts": (),
        "training": Training("0" * 64, ("BTCUSDT",), {"train": (0, HOUR.ms)}, {"train": 2}),
        "scores": (),
        "recipe": {},
        "commit": "unknown",
        "created_at": "2026-01-01T00:00:00Z",
    }
    return Manifest(**(usual | changes))
