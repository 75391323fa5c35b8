"""Whether to believe an attention: deletion, agreement, the planted truth, and what stands where it looks."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.explain.estimate import Estimate
from training.explain.explaining import Explained
from training.explain.measure import AROUND
from training.explain.pictures import style
from training.explain.predictions import Look
from training.explain.reliability import Curve
from training.explain.report import AttentionReport
from training.explain.truth import TOP, Truth

TOP_CELLS = 10
LINES = ((style.VERMILION, "-"), (style.ORANGE, "--"), (style.GREY, ":"), (style.BLUE, "-."))


def reliability(told: AttentionReport) -> Figure:
    """Steps taken away, steps kept, agreement with occlusion at several shifts; the verdict above."""
    judged = told.reliability
    picture = style.figure(f"May {told.name} be read as an explanation?  {judged.verdict.capitalize()}", 13, 4.6)
    one, two, three = picture.subplots(1, 3)
    _curves(one, judged.counts, judged.deletion, "Comprehensiveness: steps taken away", "steps taken away")
    _curves(two, judged.counts, judged.sufficiency, "Sufficiency: only these steps kept", "steps kept")
    shifts = np.arange(len(judged.agreement_by_shift))
    drawn = three.bar(shifts, judged.agreement_by_shift, 0.6, color=style.BLUE)
    three.bar_label(drawn, fmt="%.2f", padding=2)
    three.axhline(0, color="black", lw=1)
    three.set_xticks(shifts)
    three.set(xlabel="attention read so many bars back", ylabel="mean rank correlation")
    three.set_title("Agreement with occlusion")
    three.margins(y=0.15)
    picture.supxlabel(f"n = {judged.predictions} predictions, evenly spread in time", fontsize=8)
    return picture


def _curves(axes: Axes, counts: tuple[int, ...], curves: Sequence[Curve], title: str, label: str) -> None:
    for curve, (colour, line) in zip(curves, LINES, strict=True):
        axes.plot(counts, curve.moved, line, color=colour, marker="o", ms=3.5, label=curve.way)
    axes.set(xlabel=label, ylabel="move of the forecast (deviations)")
    axes.set_ylim(bottom=0)
    axes.set_title(title)
    axes.legend()


def truth(told: AttentionReport, found: Truth) -> Figure:
    """How often each way of pointing finds the planted cause, beside chance."""
    picture = style.figure("Planted causes: how often they are found", 9, 4.4)
    axes = picture.add_subplot()
    width = 0.8 / len(found.finders)
    for number, (finder, colour) in enumerate(zip(found.finders, style.CYCLE, strict=False)):
        at = [place - 0.4 + (number + 0.5) * width for place in range(len(TOP))]
        name = f"{told.name if finder.name == 'attention' else finder.name}, n = {finder.lift.predictions:,}"
        axes.bar(at, [100 * finder.found[k].value for k in TOP], 0.9 * width, color=colour, label=name)
        _whiskers(axes, at, [finder.found[k] for k in TOP], 100)
    for place, k in enumerate(TOP):
        label = "chance" if k == TOP[0] else "_"
        axes.hlines(100 * found.chance[k], place - 0.45, place + 0.45, color="black", ls=":", label=label)
    axes.set_xticks(range(len(TOP)), [f"heaviest {k}" if k > 1 else "heaviest step" for k in TOP])
    axes.set(ylabel="causes found (%)", ylim=(0, 105))
    axes.set_title("found: a step counted here is the event or one of the two after it")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return picture


def _whiskers(axes: Axes, at: Sequence[float], of: Sequence[Estimate], scale: float) -> None:
    for x, one in zip(at, of, strict=True):
        if one.low is not None and one.high is not None:
            axes.vlines(x, scale * one.low, scale * one.high, color="black", lw=1.2)


def around(told: AttentionReport) -> Figure:
    """How unusual each feature is at the heaviest step and around it, over its mean over the window."""
    usual = {one.name: one.importance / one.lift for one in told.features if one.lift > 0}
    ratio = {name: np.array([one.value for one in told.around[name]]) / usual[name] for name in usual if usual[name]}
    order = sorted(ratio, key=lambda name: -float(np.nanmax(ratio[name])))[:12]
    picture = style.figure(f"What stands where {told.name} looks", 9, 1.8 + 0.42 * len(order))
    axes = picture.add_subplot()
    values = np.array([ratio[name] for name in order])
    most = max(2.0, float(np.nanmax(values)))
    drawn = axes.imshow(values, aspect="auto", cmap=style.WEIGHTS, vmin=0, vmax=most, interpolation="nearest")
    for row, column in np.ndindex(*values.shape):
        colour = "white" if values[row, column] > 0.6 * most else "black"
        axes.text(column, row, f"{values[row, column]:.1f}", ha="center", va="center", color=colour, fontsize=8)
    names = {0: "heaviest\nstep"}
    axes.set_xticks(np.arange(len(AROUND)), [names.get(one, f"{one:+d}") for one in AROUND])
    axes.set_yticks(np.arange(len(order)), order)
    axes.set_xlabel("bars from the heaviest step of each prediction")
    axes.set_title("Mean |deviations| of each feature, over its mean in the whole window (1.0)")
    style.plain(axes)
    picture.colorbar(drawn, ax=axes, label="times as unusual")
    return picture


def groups(told: AttentionReport) -> Figure:
    """Entropy, concentration factor and mean bars ago by kind of prediction, with intervals."""
    shown = told.groups[:40]
    picture = style.figure(f"By kind of prediction: {told.name}, 95 % intervals", 13, 1.4 + 0.25 * len(shown))
    kinds = list(dict.fromkeys(group.by for group in shown))
    names = [f"{group.by}: {group.name}  (n = {group.predictions:,})" for group in shown]
    panels = picture.subplots(1, 3, sharey=True)
    titles = ("normalised entropy", "max weight / mean weight", "mean bars ago")
    for axes, statistic, title in zip(panels, ("entropy", "concentration_factor", "bars_ago"), titles, strict=True):
        for row, group in enumerate(shown):
            one: Estimate = getattr(group, statistic)
            colour = style.CYCLE[kinds.index(group.by) % len(style.CYCLE)]
            axes.plot(one.value, row, "o", color=colour, ms=5)
            if one.low is not None and one.high is not None:
                axes.hlines(row, one.low, one.high, color=colour)
        axes.axvline(told.statistics[statistic].value, color="black", ls=":", lw=1)
        axes.set(xlabel=title, yticks=range(len(names)), yticklabels=names)
    panels[0].set_ylim(len(shown) - 0.4, -0.6)
    panels[0].set_title("dotted: all predictions")
    return picture


def saliency(of: Explained, told: AttentionReport, look: Look) -> Figure:
    """Mean attention beside what hangs on each step by every method, as shares, on one axis; and how they agree."""
    picture = style.figure("Where it looks, and what its forecast hangs on", 13, 4.4)
    axes, beside = picture.subplots(1, 2, width_ratios=[2.6, 1])
    steps = len(told.mean_weights)
    axes.bar(np.arange(steps), 100 * np.array(told.mean_weights), 0.85, color=style.PALE, label=f"{told.name} (weight)")
    for (name, values_NT), (colour, line) in zip(of.attributed.steps[look.place].items(), LINES, strict=False):
        hangs_T = values_NT.mean(axis=0)
        label = f"{name} (share), n = {len(values_NT)}"
        axes.plot(100 * hangs_T / (hangs_T.sum() or 1.0), line, color=colour, marker="o", ms=2.5, label=label)
    axes.plot(100 * np.array(told.even_weights), color="black", ls=":", lw=1.2, label="even")
    axes.set_ylabel("mean share (%)")
    axes.set_title("Not causes in the market: what moves this model's number")
    axes.legend(loc="upper left")
    style.bars_ago(axes, steps)
    place = np.arange(len(told.agreements))
    drawn = beside.barh(place, [one.value for one in told.agreements.values()], 0.6, color=style.BLUE)
    beside.bar_label(drawn, [one.told() for one in told.agreements.values()], padding=3, fontsize=7)
    beside.set_yticks(place, list(told.agreements))
    beside.invert_yaxis()
    beside.axvline(0, color="black", lw=1)
    beside.set(xlabel="mean rank correlation with attention", xlim=(-0.3, 1.6))
    beside.set_title("Agreement")
    return picture


def saliency_map(of: Explained, place: int) -> Figure:
    """Mean size of what hangs on each cell of an input, features by steps, the ten largest numbered."""
    maps, names = of.attributed.maps[place], of.report.inputs[place].features
    height = 1.6 + max(1.6, 0.2 * len(names))
    title = f"What the forecast hangs on, cell by cell: {of.report.inputs[place].name}"
    picture = style.figure(title, 12, height * len(maps))
    panels = picture.subplots(len(maps), 1, squeeze=False).ravel()
    for axes, (name, values_TF) in zip(panels, maps.items(), strict=True):
        values_FT = values_TF.T
        drawn = axes.imshow(values_FT, aspect="auto", cmap=style.WEIGHTS, vmin=0, interpolation="nearest")
        largest = np.argsort(-values_FT, axis=None, kind="stable")[:TOP_CELLS]
        for rank, cell in enumerate(largest.tolist(), 1):
            row, column = divmod(cell, values_FT.shape[1])
            axes.text(column, row, str(rank), ha="center", va="center", color="white", fontsize=7, fontweight="bold")
        axes.set_yticks(np.arange(len(names)), names, fontsize=7)
        axes.set_title(f"{name}: mean size, the {len(largest)} largest numbered")
        style.plain(axes)
        style.bars_ago(axes, values_FT.shape[1])
        picture.colorbar(drawn, ax=axes, label="of the forecast")
    return picture
