"""One bundle, watched: its predictions as they were published, turned into drift and score. A pure fold."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import msgspec
import numpy as np
import numpy.typing as npt

from core import attention
from core.bars import Interval
from core.bundle import Manifest
from core.errors import ConfigError
from core.prediction import Prediction
from core.reference import Reference
from daemon.ports import Standing
from daemon.watching.closes import Close, Closes, Waiting
from daemon.watching.drift import Drift, Observing, weights_of
from daemon.watching.profile import RunningProfile
from daemon.watching.score import Score, Scoring

log = logging.getLogger("gaze.watch")

Profile = npt.NDArray[np.floating]


class Remembered(msgspec.Struct, frozen=True):
    """All that a watch knows of its stream. `losses`: by output when closes opened, and the loss at each."""

    closes: int
    settled_ms: int
    told_ms: int
    waiting: Waiting
    drift: Observing | None
    score: Scoring
    profiles: dict[str, npt.NDArray[np.float64]]
    losses: dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]


class Watch:
    """Folds the stream of one bundle. `reference`: None where it has none; `rate`: false alarms a quarter.

    `profiles`: of each attention that is followed, (T,): where it looked in the reference. `groups`: symbols whose
    common shift is told. Raises: ConfigError: the reference does not support the rate that was asked for.
    """

    def __init__(
        self,
        manifest: Manifest,
        reference: Reference | None,
        rate: float | None = None,
        profiles: Mapping[str, Profile] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        interval = manifest.grid
        self.manifest = manifest
        self.drift: Drift | None = None
        self.why_not = "the bundle has no reference to watch drift by"
        if reference is not None:
            try:
                self.drift = Drift(manifest, reference, rate, interval.ms, groups)
                self.why_not = ""
            except ConfigError as error:
                if rate is not None:
                    raise
                self.why_not = str(error)
        self.score = Score(manifest.outputs, manifest.margins, interval)
        self.profiles = {name: RunningProfile(profile_T) for name, profile_T in (profiles or {}).items()}
        self.closes = 0
        self.settled_ms = -1
        """The opening time of the last close that is settled."""
        self.losses: dict[str, dict[int, float]] = {output.name: {} for output in manifest.outputs}
        """By output, the loss at each close whose predictions have matured."""
        self._told_ms = -1
        self._made_of = (reference, rate, profiles, groups)
        self._gathered = Closes(interval.ms)

    @property
    def late(self) -> int:
        """Predictions that came after their close was settled, and are left out."""
        return self._gathered.late

    def again(self, *, same: bool) -> Self:
        """One that begins anew with the stream; where that is the `same`, it waits for what was late to this one."""
        fresh = type(self)(self.manifest, *self._made_of)
        if fresh.drift is not None and self.drift is not None:
            fresh.drift.keep = self.drift.keep
        fresh._told_ms = max(self._told_ms, self.settled_ms)  # noqa: SLF001 - one of our kind
        interval_ms = Interval.parse(self.manifest.interval).ms
        fresh._gathered = Closes(interval_ms, self._gathered.waits if same else None)  # noqa: SLF001
        return fresh

    def take(self, predictions: Iterable[Prediction]) -> int:
        """Take in what was published, in that order; returns how many closes it settled."""
        settled = self._gathered.take(predictions)
        for close in settled:
            self._settle(close)
        self.closes += len(settled)
        return len(settled)

    @property
    def settings(self) -> str:
        """What its state hangs on beside the bundle and the stream."""
        return f"false alarms a quarter: {self.drift.monitor.rate:g}" if self.drift is not None else ""

    def state(self) -> Remembered:
        """All that it remembers."""
        return Remembered(
            self.closes,
            self.settled_ms,
            max(self._told_ms, self.settled_ms),
            self._gathered.state(),
            self.drift.state() if self.drift is not None else None,
            self.score.state(),
            {name: one.mean_T for name, one in self.profiles.items()},
            {name: (np.array(list(of), np.int64), np.array(list(of.values()))) for name, of in self.losses.items()},
        )

    def restore(self, state: Remembered) -> None:
        """Go on from what state() gave, of the same bundle and settings; for one that has taken in nothing."""
        self.closes, self.settled_ms, self._told_ms = state.closes, state.settled_ms, state.told_ms
        self._gathered.restore(state.waiting)
        if self.drift is not None and state.drift is not None:
            self.drift.restore(state.drift)
        self.score.restore(state.score)
        for name, mean_T in state.profiles.items():
            self.profiles[name].mean_T = mean_T
        for name, (opened_at_ms_C, loss_C) in state.losses.items():
            self.losses[name] = dict(zip(opened_at_ms_C.tolist(), loss_C.tolist(), strict=True))

    def read_to_the_end(self) -> None:
        """All that was published is taken in: nothing of before is to be waited for."""
        self._gathered.wait_no_more()

    def standing(self) -> Standing:
        """What the next messages are to say."""
        drifting = self.drift.names() if self.drift is not None else ()
        distances = {name: one.distance() for name, one in self.profiles.items()}
        return Standing(drifting, self.score.margins, self.score.young, distances)

    def _settle(self, close: Close) -> None:
        self.settled_ms = close.opened_at_ms
        for name, profile in self.profiles.items():
            profile.update(attention.profile(weights_of(close.predictions, name)))
        for output, loss in self.score.take(close).items():
            self.losses[output][close.opened_at_ms] = loss
        if self.drift is not None and self.drift.take(close) and close.opened_at_ms > self._told_ms:
            told = {"model": self.manifest.name, "bar": close.opened_at_ms, "moved": self.drift.described()}
            log.warning("drift", extra=told | ({"limits": self.drift.unlike} if self.drift.unlike else {}))
