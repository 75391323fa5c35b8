"""What a run of the crash test found, for people and for the docs."""

from typing import Final

import msgspec

from benchmarks.crash.blows import WORDS
from benchmarks.crash.comparison import Counts
from benchmarks.house import HOUSE

PAGE: Final = HOUSE / "docs" / "explanation" / "crash.md"
BEGIN, END = "<!-- measured: {} -->\n", "<!-- /measured: {} -->\n"


class Report(msgspec.Struct, frozen=True):
    """What was done, and what came of it."""

    store: str
    server: str
    bars: str
    symbols: int
    blows: dict[str, int]
    counts: Counts
    seconds: float
    machine: str
    python: str
    date: str
    commit: str

    def table(self) -> str:
        """For people."""
        return "\n".join(f"{name:<30}{told}" for name, told in self._rows())

    def markdown(self) -> str:
        """For the docs."""
        return "\n".join(["| | |", "|---|---|", *(f"| {name} | {told} |" for name, told in self._rows()), ""])

    def _rows(self) -> list[tuple[str, str]]:
        struck = [(WORDS[kind], f"{self.blows.get(kind, 0):,}") for kind in WORDS]
        found = [(name, f"{count:,}") for name, count in msgspec.structs.asdict(self.counts).items()]
        return [
            ("store", f"{self.store}, {self.server}"),
            ("bars", f"{self.bars}, {self.symbols} symbols"),
            *struck,
            *found,
            ("took", f"{self.seconds:,.0f} s"),
            ("when, where", f"{self.date}, commit {self.commit}, {self.machine}"),
        ]


def write(report: Report) -> None:
    """Put the report into the docs, in place of the one before for this store."""
    begin, end = BEGIN.format(report.store), END.format(report.store)
    before, rest = PAGE.read_text().split(begin)
    PAGE.write_text(before + begin + report.markdown() + end + rest.split(end)[1])
