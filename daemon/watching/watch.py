"""One bundle, watched: its predictions as they were published, turned into drift and score. A pure fold."""

import logging
from collections.abc import Iterable

from core.bars import Interval
from core.bundle import Manifest
from core.errors import ConfigError
from core.prediction import Prediction
from core.reference import Reference
from daemon.ports import Standing
from daemon.watching.closes import Closes
from daemon.watching.drift import Drift
from daemon.watching.score import Score

log = logging.getLogger("gaze.watch")


class Watch:
    """Folds the stream of one bundle. `reference`: None where it has none; `rate`: false alarms a quarter.

    Raises: ConfigError: the reference does not support the rate that was asked for.
    """

    def __init__(self, manifest: Manifest, reference: Reference | None, rate: float | None = None) -> None:
        interval_ms = Interval.parse(manifest.interval).ms
        self.manifest = manifest
        self.drift: Drift | None = None
        self.why_not = "the bundle has no reference to watch drift by"
        if reference is not None:
            try:
                self.drift = Drift(manifest, reference, rate, interval_ms)
                self.why_not = ""
            except ConfigError as error:
                if rate is not None:
                    raise
                self.why_not = str(error)
        self.score = Score(manifest.outputs, manifest.margins, interval_ms)
        self.closes = 0
        self.losses: dict[str, dict[int, float]] = {output.name: {} for output in manifest.outputs}
        """By output, the loss at each close whose predictions have matured."""
        self._gathered = Closes(interval_ms)

    def take(self, predictions: Iterable[Prediction]) -> int:
        """Take in what was published, in that order; returns how many closes it settled."""
        settled = self._gathered.take(predictions)
        for close in settled:
            for output, loss in self.score.take(close).items():
                self.losses[output][close.opened_at_ms] = loss
            if self.drift is not None and self.drift.take(close):
                moved = [f"{one.name} ({one.distance}, {one.ratio:.2f} of its limit)" for one in self.drift.moved()]
                log.warning("drift", extra={"model": self.manifest.name, "bar": close.opened_at_ms, "moved": moved})
        self.closes += len(settled)
        return len(settled)

    def standing(self) -> Standing:
        """What the next messages are to say."""
        drifting = self.drift.names() if self.drift is not None else ()
        return Standing(drifting, self.score.margins)
