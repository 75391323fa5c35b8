"""Checking a file, and one against another."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from core import barfile
from core.bars import Interval
from core.errors import DataError
from training.bars import against, check
from training.bars.findings import Finding, Report, Severity, Span
from training.bars.steps import usual_interval

_RANK: Final = {severity: rank for rank, severity in enumerate(Severity)}


class Part(msgspec.Struct, frozen=True):
    """The bars of one interval of a file."""

    interval: Interval
    table: pl.DataFrame


def check_file(path: Path, other: Path | None, interval: str | None, tick: Callable[[str], None]) -> Report:
    """Check every interval of a file, or the one named, alone and against those of another file.

    `tick` is told what is done next. `other` may be the same file where it holds several intervals.

    Raises: DataError: a file is missing, lacks columns, or nothing can be compared.
    """
    tick(f"reading {path.name}")
    mine = parts(path, interval)
    findings = check.order(_as_written(path))
    spans: list[Span] = []
    compared: dict[str, int] = {}
    for part in mine:
        tick(f"checking {part.interval.name}")
        span, found = check.check(part.table, part.interval)
        spans.append(span)
        findings += found
    if other is not None:
        compared, disagreements = _compared(mine, parts(other, None), other, tick)
        findings += disagreements
    findings.sort(key=lambda finding: (_RANK[finding.severity], finding.kind, finding.symbol, finding.ts))
    return Report(str(path), spans, compared, findings)


def parts(path: Path, interval: str | None) -> list[Part]:
    """The bars of a file by interval, the shortest first; `interval` names the only one wanted.

    Where the file has no `interval` column, it is taken for the one named, or for its most common step.
    """
    table = barfile.frame(path)
    if table["ts"].count() == 0:
        raise DataError(f"{path} holds no bars; try: gaze bars import SOURCE --out {path}")
    if "interval" not in table.columns:
        return [Part(Interval.parse(interval) if interval else usual_interval(table), table)]
    there = {str(name): rows for (name,), rows in table.partition_by("interval", as_dict=True).items()}
    if interval is not None and interval not in there:
        raise DataError(f"{path} holds the intervals {', '.join(sorted(there))}; try: --interval {min(there)}")
    chosen = {interval: there[interval]} if interval else there
    return sorted(
        (Part(Interval.parse(name), rows) for name, rows in chosen.items()), key=lambda part: part.interval.ms
    )


def _as_written(path: Path) -> pl.DataFrame:
    """Symbol, time and interval in the order of the file, which `barfile.frame` sorts."""
    table = pl.scan_parquet(path)
    names = [name for name in ("symbol", "ts", "interval") if name in table.collect_schema()]
    return table.select(names).collect()


def _compared(
    mine: list[Part], theirs: list[Part], other: Path, tick: Callable[[str], None]
) -> tuple[dict[str, int], list[Finding]]:
    tables = {part.interval: part.table for part in mine}
    other_tables = {part.interval: part.table for part in theirs}
    compared: dict[str, int] = {}
    # One finding a bar: what the shortest bars prove need not be said again by longer ones.
    findings: dict[tuple[str, str, str], Finding] = {}
    for ours, its in against.pairs(list(tables), list(other_tables)):
        tick(f"comparing {ours.name} with {its.name}")
        ends = ((ours, tables[ours]), (its, other_tables[its]))
        (short, short_table), (long, long_table) = sorted(ends, key=lambda end: end[0].ms)
        bars, disagreements = against.disagreements(short_table, short, long_table, long)
        compared[f"{long.name} from {short.name}"] = bars
        for finding in disagreements:
            findings.setdefault((finding.symbol, finding.interval, finding.ts), finding)
    if not sum(compared.values()):
        names = ", ".join(interval.name for interval in other_tables)
        raise DataError(
            f"nothing of {other} ({names}) can be compared: expected the same symbols and times in an interval that "
            f"divides, or is divided; try: gaze bars check {other}"
        )
    return compared, list(findings.values())
