"""What the drift benchmark found, as it is kept and as the docs tell it."""

from typing import Final

import msgspec

from benchmarks.drift.planted import Trial
from benchmarks.house import HOUSE, RESULTS
from core.drift.monitor import GROUPS

KEPT: Final = RESULTS / "drift.json"
PAGE: Final = HOUSE / "docs" / "explanation" / "drift.md"
BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"


class Calibrated(msgspec.Struct, frozen=True):
    """False alarms of so many quarters in which nothing happens, and what a Poisson count of the promise stays in."""

    quarters: str
    references: int
    promised: int
    alarms: int
    low: int
    high: int

    @property
    def kept(self) -> bool:
        """Whether the count lies in the 95 % band."""
        return self.low <= self.alarms <= self.high


class Planted(msgspec.Struct, frozen=True):
    """One kind of drift, planted several times."""

    name: str
    named: str
    trials: tuple[Trial, ...]


class Real(msgspec.Struct, frozen=True):
    """Bitcoin's hours: alarms in so many quarters after the reference, and what of the crash was seen."""

    quarters: float
    alarms: int
    crash: Trial
    before: dict[str, float]
    """By group, the worst ratio in the week before the crash."""


class Report(msgspec.Struct, frozen=True):
    """All of it."""

    machine: str
    date: str
    commit: str
    calibrated: tuple[Calibrated, ...]
    planted: tuple[Planted, ...]
    real: Real | None = None

    def markdown(self) -> str:
        """The part of the page between its marks."""
        lines = [
            *(self._counts() if self.calibrated else []),
            "| planted | trials | found in attention | in input | in prediction | named first |",
            "|---|---|---|---|---|---|",
            *(
                f"| {one.name} | {len(one.trials)} | {' | '.join(_delay(one.trials, group) for group in GROUPS)} "
                f"| {_named(one)} |"
                for one in self.planted
            ),
            "",
            "Delays are medians in hours, of the trials that found it; `-`: none did.",
            "",
        ]
        return "\n".join([*lines, *(self._real() if self.real else []), ""])

    def _counts(self) -> list[str]:
        return [
            "| quarters in which nothing happens | references | promised | alarms | 95 % band of the promise |",
            "|---|---|---|---|---|",
            *(
                f"| {one.quarters} | {one.references} | {one.promised} | {one.alarms} | {one.low} to {one.high} |"
                for one in self.calibrated
            ),
            "",
        ]

    def _real(self) -> list[str]:
        real = self.real
        assert real is not None
        seen = ", ".join(
            f"{group} {f'after {delay} hours' if delay >= 0 else 'not at all'}"
            for group, delay in real.crash.delays.items()
        )
        before = ", ".join(f"{group} {ratio:.2f}" for group, ratio in real.before.items())
        told = (
            f"On Bitcoin's hours alarms came {real.alarms} times in {real.quarters:.1f} "
            "quarters after the reference, at a promise of one a quarter by chance. The crash of 2022-05, "
            "counted from the 5th and held to the ten months before it, was past its limit: "
            f"{seen}; first {real.crash.first}. In the week before the worst ratios were {before}."
        )
        return [
            told,
            "",
            f"`gaze bench drift --real BARS --write`: {self.machine}, {self.date}, commit {self.commit}.",
        ]


def kept() -> Report:
    """The one that was kept last."""
    return msgspec.json.decode(KEPT.read_bytes(), type=Report)


def write(report: Report) -> None:
    """Keep the report, and put it into the docs."""
    KEPT.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + report.markdown() + END + rest.split(END)[1])


def _delay(trials: tuple[Trial, ...], group: str) -> str:
    found = sorted(trial.delays[group] for trial in trials if trial.delays[group] >= 0)
    return f"{found[len(found) // 2]} h, {len(found)} of {len(trials)}" if found else "-"


def _named(one: Planted) -> str:
    if not one.named:
        return ", ".join(sorted({trial.first for trial in one.trials}))
    right = sum(trial.first.startswith(one.named) for trial in one.trials)
    return f"{one.named}: {right} of {len(one.trials)}"
