"""Predictions against what came to be: a fold over closes, in the order of time.

A prediction over h bars matures at the close h bars later. Averages count every close. Intervals and bets take every
h-th close alone, always of one residue class, since labels that overlap are no independent witnesses.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core import bands, scoring
from core.bands import Margin
from core.bars import Interval
from core.outputs import Kind, Output
from core.scoring import Floats, Outcome
from core.sequential import Bet, Mean
from daemon.watching.closes import Close
from daemon.watching.outcomes import Band, Kept, Matured, Outcomes

_PACE: Final = 0.05
"""By how much of the usual error a margin moves for each outcome that it should have held, and did not."""
_LIKELY: Final = float(np.log(20.0))
"""Capital from which a bet counts as evidence: by chance alone once in twenty, whenever one looks."""
LEARNED: Final = 100
"""Closes that a margin must have seen before it counts as kept up to date: five times what its pace remembers."""


class Average(msgspec.Struct):
    """A plain mean."""

    count: int = 0
    sum: float = 0.0

    def take(self, value: float) -> None:
        """Take in one value."""
        self.count += 1
        self.sum += value

    @property
    def mean(self) -> float:
        """Of all so far; 0 before the first."""
        return self.sum / self.count if self.count else 0.0


class Adapted(msgspec.Struct):
    """A margin kept up to date: wider after outcomes it missed, narrower after those it held (Gibbs, Candes 2021)."""

    coverage: float
    value: float
    held: Average


class Record(msgspec.Struct):
    """All that is known of one output. `bet`: that it is better than nothing; `against`: that it is worse.

    `usual`: what the baseline has learned, see core/scoring.py.
    """

    averages: dict[str, Average] = {}
    means: dict[str, Mean] = {}
    bet: Bet = msgspec.field(default_factory=Bet)
    against: Bet = msgspec.field(default_factory=Bet)
    usual: list[Average] = []
    margins: list[Adapted] = []
    closes: int = 0
    """Closes whose predictions have matured."""

    @property
    def verdict(self) -> int:
        """1: better than nothing; -1: lately worse; 0: nobody can tell."""
        if self.against.log_recent >= _LIKELY:
            return -1
        return 1 if self.bet.log_capital >= _LIKELY else 0


class Scoring(msgspec.Struct, frozen=True):
    """All that is remembered: the record of each output, and the closes that have not matured."""

    records: dict[str, Record]
    closes: dict[int, Kept]


class Score:
    """The score of one bundle; `margins` are those it was exported with."""

    def __init__(self, outputs: Sequence[Output], margins: Sequence[Margin], interval: Interval) -> None:
        self._outputs = tuple(outputs)
        self._interval = interval
        self._outcomes = Outcomes(outputs, interval)
        self.records: dict[str, Record] = {
            one.name: Record(
                margins=[Adapted(of.coverage, of.value, Average()) for of in margins if of.output == one.name]
            )
            for one in outputs
        }

    def take(self, close: Close) -> dict[str, float]:
        """Take in a close; returns of each output that matured with it the loss over all symbols."""
        self._outcomes.keep(close)
        losses: dict[str, float] = {}
        for output in self._outputs:
            matured = self._outcomes.matured(output, close.opened_at_ms)
            if matured is None:
                continue
            came_N = scoring.came(output, matured.course)
            known_N = np.isfinite(came_N)
            if known_N.any():
                outcome = self._outcome(output, matured, came_N, known_N)
                losses[output.name] = scoring.loss(output, outcome)
                covered = _covered(matured.bands, came_N)
                self._record(output, outcome, covered, close.opened_at_ms)
        return losses

    @property
    def margins(self) -> tuple[Margin, ...]:
        """As they are now, in place of those of the bundle."""
        return tuple(
            Margin(name, one.coverage, one.value, one.held.count)
            for name, record in self.records.items()
            for one in record.margins
        )

    @property
    def young(self) -> tuple[str, ...]:
        """Outputs whose margins have seen too few outcomes here, and are still about those of the bundle."""
        return tuple(
            name for name, record in self.records.items() if any(one.held.count < LEARNED for one in record.margins)
        )

    def state(self) -> Scoring:
        """All that it remembers."""
        return Scoring(self.records, self._outcomes.closes)

    def restore(self, state: Scoring) -> None:
        """Go on from there."""
        self.records, self._outcomes.closes = dict(state.records), dict(state.closes)

    def _outcome(self, output: Output, matured: Matured, came_N: Floats, known_N: npt.NDArray[np.bool_]) -> Outcome:
        course, usual = matured.course, self.records[output.name].usual
        return Outcome(
            matured.said[known_N],
            came_N[known_N],
            np.log(course.then / course.before)[known_N],
            np.array([one.mean for one in usual]) if usual else np.array([np.nan]),
        )

    def _record(self, output: Output, outcome: Outcome, covered: dict[str, float], opened_at_ms: int) -> None:
        record = self.records[output.name]
        told = scoring.measures(output, outcome) | covered
        for name, value in (told | scoring.errors(output, outcome)).items():
            record.averages.setdefault(name, Average()).take(value)
        occurred_U = scoring.occurred(output, outcome.came).tolist()
        record.usual = record.usual or [Average() for _ in occurred_U]
        for average, value in zip(record.usual, occurred_U, strict=True):
            average.take(value)
        record.closes += 1
        for margin in record.margins:
            _adapt(margin, output, outcome)
        if self._interval.count(0, opened_at_ms) % output.horizon:
            return
        for name, value in told.items():
            record.means.setdefault(name, Mean(*scoring.bounds(name))).take(value)
        record.bet.take(told[scoring.BETTER[output.kind]])
        record.against.take(-told[scoring.BETTER[output.kind]])


def _covered(sent: Sequence[Band], came_N: Floats) -> dict[str, float]:
    """Of each band that was sent, the share of outcomes it held."""
    told = {}
    for band in sent:
        there_N = np.isfinite(came_N) & np.isfinite(band.low)
        if there_N.any():
            held_N = (band.low[there_N] <= came_N[there_N]) & (came_N[there_N] <= band.high[there_N])
            told[f"coverage of {band.coverage:g}"] = float(held_N.mean())
    return told


def _adapt(margin: Adapted, output: Output, outcome: Outcome) -> None:
    low_N, high_N = bands.edges(output, outcome.said, margin.value)
    held = float(((low_N <= outcome.came) & (outcome.came <= high_N)).mean())
    # Of quantiles the median's error: a margin of theirs may be next to nothing, and still has to move.
    middle = outcome.said[:, outcome.said.shape[1] // 2]
    quantiles = output.kind is Kind.QUANTILES
    error_N = outcome.came - middle if quantiles else bands.beyond(output, outcome.said, outcome.came)
    margin.held.take(held)
    margin.value += _PACE * float(np.abs(error_N).mean()) * (margin.coverage - held)
