"""The newest prediction of each listed symbol, as gauges of its own."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from core.bundle import Manifest
from core.outputs import Output
from daemon.ports import Float32s
from daemon.predicting.spoken import Spoken
from daemon.telling.metric_table import TABLE


class _Said(NamedTuple):
    """When its bar opened, and which row of these outputs is its."""

    opened_at_ms: int
    outputs: dict[str, Float32s]
    row: int


class NewestPredictions(Collector):
    """The newest message of each listed symbol, turned into gauges only when somebody scrapes."""

    NAMES: Final = ("gaze_prediction", "gaze_prediction_bar_close_timestamp_seconds")

    def __init__(self, manifest: Manifest, symbols: Sequence[str]) -> None:
        self._outputs = manifest.outputs
        self._model = manifest.name
        self._interval_ms = manifest.grid.ms
        self._newest: dict[str, _Said | None] = dict.fromkeys(symbols)

    def take(self, spoken: Spoken) -> None:
        """These went out."""
        for row, symbol in enumerate(spoken.symbols):
            if symbol not in self._newest:
                continue
            known, opened_at_ms = self._newest[symbol], spoken.opened_at_ms[row]
            # A filled gap brings older bars after newer ones.
            if known is None or opened_at_ms >= known.opened_at_ms:
                self._newest[symbol] = _Said(opened_at_ms, spoken.outputs, row)

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
        named = [(str(output.horizon), column) for output in self._outputs for column in columns(output)]
        for symbol, newest in self._newest.items():
            if newest is None:
                continue
            numbers = np.hstack([newest.outputs[output.name][newest.row] for output in self._outputs]).tolist()
            closes.add_metric([self._model, symbol], (newest.opened_at_ms + self._interval_ms) / 1_000)
            for labels, number in zip(named, numbers, strict=True):
                values.add_metric([self._model, symbol, *labels], number)
        return [values, closes]


def columns(output: Output) -> tuple[str, ...]:
    """What each number of an output is called in labels."""
    return tuple(f"{output.kind}_{level:g}" for level in output.levels) or (str(output.kind),)
