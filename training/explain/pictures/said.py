"""What one output says: its distribution, classes, confidence, entropy, and calibration before and after."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from core.outputs import Kind, Output
from training.explain.explaining import Explained
from training.explain.pictures import style
from training.explain.reads import Doubles, Floats
from training.explain.said import Said, chances, class_names, entropy

SHOWN = 12
COLOURS = {"model": style.BLUE, "uncalibrated": style.ORANGE}


def said(of: Explained, output: Output, told: Said) -> Figure:
    """One output of any kind."""
    values = of.predictions.said[output.name]
    label_N = of.predictions.samples.target(output)
    chances_NC = chances(output, values)
    if chances_NC is None:
        return _numbers(output, told, values, label_N)
    picture = style.figure(f"What {of.report.subject} says: {output.name}, n = {told.predictions:,}", 16, 7.5)
    one, two, three, four, five, six = picture.subplots(2, 3).ravel()
    if output.kind is Kind.ORDINAL:
        _cumulative(one, told, chances_NC)
    else:
        _event(one, chances_NC[:, 1], label_N, output)
    _means(two, output, told, chances_NC)
    _counts(three, told)
    _confidence(four, chances_NC)
    _entropy(five, chances_NC)
    _calibration(six, told, 1 / chances_NC.shape[1])
    return picture


def _event(axes: Axes, said_N: Doubles, label_N: Doubles, output: Output) -> None:
    names = class_names(output)
    bins = np.linspace(0, 1, 41).tolist()
    for number, colour in ((0, style.VERMILION), (1, style.BLUE)):
        some = said_N[label_N == number]
        axes.hist(some, bins, color=colour, alpha=0.55, label=f"came {names[number]}, n = {len(some):,}")
    axes.axvline(0.5, color="black", ls=":", lw=1.2)
    axes.set(xlabel=f"probability of {names[1]}", ylabel="predictions", xlim=(0, 1))
    axes.set_title("What was said, by what came")
    axes.legend()


def _cumulative(axes: Axes, told: Said, chances_NC: Doubles) -> None:
    above_NC = 1 - chances_NC.cumsum(axis=1)[:, :-1]
    edge = np.arange(above_NC.shape[1])
    rows = np.linspace(0, len(above_NC) - 1, min(SHOWN, len(above_NC))).round().astype(int)
    for row in rows:
        axes.plot(edge, above_NC[row], color=style.PALE, lw=1)
    axes.plot(edge, told.cumulative, "o-", color=style.BLUE, label="said, mean")
    if told.came_cumulative:
        axes.plot(edge, told.came_cumulative, "s--", color=style.VERMILION, label="came")
    axes.set_xticks(edge, [f"> class {number}" for number in edge])
    axes.set(xlabel="lying above a class", ylabel="probability", ylim=(0, 1.02))
    axes.set_title(f"Cumulative (CORAL); never rising in {100 * (told.monotone or 0):.0f} % of predictions")
    axes.legend()


def _means(axes: Axes, output: Output, told: Said, chances_NC: Doubles) -> None:
    names = class_names(output)
    place = np.arange(len(names))
    axes.bar(place - 0.2, 100 * chances_NC.mean(axis=0), 0.4, color=style.BLUE, label="said, mean")
    total = sum(one.support for one in told.classes)
    if total:
        came = [100 * one.support / total for one in told.classes]
        axes.bar(place + 0.2, came, 0.4, color=style.VERMILION, label="came")
    axes.set_xticks(place, names)
    axes.set(xlabel="class", ylabel="share (%)")
    axes.set_title("Probability of each class")
    axes.legend()


def _counts(axes: Axes, told: Said) -> None:
    axes.axis("off")
    axes.set_title("Classes: named, came, and how well")
    lines = [f"{'':10s}{'named':>8s}{'came':>8s}{'precision':>11s}{'recall':>8s}{'F1':>7s}"]
    lines += [
        f"{one.name:10s}{one.named:8,d}{one.support:8,d}{one.precision:11.3f}{one.recall:8.3f}{one.f1:7.3f}"
        for one in told.classes
    ]
    if told.classes and told.right:
        lines += ["", f"right {told.right.told(3)}", f"F1 macro {told.macro_f1:.3f}, weighted {told.weighted_f1:.3f}"]
    if told.area is not None:
        lines.append(f"area under the curve {told.area:.3f}")
    axes.text(0, 0.95, "\n".join(lines), va="top", family="monospace", fontsize=9)


def _confidence(axes: Axes, chances_NC: Doubles) -> None:
    least = 1 / chances_NC.shape[1]
    axes.hist(chances_NC.max(axis=1), np.linspace(least, 1, 41).tolist(), color=style.BLUE)
    axes.axvline(least, color="black", ls=":", lw=1.4, label=f"every class alike: {least:.2f}")
    axes.set(xlabel="probability of the class it names", ylabel="predictions")
    axes.set_title("Confidence")
    axes.legend()


def _entropy(axes: Axes, chances_NC: Doubles) -> None:
    axes.hist(entropy(chances_NC), np.linspace(0, 1, 41).tolist(), color=style.GREEN)
    axes.axvline(1, color="black", ls=":", lw=1.4, label=f"largest: log {chances_NC.shape[1]}")
    axes.set(xlabel="entropy over its largest", ylabel="predictions")
    axes.set_title("Entropy")
    axes.legend()


def _calibration(axes: Axes, told: Said, least: float) -> None:
    axes.plot([least, 1], [least, 1], color="black", ls=":", lw=1.2, label="as often as it claims")
    for one in told.calibrations:
        colour = COLOURS[one.predictor]
        x = [point.claimed for point in one.bins]
        label = f"{one.predictor}, error {one.error:.3f}"
        axes.plot(x, [point.came.value for point in one.bins], "o-", color=colour, ms=4, label=label)
        for point in one.bins:
            if point.came.low is not None and point.came.high is not None:
                axes.vlines(point.claimed, point.came.low, point.came.high, color=colour, lw=1)
    axes.set(xlabel="claimed", ylabel="right", xlim=(least - 0.02, 1.02), ylim=(0, 1.02))
    axes.set_title("Does 80 % mean 80 %?")
    axes.legend(loc="upper left")


def _numbers(output: Output, told: Said, values: Floats, label_N: Doubles) -> Figure:
    """Forecasts beside what came; of quantiles how much each holds; of deviations how far outcomes were in them."""
    picture = style.figure(f"What it says: {output.name}, n = {told.predictions:,}", 12, 4.4)
    first, second = picture.subplots(1, 2)
    wide = values.reshape(len(values), -1).astype(np.float64)
    came_N = label_N[np.isfinite(label_N)]
    edge = float(np.quantile(np.abs(np.concatenate([wide.ravel(), came_N])), 0.995)) or 1.0
    bins = np.linspace(0 if output.kind is Kind.DEVIATION else -edge, edge, 61).tolist()
    if output.kind is not Kind.DEVIATION and len(came_N):
        first.hist(came_N, bins, color=style.PALE, density=True, label=f"came, deviation {came_N.std():.3g}")
    names = [f"level {level:g}" for level in output.levels] or ["said"]
    for name, column, colour in zip(names, wide.T, style.CYCLE * len(names), strict=False):
        first.hist(column, bins, color=colour, density=True, histtype="step", lw=1.5, label=name)
    first.set(xlabel=f"{output.name} ({output.unit})", ylabel="density", yscale="log")
    first.set_title("Distribution")
    first.legend()
    if output.kind is Kind.QUANTILES:
        second.plot([0, 1], [0, 1], color="black", ls=":", label="as much as it says")
        levels = [float(level) for level in told.covered]
        second.plot(
            levels, [one.value for one in told.covered.values()], "o-", color=style.BLUE, label="outcomes below"
        )
        second.set(xlabel="level", ylabel="share of outcomes below", xlim=(0, 1), ylim=(0, 1))
        second.set_title("Calibration")
        second.legend()
    else:
        _beside(second, output, wide[:, 0], label_N)
    return picture


def _beside(axes: Axes, output: Output, said_N: Doubles, label_N: Doubles) -> None:
    known_N = np.isfinite(label_N)
    said_n, came_n = said_N[known_N], label_N[known_N]
    came_n = np.abs(came_n) if output.kind is Kind.DEVIATION else came_n
    tenths = [tenth for tenth in np.array_split(np.argsort(said_n, kind="stable"), 10) if len(tenth)]
    x = [float(said_n[tenth].mean()) for tenth in tenths]
    squares = output.kind is Kind.DEVIATION
    y = [float(np.sqrt((came_n[tenth] ** 2).mean()) if squares else came_n[tenth].mean()) for tenth in tenths]
    axes.plot(x, x, color="black", ls=":", lw=1.2, label="deserved")
    axes.plot(x, y, "o", color=style.BLUE, label="tenths of what was said")
    axes.set(xlabel="said, mean", ylabel="came, root mean square" if squares else "came, mean")
    axes.set_title("Is its size deserved?")
    axes.legend()
