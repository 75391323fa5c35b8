"""What a person reads of a training: the model, each epoch, scores beside baselines, a verdict."""

from datetime import UTC, datetime
from itertools import groupby

from rich.table import Table

from training.evaluation import Comparison, Evaluation
from training.model import Model
from training.scores import MEASURES
from training.split import Parts

BASIS_POINTS = 1e4


def summary(model: Model) -> Table:
    """The layers of a model and how many numbers each learns."""
    table = Table(title=f"{type(model).__name__}: {_learned(model):,} parameters", title_justify="left")
    table.add_column("layer")
    table.add_column("kind")
    table.add_column("parameters", justify="right")
    for name, layer in model.named_modules():
        own = sum(weights.numel() for weights in layer.parameters(recurse=False))
        buffers = sum(values.numel() for values in layer.buffers(recurse=False))
        if own or buffers:
            fixed = f" (+{buffers} fitted once)" if buffers else ""
            table.add_row(name, type(layer).__name__, f"{own:,}{fixed}")
    return table


def parts(of: Parts) -> Table:
    """The three stretches of time and their windows."""
    table = Table(title=f"Split in time, {of.gap} bars left out between parts", title_justify="left")
    for name in ("part", "from", "to", "windows"):
        table.add_column(name, justify="right" if name == "windows" else "left")
    for name, part in (("train", of.train), ("validation", of.validation), ("test", of.test)):
        first, last = part.span
        table.add_row(name, _when(first), _when(last), f"{len(part):,}")
    return table


def scores(of: Evaluation) -> Table:
    """Every measure, of the model and then of each baseline, with its interval."""
    title = f"Test: {of.windows:,} windows of {of.symbols} symbols, {_when(of.span[0])} to {_when(of.span[1])}"
    table = Table(title=title, title_justify="left", caption="95 % intervals: bootstrap over blocks of time")
    table.add_column("output")
    table.add_column("measure")
    table.add_column("predictor")
    table.add_column("score", justify="right")
    table.add_column("95 % interval", no_wrap=True)
    for (output, measure), rows in groupby(of.scores, key=lambda score: (score.output, score.measure)):
        table.add_section()
        names, scale = (output, MEASURES[measure].title + _unit(measure)), _scale(measure)
        for score in rows:
            interval = f"{_number(score.low * scale)} to {_number(score.high * scale)}"
            table.add_row(*names, score.predictor, _number(score.value * scale), interval)
            names = ("", "")
    return table


def verdicts(of: Evaluation) -> list[str]:
    """One honest sentence for each comparison."""
    return [_sentence(comparison) for comparison in of.comparisons]


def _sentence(of: Comparison) -> str:
    against = {"zero": "forecasting zero", "majority": "always naming the more frequent direction"}[of.baseline]
    scale = _scale(of.measure)
    margin = f"{of.difference * scale:+.3g} ({of.low * scale:+.3g} to {of.high * scale:+.3g})"
    return f"{of.output} is {of.verdict} {against}: {MEASURES[of.measure].title}{_unit(of.measure)}, {margin}."


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"  # noqa: PLR2004 - .4g turns to exponents there


def _scale(measure: str) -> float:
    return {"mse": BASIS_POINTS**2, "rmse": BASIS_POINTS, "mae": BASIS_POINTS, "direction": 100.0}.get(measure, 1.0)


def _unit(measure: str) -> str:
    return {"mse": ", bp^2", "rmse": ", bp", "mae": ", bp", "direction": ", %"}.get(measure, "")


def _learned(model: Model) -> int:
    return sum(weights.numel() for weights in model.parameters())


def _when(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M")
