"""How each challenger stands beside the one that serves, as gauges: one set a version that the settings name."""

from collections.abc import Callable, Mapping

from prometheus_client import Gauge

from daemon.watching.duel import Duels
from daemon.watching.watch import Watch


class ChallengerMetrics:
    """Fills the metrics of one challenger. `champion`: the watch of what serves now."""

    def __init__(self, model: str, version: str, gauges: Mapping[str, Gauge], champion: Callable[[], Watch]) -> None:
        self._of = (model, version)
        self._gauges = gauges
        self._champion = champion
        self._duels = Duels()

    def watched(self, watch: Watch) -> None:
        """Closes of the challenger were settled."""
        duels = {duel.output: duel for duel in self._duels.take(self._champion(), watch)}
        for output in watch.manifest.outputs:
            duel, record = duels[output.name], watch.score.records[output.name]
            told = {
                "gaze_challenger_closes": duel.closes,
                "gaze_challenger_less_loss_ratio": duel.mean_difference,
                "gaze_challenger_evidence": duel.evidence,
                "gaze_challenger_better_than_nothing": record.verdict,
            }
            for name, number in told.items():
                self._gauges[name].labels(*self._of, str(output.horizon), str(output.kind)).set(number)
        if watch.drift is not None:
            for group, ratio in watch.drift.monitor.ratios().items():
                self._gauges["gaze_challenger_drift_ratio"].labels(*self._of, group).set(ratio)
