"""What a person reads of a training: the model, each epoch, scores beside baselines, a verdict."""

from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final

from rich.table import Table

from core.bundle import Score
from core.outputs import Kind
from training.data.split import Parts
from training.judging.evaluation import COMPARED, MODEL, PLAIN, Comparison, Evaluation
from training.judging.scores import BAND
from training.judging.scores import title as titled
from training.judging.trading import Trade
from training.many.several import Several
from training.network.model import Model

if TYPE_CHECKING:
    from training.many.sweep import Tried

BASIS_POINTS: Final = 1e4
POWERS: Final = {"mse": 2, "rmse": 1, "mae": 1, "pinball": 1}
"""Measures in the unit of the output, and to which power."""
IN_RETURNS: Final = (Kind.RETURN, Kind.QUANTILES)
LEFT: Final = ("output", "measure", "predictor")
PERCENT: Final = frozenset({"direction", "accuracy", "precision", "recall", "f1", "coverage"})
AGAINST: Final = {
    "zero": "forecasting zero",
    "direction": "always naming the more frequent direction",
    "majority": "always saying what was most frequent",
    "usual": "always saying what was usual",
    "linear": "ridge regression",
    "boosting": "gradient boosting",
    "boosting_gaze": "gradient boosting that also reads where the model looked",
}


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
        table.add_row(name, when(first), when(last), f"{len(part):,}")
    return table


def scores(of: Evaluation) -> Table:
    """Every measure, of the model and then of each baseline, with its interval."""
    title = f"Test: {of.windows:,} windows of {of.symbols} symbols, {when(of.span[0])} to {when(of.span[1])}"
    table = Table(title=title, title_justify="left", caption="95 % intervals: bootstrap over blocks of time")
    table.add_column("output", no_wrap=True)
    table.add_column("measure")
    table.add_column("predictor")
    table.add_column("score", justify="right")
    table.add_column("95 % interval", no_wrap=True)
    for (output, measure), rows in groupby(of.scores, key=lambda score: (score.output, score.measure)):
        table.add_section()
        names, scale = (output, titled(measure) + unit(output, measure)), scaled(output, measure)
        for score in rows:
            interval = f"{number(score.low * scale)} to {number(score.high * scale)}"
            table.add_row(*names, score.predictor, number(score.value * scale), interval)
            names = ("", "")
    return table


def trials(of: "list[Tried]") -> Table:
    """The trials of a sweep, best first."""
    table = Table(title="Trials, best first", title_justify="left", caption="validation loss: never the final span's")
    for name in ("trial", "validation loss", "seconds", *of[0].changes):
        table.add_column(name, justify="right", overflow="fold")
    for one in of:
        loss = "refused" if one.loss is None else f"{one.loss:.5f}"
        table.add_row(str(one.number), loss, f"{one.seconds:.0f}", *(_short(value) for value in one.changes.values()))
    return table


def spreads(of: Several) -> Table:
    """Every measure over several trainings, of the model and then of each baseline."""
    table = Table(
        title=f"{len(of.runs)} trainings: {', '.join(of.runs)}",
        title_justify="left",
        caption="behind: in how many trainings the model was better",
    )
    table.add_column("predictor", max_width=24)
    for name in ("mean", "deviation", "lowest to highest", "behind"):
        table.add_column(name, justify="right", no_wrap=True)
    for (output, measure), rows in groupby(of.spreads, key=lambda one: (one.output, one.measure)):
        table.add_section()
        table.add_row(f"{output} {titled(measure)}{unit(output, measure)}", style="bold")
        scale = scaled(output, measure)
        for one in rows:
            mean, deviation, low, high = (
                number(value * scale) for value in (one.mean, one.deviation, one.lowest, one.highest)
            )
            behind = "" if one.predictor == MODEL else f"{one.ahead} of {one.trainings}"
            table.add_row(one.predictor, mean, deviation, f"{low} to {high}", behind)
    return table


def parts_apart(of: Evaluation) -> Table:
    """The measure that each output's verdict rests on, and its bands, by symbol or volatility regime."""
    caption = "regimes: thirds by the volatility of the 20 bars before; every measure: --json"
    table = Table(title="Apart", title_justify="left", caption=caption)
    for name in ("part", "windows", "output", "measure", "predictor", "score", "95 % interval"):
        table.add_column(name, no_wrap=name == "output", justify="right" if name in {"windows", "score"} else "left")
    for part in of.parts:
        table.add_section()
        names = (part.name, f"{part.windows:,}")
        shown = [one for one in part.scores if one.measure.startswith(BAND) or one.measure == _main(one.output)]
        for score in shown:
            scale = scaled(score.output, score.measure)
            measure = titled(score.measure) + unit(score.output, score.measure)
            interval = f"{number(score.low * scale)} to {number(score.high * scale)}"
            table.add_row(*names, score.output, measure, score.predictor, number(score.value * scale), interval)
            names = ("", "")
    return table


def trading(of: Evaluation) -> Table:
    """What the model's forecasts and the baselines' would have earned."""
    caption = "long where a forecast points up, short where down, an equal share for every symbol; turnover each bar"
    title = f"Traded at {of.trades[0].cost_bps:g} bp, a year"
    table = Table(title=title, title_justify="left", caption=caption)
    for name in (
        "output",
        "predictor",
        "Sharpe",
        "95 % interval",
        "before costs",
        "return, %",
        "turnover, %",
        "deflated",
    ):
        table.add_column(name, no_wrap=name == "output", justify="left" if name in LEFT else "right")
    for output, rows in groupby(of.trades, key=lambda one: one.output):
        table.add_section()
        shown = output
        for one in rows:
            numbers = (f"{one.before_costs:.2f}", f"{100 * one.return_:.1f}", f"{100 * one.turnover:.1f}")
            interval = f"{one.low:.2f} to {one.high:.2f}"
            table.add_row(shown, one.predictor, f"{one.sharpe:.2f}", interval, *numbers, f"{one.deflated:.2f}")
            shown = ""
    return table


def _earned(of: Trade, usual: Trade | None) -> str:
    apart = "distinguishable from" if of.skilled else "not distinguishable from"
    beside = f" Always on the more frequent side: {usual.sharpe:.2f}." if usual is not None else ""
    tries = "one try" if of.tries == 1 else f"{of.tries} tries"
    return (
        f"Trading on {of.output} at {of.cost_bps:g} bp is {apart} trading without skill: Sharpe ratio {of.sharpe:.2f} "
        f"a year ({of.low:.2f} to {of.high:.2f}) after costs, {of.before_costs:.2f} before, {100 * of.turnover:.0f} % "
        f"of the book each bar; after {tries} the chance of skill is {100 * of.deflated:.0f} % (deflated Sharpe)."
        f"{beside}"
    )


def calibration(of: Evaluation) -> Table | None:
    """What the model said beside how often it came, with its calibration and without; None where nothing has one."""
    curves = [one for one in of.curves if one.predictor in {MODEL, PLAIN}]
    if not curves:
        return None
    table = Table(title="Calibration: does what is said come as often?", title_justify="left")
    for name in ("output", "predictor", "said, %", "came, %", "95 % interval", "windows"):
        table.add_column(name, no_wrap=name == "output", justify="left" if name in LEFT else "right")
    for one in curves:
        table.add_section()
        names = (one.output, one.predictor)
        for at in one.points:
            interval = f"{100 * at.low:.1f} to {100 * at.high:.1f}"
            table.add_row(*names, f"{100 * at.said:.1f}", f"{100 * at.came:.1f}", interval, f"{at.windows:,}")
            names = ("", "")
    return table


def leaking(of: Evaluation) -> list[str]:
    """What must be read before any score: every leak, and what it means."""
    if not of.leaks:
        return []
    told = [f"LEAK: {sentence}." for sentence in of.leaks]
    return [
        *told,
        "So these scores are not to be believed. try: gaze train with a split in time",
    ]


def verdicts(of: Evaluation) -> list[str]:
    """One honest sentence for each comparison, for each band, and for what trading would have earned."""
    bands = [score for score in of.scores if score.measure.startswith(BAND)]
    own = [one for one in of.trades if one.predictor == MODEL]
    usual = {one.output: one for one in of.trades if one.predictor == "majority"}
    earned = [_earned(one, usual.get(one.output)) for one in own]
    return [*map(_sentence, of.comparisons), *map(_held, bands), *earned]


def _held(of: Score) -> str:
    stated = float(of.measure.removeprefix(BAND)) / 100
    found = f"held {100 * of.value:.1f} % of outcomes ({100 * of.low:.1f} to {100 * of.high:.1f})"
    if of.low <= stated <= of.high:
        return f"{of.output}: bands of {100 * stated:g} % {found}, as stated."
    return f"{of.output}: bands of {100 * stated:g} % {found}: too {'narrow' if of.value < stated else 'wide'}."


def _main(output: str) -> str:
    """The measure that the verdict on an output rests on."""
    return COMPARED[Kind(output.rpartition("_")[0])][0][0]


def _sentence(of: Comparison) -> str:
    scale = scaled(of.output, of.measure)
    margin = f"{of.difference * scale:+.3g} ({of.low * scale:+.3g} to {of.high * scale:+.3g})"
    unit_ = unit(of.output, of.measure)
    against = AGAINST["direction" if of.measure == "direction" else of.baseline]
    return f"{of.output} is {of.verdict} {against}: {titled(of.measure)}{unit_}, {margin}."


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def number(value: float) -> str:
    """A score in four digits."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"  # noqa: PLR2004 - .4g turns to exponents there


def scaled(output: str, measure: str) -> float:
    """What a score is multiplied by to be told in its unit."""
    if measure in PERCENT or measure.startswith(BAND):
        return 100.0
    return BASIS_POINTS ** POWERS.get(measure, 0) if output.startswith(IN_RETURNS) else 1.0


def unit(output: str, measure: str) -> str:
    """The unit a score is told in, after a comma; empty where it has none."""
    if measure in PERCENT or measure.startswith(BAND):
        return ", %"
    power = POWERS.get(measure, 0) if output.startswith(IN_RETURNS) else 0
    return ("", ", bp", ", bp^2")[power]


def _learned(model: Model) -> int:
    return sum(weights.numel() for weights in model.parameters())


def when(at_ms: int) -> str:
    """A time in UTC, to the minute."""
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M")
