"""Builders with defaults: a test shows only what matters to it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from core import attention
from core.bars import Arrival, Bar, Interval, Origin
from core.bundle import Input, Manifest, Training, Window
from core.features import FeatureSet
from core.outputs import Attention, Kind, Output
from core.prediction import Context, Gaze, Message, Prediction, Step, encode, prediction_id
from daemon.predicting.gazing import Looks
from daemon.predicting.spoken import Spoken

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


def a_gaze(weights: Sequence[float] = (0.1, 0.2, 0.3, 0.4)) -> Gaze:
    """A look over time, oldest step first."""
    weights_1T = np.array([weights], np.float32)
    steps = len(weights)
    historical, mid, recent = attention.shares(weights_1T, attention.bucket_edges(steps))[0].tolist()
    return Gaze(
        entropy=float(attention.normalised_entropy(weights_1T)[0]),
        concentration=float(attention.concentration(weights_1T)[0]),
        shares=(historical, mid, recent),
        top=tuple(Step(steps - 1 - int(step), weights[step]) for step in attention.top_steps(weights_1T, 2)[0]),
        weights=weights_1T.astype("<f4").tobytes(),
        shape=(steps,),
    )


def a_message(
    number: int = 1, symbol: str = "BTCUSDT", value: float = 0.0012, gaze: Gaze | None = None, **context: Any
) -> Message:
    """What a_manifest's model would publish about the bar with this number."""
    opened_at_ms = number * HOUR.ms
    closed_at_ms = opened_at_ms + HOUR.ms
    usual: dict[str, Any] = {
        "venue": "binance",
        "origin": "live",
        "late": False,
        "received_at_ms": closed_at_ms + 500,
        "published_at_ms": closed_at_ms + 520,
        "drift": {"attention": 0.02},
    }
    return Message(
        Prediction(
            id=prediction_id("digest", symbol, "1h", opened_at_ms, 0),
            model="demo",
            version="1",
            digest="digest",
            symbol=symbol,
            interval="1h",
            opened_at_ms=opened_at_ms,
            closed_at_ms=closed_at_ms,
            revision=0,
            close=105.0,
            outputs={"return_1": value},
            gaze={"attention": gaze or a_gaze()},
        ),
        Context(**(usual | context)),
    )


def spoken(*messages: Message) -> Spoken:
    """These messages as they are told to metrics and the status page."""
    said, contexts = [one.prediction for one in messages], [one.context for one in messages]
    return Spoken(
        list(range(len(messages))),
        [one.symbol for one in said],
        [one.opened_at_ms for one in said],
        [one.received_at_ms for one in contexts],
        [one.late for one in contexts],
        [one.filled for one in contexts],
        contexts[0].published_at_ms,
        {name: np.array([one.outputs[name] for one in said]) for name in said[0].outputs},
        {name: _looks([one.gaze[name] for one in said]) for name in said[0].gaze},
        [encode(one) for one in messages],
    )


def _looks(gazes: Sequence[Gaze]) -> Looks:
    told = [(gaze.entropy, gaze.concentration) for gaze in gazes]
    return Looks(*np.array(told).T, np.array([gaze.shares for gaze in gazes]))
