"""The drift of one bundle: closes as observations, and what its monitor says of them."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.bundle import Manifest
from core.drift.monitor import Monitor, Moved
from core.drift.statistics import Floats, Observed, Rows, middle, names, observe, period_ms
from core.prediction import Prediction
from core.reference import Reference, side_by_side
from daemon.ports import Float32s
from daemon.watching.closes import Close
from daemon.watching.shifts import Shifts

STUCK: Final = 24
"""A feature whose mean over all symbols has stood still for so many observations, as in the reference it never did."""
_UNLIKE: Final = 1.5
"""Observations of so many times more or fewer rows than those of the reference are calmer or wilder."""


class Observing(msgspec.Struct, frozen=True):
    """All that is remembered of what was observed. `lately` (S, K): how each of these symbols has been."""

    monitor: bytes
    rows: int
    period: int
    gathered: list[Observed]
    last: list[Floats]
    symbols: tuple[str, ...]
    lately: Floats


class Drift:
    """Takes closes in. `groups`: symbols whose common shift is told, by name.

    Raises: ConfigError: the reference does not support the rate of false alarms asked for.
    """

    def __init__(
        self,
        manifest: Manifest,
        reference: Reference,
        rate: float | None,
        interval_ms: int,
        groups: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.monitor = Monitor(reference, rate)
        self.shifts = Shifts(reference, groups)
        self.rows = 0
        """Predictions in the last observation."""
        self._manifest = manifest
        self._period_ms = period_ms(interval_ms)
        self._gathered: list[Observed] = []
        self._period = -1
        self.keep = False
        """Whether `history` is kept: when each observation began, and (K,) what was observed."""
        self.history: list[tuple[int, Floats]] = []
        self._last: deque[Floats] = deque(maxlen=STUCK)
        input_K = np.array(reference.names.groups) == "input"
        self._moves_K = input_K & (np.nanstd(reference.values_CK, axis=0) > 0)
        self._there_K = input_K & np.isfinite(reference.values_CK).any(axis=0)

    def take(self, close: Close) -> bool:
        """Take in a close; whether an alarm begins with the period that it ends."""
        period = close.opened_at_ms // self._period_ms
        begins = period > self._period and self._observe()
        self._period = period
        observed = self._observed(close.predictions)
        self.shifts.take([one.symbol for one in close.predictions], observed.values)
        self._gathered.append(observed)
        return begins

    def moved(self) -> tuple[Moved, ...]:
        """The statistics past their limits."""
        return self.monitor.moved()

    def described(self) -> list[str]:
        """Each of them with its distance, and the symbols it is about."""
        return [f"{one.name} ({one.distance}, {one.ratio:.2f} of its limit{_whom(self, one)})" for one in self.moved()]

    @property
    def unlike(self) -> str:
        """Why the limits are not quite those of what is watched, where observations are of many more or fewer rows."""
        usual = self.monitor.reference.rows
        if not self.rows or 1 / _UNLIKE <= self.rows / usual <= _UNLIKE:
            return ""
        return (
            f"an observation is a mean of {self.rows} predictions here, and of {usual:g} in the reference: "
            f"{'calmer' if self.rows > usual else 'wilder'} than its limits expect; try: validate what you serve"
        )

    def missing(self) -> tuple[str, ...]:
        """Features that no symbol had in the last observation, though the reference has them."""
        return self._named(self._there_K & ~np.isfinite(self._last[-1])) if self._last else ()

    def stuck(self) -> tuple[str, ...]:
        """Features that are the same in each of the last STUCK observations."""
        if len(self._last) < STUCK:
            return ()
        last_nK = np.array(self._last)
        return self._named(self._moves_K & (last_nK == last_nK[0]).all(axis=0))

    def names(self) -> tuple[str, ...]:
        """All that has drifted, for a message: at most eight of what moved, then what is missing or stuck."""
        told = [one.name for one in self.moved()]
        told += [f"{name}: missing" for name in self.missing()[:4]] + [f"{name}: stuck" for name in self.stuck()[:4]]
        return tuple(told)

    def _observed(self, predictions: Sequence[Prediction]) -> Observed:
        """What the reference knows of them: one that was made before a statistic was thought of lacks it."""
        rows = rows_of(self._manifest, predictions)
        observed = observe(rows)
        known = self.monitor.reference.names.names
        if observed.values.shape[1] == len(known):
            return observed
        told = names(self._manifest.inputs, self._manifest.outputs, self._manifest.attentions, rows).names
        return Observed(observed.values[:, [told.index(name) for name in known]], observed.parts)

    def state(self) -> Observing:
        """All that it remembers but its history."""
        last, symbols, lately_SK = list(self._last), self.shifts.symbols, self.shifts.lately_SK
        gathered = list(self._gathered)
        return Observing(self.monitor.state(), self.rows, self._period, gathered, last, symbols, lately_SK)

    def restore(self, state: Observing) -> None:
        """Go on from what state() gave, of the same bundle and rate; for one that has taken in nothing."""
        self.monitor.restore(state.monitor)
        self.rows, self._period = state.rows, state.period
        self._gathered = list(state.gathered)
        self._last.extend(state.last)
        self.shifts.restore(state.symbols, state.lately)

    def _named(self, which_K: npt.NDArray[np.bool_]) -> tuple[str, ...]:
        names = self.monitor.reference.names.names
        return tuple(names[at] for at in np.flatnonzero(which_K).tolist())

    def _observe(self) -> bool:
        if not self._gathered:
            return False
        values_NK = np.concatenate([one.values for one in self._gathered])
        parts = {
            name: np.concatenate([one.parts[name] for one in self._gathered]).mean(axis=0, keepdims=True)
            for name in self._gathered[0].parts
        }
        self._gathered.clear()
        self.rows = len(values_NK)
        there_NK = np.isfinite(values_NK)
        count_K = there_NK.sum(axis=0)
        total_K = np.where(there_NK, values_NK, 0.0).sum(axis=0)
        values_K = np.divide(total_K, count_K, out=np.full(len(total_K), np.nan), where=count_K > 0)
        self._last.append(values_K)
        if self.keep:
            self.history.append((self._period * self._period_ms, values_K))
        return self.monitor.take(values_K, side_by_side(parts, 1)[0])


def _whom(drift: Drift, moved: Moved) -> str:
    who = drift.shifts.who(moved.name)
    return f", most {', '.join(who.symbols)}; {who.share:.0%} of symbols" if who else ""


def rows_of(manifest: Manifest, predictions: Sequence[Prediction]) -> Rows:
    """What is watched of predictions of one bundle."""
    return Rows(
        {one.name: weights_of(predictions, one.name) for one in manifest.looks},
        np.frombuffer(b"".join(said.newest for said in predictions), "<f4").reshape(len(predictions), -1),
        {one.name: np.array([said.outputs[one.name] for said in predictions], np.float32) for one in manifest.outputs},
        {one.name: np.array([said.gates[one.name] for said in predictions], np.float32) for one in manifest.gates},
        middle(manifest.outputs),
    )


def weights_of(predictions: Sequence[Prediction], name: str) -> Float32s:
    """(N, ...): where each of these predictions looked."""
    joined = b"".join(said.gaze[name].weights for said in predictions)
    return np.frombuffer(joined, "<f4").reshape(len(predictions), *predictions[0].gaze[name].shape)
