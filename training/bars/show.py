"""What an import, a check and a simulation say to people."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Final

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from training.bars.findings import Finding, Report, Severity
from training.bars.importing import Imported

COLOURS: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


@contextmanager
def progress(total: int | None = None) -> Iterator[Progress]:
    """A progress line on standard error that goes when done; nothing at all where that is no terminal."""
    console = Console(stderr=True)
    columns = [SpinnerColumn(), TextColumn("{task.description}")]
    counted = [BarColumn(), MofNCompleteColumn()] if total is not None else []
    with Progress(*columns, *counted, console=console, transient=True, disable=not console.is_terminal) as shown:
        shown.add_task("reading bars", total=total)
        yield shown


def imported(done: Imported) -> None:
    """What every source was taken for, and what became of its rows."""
    console = Console(highlight=False, soft_wrap=True)
    for source in done.sources:
        console.print(f"[bold]{source.path}[/]: {source.kind}, {source.rows:,} rows")
        taken = ", ".join(f"{word} = {column}" for word, column in source.columns.items() if word != "symbol")
        console.print(f"  columns  {taken}", markup=False)
        console.print(f"  time     {source.time}; taken as the opening time of the bar", markup=False)
        console.print(f"  symbol   {source.symbol}", markup=False)
    symbols = f"{done.symbols:,} symbol{'' if done.symbols == 1 else 's'}"
    console.print(f"[bold]{done.out}[/]: {done.bars:,} bars of {done.interval}, {symbols}, {done.first} to {done.last}")
    if done.identical:
        console.print(f"  dropped: {done.identical:,} (the same bar again)")
    if done.refused:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in done.refused.items())
        console.print(f"  [yellow]refused: {sum(done.refused.values()):,}[/] ({kinds}), kept in {done.refused_file}")
    console.print(f"  fingerprint {done.fingerprint[:16]}; next: gaze bars check {done.out}")


def report(checked: Report, limit: int) -> None:
    """The intervals, the findings counted by kind, and the first `limit` of each kind."""
    console = Console(highlight=False)
    console.print(checked.path, style="bold", soft_wrap=True)
    heads = ("interval", "trading", "symbols", "bars", "first", "last", "gaps", "missing")
    spans = Table(*heads, box=SIMPLE, padding=(0, 1, 0, 0))
    for span in checked.spans:
        numbers = (f"{span.symbols:,}", f"{span.bars:,}", span.first[:10], span.last[:10])
        spans.add_row(span.interval, span.trading, *numbers, f"{span.gaps:,}", f"{span.missing:,}")
    console.print(spans)
    for pair, bars in checked.compared.items():
        console.print(f"compared {bars:,} bars of {pair}")
    for span in checked.spans:
        if span.largest_gap:
            gap = span.largest_gap
            console.print(
                f"largest gap of {span.interval}: {gap.symbol}, {gap.reason} ({gap.ts})", markup=False, soft_wrap=True
            )
    for (severity, kind), group in groupby(checked.findings, key=lambda one: (one.severity, one.kind)):
        _kind(console, severity, kind, list(group), limit)
    errors = checked.errors
    console.print(f"[red]errors: {errors:,}[/]" if errors else "[green]no errors[/]")


def _kind(console: Console, severity: Severity, kind: str, findings: list[Finding], limit: int) -> None:
    bars = sum(finding.bars for finding in findings)
    over = f" over {bars:,} bars" if bars > len(findings) else ""
    console.print(f"[{COLOURS[severity]}]{severity} {kind}[/]: {len(findings):,}{over}")
    for finding in findings[:limit]:
        many = f" x{finding.bars:,}" if finding.bars > 1 else ""
        where = f"{finding.symbol} {finding.interval} {finding.ts}{many}"
        console.print(f"  {where}: {finding.reason}", markup=False, soft_wrap=True)
    if len(findings) > limit:
        console.print(f"  and {len(findings) - limit:,} more (--limit, or --json for all)", style="dim")
