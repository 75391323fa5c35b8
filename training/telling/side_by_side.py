"""What a person reads of several runs compared: their scores side by side, differences and advice in words."""

from itertools import groupby

from rich.table import Table

from training.judging.scores import title
from training.many.comparing import Compared, Difference
from training.telling.report import number, scaled, unit, when


def runs(of: Compared) -> Table:
    """What was compared, and what each cost."""
    told = f"{len(of.runs)} runs on {of.windows:,} windows of {of.symbols} symbols that all may be judged on"
    table = Table(title=f"{told}, {when(of.span[0])} to {when(of.span[1])}", title_justify="left")
    for name in ("run", "family", "parameters", "trained, s", "best epoch"):
        table.add_column(name, justify="left" if name in {"run", "family"} else "right")
    for one in of.runs:
        numbers = (f"{one.parameters:,}", f"{one.seconds:.0f}", str(one.best_epoch))
        table.add_row(one.name, one.family, *numbers)
    return table


def scores(of: Compared) -> Table:
    """Every measure of every output, a column for each run, with its interval."""
    table = Table(title="Scores", title_justify="left", caption="95 % intervals: bootstrap over blocks of time")
    table.add_column("output", no_wrap=True)
    table.add_column("measure")
    for one in of.runs:
        table.add_column(one.name, justify="right")
    for (output, measure), rows in groupby(of.scores, key=lambda score: (score.output, score.measure)):
        scale = scaled(output, measure)
        shown = {
            row.predictor: f"{number(row.value * scale)} ({number(row.low * scale)} to {number(row.high * scale)})"
            for row in rows
        }
        cells = [shown.get(one.name, "") for one in of.runs]
        table.add_row(output, title(measure) + unit(output, measure), *cells)
    return table


def sentences(of: Compared) -> list[str]:
    """Leaks first, then each difference, then what to take."""
    leaks = [f"LEAK in {one.name}: {sentence}." for one in of.runs for sentence in one.leaks]
    return [*leaks, *map(difference, of.differences), *of.recommendations]


def difference(of: Difference) -> str:
    """One difference in words."""
    scale = scaled(of.output, of.measure)
    margin = f"{of.difference * scale:+.3g} ({of.low * scale:+.3g} to {of.high * scale:+.3g})"
    measured = title(of.measure) + unit(of.output, of.measure)
    return f"{of.output}: {of.run} is {of.verdict} {of.against}: {measured}, {margin}."
