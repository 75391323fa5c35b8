"""Predictions against what came to be: a fold over closes, in the order of time.

A prediction over h bars matures at the close h bars later. Averages count every close. Intervals and bets take every
h-th close alone, always of one residue class, since labels that overlap are no independent witnesses.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from core import bands, scoring
from core.bands import Margin
from core.outputs import Kind, Output
from core.prediction import Prediction
from core.scoring import Floats, Outcome
from core.sequential import Bet, Mean
from daemon.watching.closes import Close

_PACE: Final = 0.05
"""By how much of the usual error a margin moves for each outcome that it should have held, and did not."""
_LIKELY: Final = float(np.log(20.0))
"""Capital from which a bet counts as evidence: by chance alone once in twenty, whenever one looks."""


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
    """All that is known of one output. `bet`: that it is better than nothing; `against`: that it is worse."""

    averages: dict[str, Average] = {}
    means: dict[str, Mean] = {}
    bet: Bet = msgspec.field(default_factory=Bet)
    against: Bet = msgspec.field(default_factory=Bet)
    rising: Average = msgspec.field(default_factory=Average)
    margins: list[Adapted] = []

    @property
    def verdict(self) -> int:
        """1: better than nothing; -1: lately worse; 0: nobody can tell."""
        if self.against.log_recent >= _LIKELY:
            return -1
        return 1 if self.bet.log_capital >= _LIKELY else 0


class Score:
    """The score of one bundle; `margins` are those it was exported with."""

    def __init__(self, outputs: Sequence[Output], margins: Sequence[Margin], interval_ms: int) -> None:
        self._outputs = [one for one in outputs if one.kind in scoring.SCORED]
        self._interval_ms = interval_ms
        self._longest = max((one.horizon for one in self._outputs), default=0)
        self._closes: dict[int, Mapping[str, Prediction]] = {}
        self.records: dict[str, Record] = {
            one.name: Record(
                margins=[Adapted(of.coverage, of.value, Average()) for of in margins if of.output == one.name]
            )
            for one in self._outputs
        }

    def take(self, close: Close) -> dict[str, float]:
        """Take in a close; returns of each output that matured with it the loss over all symbols."""
        self._closes[close.opened_at_ms] = {one.symbol: one for one in close.predictions}
        for opened_at_ms in list(self._closes):
            if opened_at_ms < close.opened_at_ms - 2 * self._longest * self._interval_ms:
                del self._closes[opened_at_ms]
        losses: dict[str, float] = {}
        for output in self._outputs:
            outcome, then = self._matured(output, close)
            if outcome is not None:
                losses[output.name] = scoring.loss(output, outcome)
                self._record(output, outcome, then, close.opened_at_ms)
        return losses

    @property
    def margins(self) -> tuple[Margin, ...]:
        """As they are now, in place of those of the bundle."""
        return tuple(
            Margin(name, one.coverage, one.value, one.held.count)
            for name, record in self.records.items()
            for one in record.margins
        )

    def _matured(self, output: Output, close: Close) -> tuple[Outcome | None, list[Prediction]]:
        reach_ms = output.horizon * self._interval_ms
        then = self._closes.get(close.opened_at_ms - reach_ms, {})
        before = self._closes.get(close.opened_at_ms - 2 * reach_ms, {})
        both = [one for one in close.predictions if one.symbol in then]
        if not both:
            return None, []
        now_N, then_N = (np.array([one.close for one in some]) for some in (both, [then[one.symbol] for one in both]))
        before_N = np.array([before[one.symbol].close if one.symbol in before else np.nan for one in both])
        matured = [then[one.symbol] for one in both]
        said_NW = np.array([np.atleast_1d(one.outputs[output.name]) for one in matured], np.float64)
        rising = self.records[output.name].rising
        outcome = Outcome(
            said_NW,
            np.log(now_N / then_N),
            np.log(then_N / before_N),
            rising.mean if rising.count else 0.5,
        )
        return outcome, matured

    def _record(self, output: Output, outcome: Outcome, then: list[Prediction], opened_at_ms: int) -> None:
        record = self.records[output.name]
        told = scoring.measures(output, outcome) | _covered(output, then, outcome.came)
        for name, value in (told | scoring.errors(output, outcome)).items():
            record.averages.setdefault(name, Average()).take(value)
        record.rising.take(float((outcome.came > 0).mean()))
        if output.kind in (Kind.RETURN, Kind.QUANTILES):
            for margin in record.margins:
                _adapt(margin, output, outcome)
        if opened_at_ms // self._interval_ms % output.horizon:
            return
        for name, value in told.items():
            record.means.setdefault(name, Mean(*scoring.bounds(name))).take(value)
        record.bet.take(told[scoring.BETTER[output.kind]])
        record.against.take(-told[scoring.BETTER[output.kind]])


def _covered(output: Output, then: list[Prediction], came_N: Floats) -> dict[str, float]:
    """Of each band that was sent, the share of outcomes it held."""
    outcome_N = (came_N > 0).astype(np.float64) if output.kind is Kind.DIRECTION else came_N
    if output.kind is Kind.TREND:
        return {}
    held: dict[float, list[bool]] = {}
    for one, came in zip(then, outcome_N.tolist(), strict=True):
        for band in one.bands.get(output.name, ()):
            held.setdefault(band.coverage, []).append(band.low <= came <= band.high)
    return {f"coverage of {coverage:g}": float(np.mean(inside)) for coverage, inside in held.items()}


def _adapt(margin: Adapted, output: Output, outcome: Outcome) -> None:
    low_N, high_N = bands.edges(output, outcome.said, margin.value)
    held = float(((low_N <= outcome.came) & (outcome.came <= high_N)).mean())
    usual = float(np.abs(outcome.came - outcome.said[:, outcome.said.shape[1] // 2]).mean())
    margin.held.take(held)
    margin.value += _PACE * usual * (margin.coverage - held)
