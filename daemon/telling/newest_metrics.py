"""The newest prediction of each listed symbol, as gauges of its own."""

from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from core.bundle import Manifest
from core.outputs import Output
from core.prediction import Message
from daemon.telling.metric_table import TABLE


class NewestPredictions(Collector):
    """The newest message of each listed symbol, turned into gauges only when somebody scrapes."""

    NAMES: Final = ("gaze_prediction", "gaze_prediction_bar_close_timestamp_seconds")

    def __init__(self, manifest: Manifest, symbols: Sequence[str]) -> None:
        self._outputs = manifest.outputs
        self._model = manifest.name
        self._newest: dict[str, Message | None] = dict.fromkeys(symbols)

    def take(self, messages: Sequence[Message]) -> None:
        """These went out."""
        for message in messages:
            prediction = message.prediction
            if prediction.symbol not in self._newest:
                continue
            known = self._newest[prediction.symbol]
            # A filled gap brings older bars after newer ones.
            if known is None or prediction.closed_at_ms >= known.prediction.closed_at_ms:
                self._newest[prediction.symbol] = message

    def describe(self) -> Iterable[Metric]:
        """The names alone."""
        return [
            GaugeMetricFamily(told.name, told.help, labels=told.labels) for told in TABLE if told.name in self.NAMES
        ]

    def collect(self) -> Iterable[Metric]:
        """All of it."""
        values, closes = self.describe()
        assert isinstance(values, GaugeMetricFamily)
        assert isinstance(closes, GaugeMetricFamily)
        for symbol, message in self._newest.items():
            if message is None:
                continue
            closes.add_metric([self._model, symbol], message.prediction.closed_at_ms / 1_000)
            for output in self._outputs:
                value = message.prediction.outputs[output.name]
                numbers = value if isinstance(value, tuple) else (value,)
                for column, number in zip(columns(output), numbers, strict=True):
                    values.add_metric([self._model, symbol, str(output.horizon), column], number)
        return [values, closes]


def columns(output: Output) -> tuple[str, ...]:
    """What each number of an output is called in labels."""
    return tuple(f"{output.kind}_{level:g}" for level in output.levels) or (str(output.kind),)
