"""Champion against challenger on the closes that both predicted: a paired test that holds whenever one looks."""

import math

import msgspec

from core import scoring
from core.bars import Interval
from core.outputs import Output
from core.sequential import Bet
from daemon.watching.watch import Watch


class Duel(msgspec.Struct, frozen=True):
    """Champion against challenger on the closes that both predicted: evidence that the challenger is better."""

    output: str
    closes: int
    tested: int
    mean_difference: float
    evidence: float
    """The capital of one who bet on the challenger: 20 is beyond chance, whenever one looks."""


class _Course(msgspec.Struct):
    """What one output's closes have told so far."""

    bet: Bet = msgspec.field(default_factory=Bet)
    closes: int = 0
    sum: float = 0.0
    last_ms: int = -1


class Duels:
    """Follows two watches, and begins again with another of either."""

    def __init__(self) -> None:
        self._between: tuple[Watch, Watch] | None = None
        self._courses: dict[str, _Course] = {}

    def take(self, champion: Watch, challenger: Watch) -> tuple[Duel, ...]:
        """Take in what has matured in both since; returns how each output of the challenger stands."""
        if self._between is None or self._between[0] is not champion or self._between[1] is not challenger:
            self._between, self._courses = (champion, challenger), {}
        return tuple(self._one(champion, challenger, output) for output in challenger.manifest.outputs)

    def _one(self, champion: Watch, challenger: Watch, output: Output) -> Duel:
        course = self._courses.setdefault(output.name, _Course())
        ours, theirs = champion.losses.get(output.name, {}), challenger.losses[output.name]
        # What settles later in one of them is never before what both had settled.
        until_ms = min(champion.settled_ms, challenger.settled_ms)
        for opened_at_ms in sorted(at for at in ours.keys() & theirs.keys() if course.last_ms < at <= until_ms):
            difference = scoring.better(ours[opened_at_ms], theirs[opened_at_ms])
            course.sum += difference
            course.closes += 1
            # Labels that overlap are no independent witnesses: every h-th close, of one residue class.
            if not _number(challenger.manifest.grid, opened_at_ms) % output.horizon:
                course.bet.take(difference)
        course.last_ms = until_ms
        mean = course.sum / course.closes if course.closes else 0.0
        return Duel(output.name, course.closes, course.bet.count, mean, math.exp(course.bet.log_capital))


def _number(grid: Interval, opened_at_ms: int) -> int:
    return grid.count(0, opened_at_ms)
