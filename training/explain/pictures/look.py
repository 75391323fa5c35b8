"""One attention over many predictions: seven panels, distributions, heatmap, by kind of prediction.

N predictions, T steps.
"""

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from core import attention
from core.reach import over
from training.data.dataset import spread
from training.explain.explaining import Explained
from training.explain.measure import groups
from training.explain.pictures import style
from training.explain.predictions import Look, Predictions
from training.explain.reads import Floats
from training.explain.report import AttentionReport

SAMPLES: Final = 10
ROWS: Final = 24
TINY: Final = 1e-4
PAIRS: Final = ("outcome", "forecast", "confidence", "regime")
"""By what predictions are told apart in two."""


def seven_panels(of: Explained, told: AttentionReport, look: Look) -> Figure:
    """Distribution, samples, cumulative, heatmap, top contributors, buckets, statistical summary."""
    picture = style.figure(f"Where {of.report.subject} looks: {told.name}", 15, 10)
    grid = picture.add_gridspec(3, 3)
    weights_NT = look.profile_NT
    some_nT = weights_NT[spread(len(weights_NT), SAMPLES)]
    _distribution(picture.add_subplot(grid[0, :2]), told, weights_NT)
    _cumulative(picture.add_subplot(grid[0, 2]), told)
    _samples(picture.add_subplot(grid[1, 0]), told, some_nT)
    heat = picture.add_subplot(grid[1, 1:])
    _heat(heat, some_nT, [_name(of.predictions, row) for row in spread(len(weights_NT), SAMPLES).tolist()])
    heat.set_title(f"Heatmap of {len(some_nT)} predictions")
    _top(picture.add_subplot(grid[2, 0]), told)
    _buckets(picture.add_subplot(grid[2, 1]), told)
    _summary(picture.add_subplot(grid[2, 2]), told)
    return picture


def _distribution(axes: Axes, told: AttentionReport, weights_NT: Floats) -> None:
    steps = weights_NT.shape[1]
    mean_T, low_T, high_T = weights_NT.mean(axis=0), *np.quantile(weights_NT, (0.1, 0.9), axis=0)
    axes.bar(np.arange(steps), 100 * mean_T, width=0.85, color=style.BLUE, label="mean")
    axes.vlines(np.arange(steps), 100 * low_T, 100 * high_T, color=style.GREY, lw=1, label="10 to 90 % of predictions")
    _even(axes, told)
    axes.set_ylabel("weight (%)")
    axes.set_ylim(top=125 * float(max(high_T.max(), mean_T.max())))
    axes.set_title(f"Distribution: mean over {len(weights_NT):,} predictions")
    axes.legend(loc="upper left")
    style.bars_ago(axes, steps)


def _even(axes: Axes, told: AttentionReport) -> None:
    even_T = 100 * np.array(told.even_weights)
    label = f"even: {even_T.max():.2f} %" if np.ptp(even_T) < TINY else "even, where a window has that row"
    axes.plot(np.arange(len(even_T)), even_T, color="black", ls=":", lw=1.2, label=label)


def _cumulative(axes: Axes, told: AttentionReport) -> None:
    back_T = 100 * np.array(told.mean_weights)[::-1].cumsum()
    steps = len(back_T)
    count_T = np.arange(1, steps + 1)
    axes.plot(count_T, back_T, color=style.BLUE, label="mean attention")
    even_T = 100 * np.array(told.even_weights)[::-1].cumsum()
    axes.plot(count_T, even_T, color="black", ls=":", lw=1.2, label="even")
    for share, colour in ((50, style.ORANGE), (80, style.VERMILION)):
        reached = int(np.searchsorted(back_T, share)) + 1
        axes.axhline(share, color=colour, lw=1, ls="--")
        axes.plot(min(reached, steps), share, "o", color=colour, ms=6, label=f"{share} % in the last {reached} bars")
    axes.set(xlabel="bars counted back from the newest", ylabel="cumulative weight (%)", ylim=(0, 103))
    axes.set_title("Cumulative, 50 and 80 %")
    axes.legend(loc="lower right")


def _samples(axes: Axes, told: AttentionReport, some_nT: Floats) -> None:
    steps = some_nT.shape[1]
    for row in some_nT:
        axes.plot(np.arange(steps), 100 * row, lw=1, alpha=0.75)
    _even(axes, told)
    axes.set_ylabel("weight (%)")
    axes.set_ylim(0, 115 * float(some_nT.max()))
    axes.set_title(f"Individual predictions: {len(some_nT)}, evenly spread in time")
    axes.legend(loc="upper left", handles=axes.get_lines()[-1:])
    style.bars_ago(axes, steps)


def _heat(axes: Axes, some_nT: Floats, names: list[str]) -> None:
    steps = some_nT.shape[1]
    drawn = axes.imshow(100 * some_nT, aspect="auto", cmap=style.WEIGHTS, vmin=0, interpolation="nearest")
    assert axes.figure is not None
    axes.figure.colorbar(drawn, ax=axes, label="weight (%)", pad=0.01)
    axes.set_yticks(np.arange(len(names)), names)
    axes.tick_params(axis="y", labelsize=7)
    style.plain(axes)
    style.bars_ago(axes, steps)


def _name(of: Predictions, row: int) -> str:
    at = str(np.datetime64(int(of.samples.opened_at_ms[row]), "ms"))[5:16].replace("T", " ")
    said = "\N{BLACK UP-POINTING TRIANGLE}" if of.forecast_N[row] > 0 else "\N{BLACK DOWN-POINTING TRIANGLE}"
    came = "right" if of.right[row] else "wrong" if np.isfinite(of.outcome_N[row]) else "open"
    return f"{of.symbol(row)} {at} {said} {came}"


def _top(axes: Axes, told: AttentionReport) -> None:
    steps = len(told.mean_weights)
    ago = told.top_bars_ago
    weight = [100 * told.mean_weights[steps - 1 - one] for one in ago]
    even = [100 * told.even_weights[steps - 1 - one] for one in ago]
    drawn = axes.barh([f"{one} bars ago" for one in ago], weight, color=style.VERMILION, height=0.65)
    named = [f"{one:.2f} %, {one / yard:.2f} x even" for one, yard in zip(weight, even, strict=True)]
    axes.bar_label(drawn, named, padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.vlines(even, np.arange(len(ago)) - 0.4, np.arange(len(ago)) + 0.4, color="black", ls=":", lw=1.2)
    axes.set(xlabel="mean weight (%)", xlim=(0, max(weight) * 1.65))
    axes.set_title("Top contributors, dotted: even")


def _buckets(axes: Axes, told: AttentionReport) -> None:
    buckets = told.buckets[::-1]
    place = np.arange(len(buckets))
    own = axes.bar(place - 0.2, [100 * b.share.value for b in buckets], 0.4, color=style.BLUE, label="attention")
    axes.bar(place + 0.2, [100 * b.even_share for b in buckets], 0.4, color=style.PALE, label="even")
    axes.bar_label(own, [f"{b.lift.value:.2f} x" for b in buckets], padding=2, fontsize=9, fontweight="bold")
    names = [f"{b.name}\n{b.last_bars_ago} to {b.first_bars_ago} bars ago" for b in buckets]
    axes.set_xticks(place, names)
    axes.set(ylabel="share of weight (%)")
    axes.margins(y=0.15)
    axes.set_title("Time buckets, with lift over even")
    axes.legend()


def _summary(axes: Axes, told: AttentionReport) -> None:
    rows = (
        ("normalised entropy", "entropy", 3),
        ("concentration", "concentration", 3),
        ("Gini", "gini", 3),
        ("displaced from even", "displaced", 3),
        ("max weight / mean", "concentration_factor", 1),
        ("standard deviation", "deviation", 4),
        ("variance", "variance", 6),
        ("peaks", "peaks", 2),
        ("steps holding 50 %", "steps_for_half", 1),
        ("steps holding 80 %", "steps_for_80", 1),
        ("mean bars ago", "bars_ago", 1),
    )
    axes.axis("off")
    axes.set_title("Statistical summary, 95 % intervals")
    for line, (title, name, digits) in enumerate(rows):
        at = 0.96 - line * 0.077
        axes.text(0.0, at, title, va="top")
        axes.text(0.5, at, told.statistics[name].told(digits), va="top", family="monospace", fontsize=8)
    floor = f"lowest entropy its scores allow: {told.lowest_entropy:.3f}" if told.lowest_entropy else "scores unbounded"
    verdict = f"readable as an explanation: {told.reliability.verdict}"
    axes.text(0.0, 0.96 - len(rows) * 0.077, f"{floor}\n{verdict}", va="top", color=style.VERMILION)


def heatmap(of: Explained, told: AttentionReport, look: Look) -> Figure:
    """Several predictions under one another, the surest first, each with what was said and what came."""
    shown = spread(len(of.predictions), ROWS)
    shown = shown[np.argsort(-of.predictions.confidence_N[shown], kind="stable")]
    picture = style.figure(f"{told.name} of {len(shown)} predictions, surest at the top", 11, 6.5)
    axes = picture.add_subplot()
    _heat(axes, look.profile_NT[shown], [_name(of.predictions, row) for row in shown.tolist()])
    return picture


def distribution(of: Explained, told: AttentionReport, look: Look) -> Figure:
    """How the statistics of single predictions are spread, beside what even attention would give."""
    picture = style.figure(f"How differently {told.name} looks from one prediction to the next", 12, 6.5)
    one, two, three, four = picture.subplots(2, 2).ravel()
    weights_NT, reach_N = look.profile_NT, look.reach_N
    _histogram(one, over(attention.normalised_entropy, weights_NT, reach_N), "normalised entropy", 1.0)
    if told.lowest_entropy:
        one.axvspan(one.get_xlim()[0], told.lowest_entropy, color=style.PALE, alpha=0.5, label="out of reach (tanh)")
        one.legend()
    _histogram(two, over(attention.concentration_factor, weights_NT, reach_N), "max weight / mean weight", 1.0)
    _histogram(three, attention.bars_ago(weights_NT), "mean bars ago", float((reach_N - 1).mean() / 2))
    names = [str(name) for name in attention.Pattern]
    shares = [100 * told.patterns.get(name, 0.0) for name in names]
    drawn = four.barh([name.replace("_", " ") for name in names], shares, color=style.BLUE, height=0.65)
    four.bar_label(drawn, [f"{share:.1f} %" for share in shares], padding=3)
    four.invert_yaxis()
    four.set(xlabel="predictions (%)", xlim=(0, 118))
    four.set_title("Patterns")
    picture.supxlabel(f"n = {of.report.predictions:,} predictions", fontsize=8)
    return picture


def _histogram(axes: Axes, values_N: np.typing.NDArray[np.float64], name: str, even: float) -> None:
    axes.hist(values_N, bins=50, color=style.BLUE)
    axes.axvline(even, color="black", ls=":", lw=1.4, label=f"even: {even:g}")
    axes.axvline(float(values_N.mean()), color=style.VERMILION, label=f"mean: {values_N.mean():.3g}")
    axes.set(xlabel=name, ylabel="predictions")
    axes.set_title(name[0].upper() + name[1:])
    axes.legend()


def by_outcome(of: Explained, told: AttentionReport, look: Look) -> Figure:
    """Mean attention of right and wrong, up and down, sure and unsure, calm and volatile, each on one axis."""
    picture = style.figure(f"For whom {told.name} looks where", 12, 6.5)
    masks = groups(of.predictions, of.volatility_N)
    steps, even_NT = look.profile_NT.shape[1], look.even
    for axes, by in zip(picture.subplots(2, 2, sharex=True, sharey=True).ravel(), PAIRS, strict=True):
        pair = [(name, mask_N) for (of_kind, name), mask_N in masks.items() if of_kind == by]
        for (name, mask_N), colour, line in zip(pair, (style.BLUE, style.VERMILION), ("-", "--"), strict=False):
            even_T = even_NT[mask_N].mean(axis=0)
            mean_T = look.profile_NT[mask_N].mean(axis=0)
            lift_T = np.divide(mean_T, even_T, out=np.full(steps, np.nan, np.float32), where=even_T > 0)
            axes.plot(np.arange(steps), lift_T, line, color=colour, label=f"{name}, n = {mask_N.sum():,}")
        axes.axhline(1, color="black", ls=":", lw=1.2, label="even")
        axes.set_ylabel("lift over even")
        axes.set_title(f"By {by}")
        axes.legend(loc="upper left")
        style.bars_ago(axes, steps)
    return picture
