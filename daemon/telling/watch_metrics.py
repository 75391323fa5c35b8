"""How a model stands, as gauges: drift by group, and its score by output."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import Counter, Gauge

from core.bars import Interval
from core.outputs import Output
from daemon.watching.score import Record
from daemon.watching.watch import Watch

_ERRORS: Final = ("mae", "mae of zero", "crps", "crps of the usual size")


class WatchMetrics:
    """Fills the metrics of the watch of one model."""

    def __init__(self, model: str, gauges: Mapping[str, Gauge], counters: Mapping[str, Counter]) -> None:
        self._model = model
        self._gauges = gauges
        self._counters = counters
        self._alarms = 0
        self._closes = 0
        self._interval_ms = 0

    def start(self, watch: Watch) -> None:
        """Show what is known before the first close; of another bundle, from its beginning."""
        self._alarms, self._closes = 0, 0
        self._interval_ms = Interval.parse(watch.manifest.interval).ms
        if watch.drift is not None:
            self._gauges["gaze_drift_false_alarms_per_quarter"].labels(self._model).set(watch.drift.monitor.rate)
        self.watched(watch)

    def watched(self, watch: Watch) -> None:
        """Closes were settled."""
        # A watch that reads again from the beginning may have found fewer so far.
        self._counters["gaze_closes_watched_total"].labels(self._model).inc(max(watch.closes - self._closes, 0))
        self._closes = max(watch.closes, self._closes)
        if watch.closes:
            closed_s = (watch.settled_ms + self._interval_ms) / 1_000
            self._gauges["gaze_watched_bar_close_timestamp_seconds"].labels(self._model).set(closed_s)
        for name, distance in watch.standing().drift.items():
            self._gauges["gaze_attention_drift_distance"].labels(self._model, name).set(distance)
        if watch.drift is not None:
            monitor = watch.drift.monitor
            for group, ratio in monitor.ratios().items():
                self._gauges["gaze_drift_ratio"].labels(self._model, group).set(ratio)
            self._counters["gaze_drift_alarms_total"].labels(self._model).inc(max(monitor.alarms - self._alarms, 0))
            self._alarms = max(monitor.alarms, self._alarms)
            self._gauges["gaze_drift_observations"].labels(self._model).set(monitor.observed)
            self._gauges["gaze_features_missing"].labels(self._model).set(len(watch.drift.missing()))
            self._gauges["gaze_features_stuck"].labels(self._model).set(len(watch.drift.stuck()))
            self._gauges["gaze_drift_rows"].labels(self._model).set(watch.drift.rows)
            self._gauges["gaze_drift_reference_rows"].labels(self._model).set(monitor.reference.rows)
            for (symbols, group), shift in watch.drift.shifts.of_groups().items():
                self._gauges["gaze_drift_shift_ratio"].labels(self._model, symbols, group).set(shift)
        for output in watch.manifest.outputs:
            if output.name in watch.score.records:
                self._score(output, watch.score.records[output.name])

    def _score(self, output: Output, record: Record) -> None:
        value = (self._model, str(output.horizon), str(output.kind))
        self._gauges["gaze_score_better_than_nothing"].labels(*value).set(record.verdict)
        self._gauges["gaze_score_closes"].labels(*value).set(record.closes)
        for margin in record.margins:
            self._gauges["gaze_interval_margin"].labels(*value, f"{margin.coverage:g}").set(margin.value)
        for measure, average in record.averages.items():
            name = "gaze_score_error" if measure in _ERRORS else "gaze_score_ratio"
            self._gauges[name].labels(*value, measure).set(average.mean)
        for measure, mean in record.means.items():
            for name, bound in zip(("low", "high"), mean.interval, strict=True):
                self._gauges[f"gaze_score_{name}_ratio"].labels(*value, measure).set(bound)
