"""One prediction: its attention, its attention over its features, and what its forecast hangs on."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.explain.cases import Case, CaseLook, iso
from training.explain.explaining import Explained
from training.explain.pictures import style

FEATURES = 5


def attention(of: Explained, case: Case, look: CaseLook) -> Figure:
    """Weights over dates, the top five highlighted, what was said and what came in the title."""
    picture = style.figure(title(case), 11, 4.5)
    axes = picture.add_subplot()
    _weights(axes, look)
    _dates(axes, of, case, look.place)
    return picture


def title(case: Case) -> str:
    """What was said, how surely, and what came."""
    came = {True: "right", False: "wrong", None: "outcome not known yet"}[case.correct]
    actual = f", came {case.came}" if case.came else ""
    return (
        f"{case.symbol} {case.opened_at}: {case.said}, {case.told} "
        f"(confidence {100 * case.confidence:.0f} %){actual}: {came}"
    )


def _weights(axes: Axes, look: CaseLook) -> None:
    steps = len(look.weights)
    place = np.arange(steps)
    weight = 100 * np.array(look.weights)
    axes.bar(place, weight, 0.85, color=style.PALE, label="weight")
    top = np.array([steps - 1 - step.bars_ago for step in look.top])
    axes.bar(top, weight[top], 0.85, color=style.VERMILION, label=f"top {len(top)}")
    axes.axhline(100 / steps, color="black", ls=":", lw=1.2, label=f"even: {100 / steps:.2f} %")
    axes.set_ylabel("weight (%)")
    axes.set_title(
        f"{look.attention}: {look.pattern.replace('_', ' ')}, entropy {look.entropy:.3f}, "
        f"max {look.concentration_factor:.1f} x even"
    )
    axes.legend(loc="upper left")
    axes.set_xlim(-0.6, steps - 0.4)


def _dates(axes: Axes, of: Explained, case: Case, place: int) -> None:
    """Opening times of some bars under the axis."""
    predictions = of.predictions
    times_T = predictions.times(case.row, place)
    steps = len(times_T)
    ago = np.arange(0, steps, max(1, round(steps / 8)))
    names = [iso(int(times_T[steps - 1 - one])).rstrip("Z").replace("T", "\n") for one in ago]
    axes.set_xticks(steps - 1 - ago, names)
    axes.set_xlabel(f"bar opened at (UTC), bars of {predictions.panel.interval.name}")


def features(of: Explained, case: Case, look: CaseLook) -> Figure:
    """Attention above the close and the features that are least usual where it looks."""
    names = [one.name for one in look.features[:FEATURES]]
    picture = style.figure(title(case), 11, 3.2 + 1.25 * len(names))
    first, price, *rest = picture.subplots(2 + len(names), 1, sharex=True, height_ratios=[2, 1.4, *([1] * len(names))])
    _weights(first, look)
    predictions = of.predictions
    steps = len(look.weights)
    price.plot(np.arange(steps), predictions.closes(case.row, look.place), color="black", lw=1.3)
    price.set_ylabel("close")
    x_RF = predictions.window(case.row, look.place)
    known = predictions.feature_set(look.place)
    units = {one.name: one.unit for one in known.features}
    for axes, name, colour in zip(rest, names, style.CYCLE, strict=False):
        column = predictions.names(look.place).index(name)
        axes.plot(np.arange(steps), x_RF[:, column], color=colour, lw=1.3)
        axes.axhline(float(predictions.usual[look.place][column]), color="black", ls=":", lw=1)
        axes.set_ylabel(units.get(name) or "value", fontsize=8)
        axes.set_title(f"{name}, dotted: its mean", fontsize=9)
    for axes in (price, *rest):
        for step in look.top:
            strength = min(0.35, 0.08 + step.weight)
            axes.axvspan(
                steps - 1.5 - step.bars_ago, steps - 0.5 - step.bars_ago, color=style.VERMILION, alpha=strength
            )
    _dates((first, price, *rest)[-1], of, case, look.place)
    return picture


def occlusion(of: Explained, case: Case, look: CaseLook) -> Figure:
    """What the forecast loses without each cell, under the attention, so that one sees whether they agree."""
    lost_FT = np.array(case.occlusion[look.place]).T
    names = of.report.inputs[look.place].features
    picture = style.figure(title(case), 11, 3.6 + 0.22 * len(names))
    first, second = picture.subplots(2, 1, sharex=True, height_ratios=[2, 1 + 0.16 * len(names)])
    _weights(first, look)
    most = float(np.abs(lost_FT).max()) or 1.0
    drawn = second.imshow(lost_FT, aspect="auto", cmap=style.SIGNED, vmin=-most, vmax=most, interpolation="nearest")
    picture.colorbar(drawn, ax=second, label="forecast lost", pad=0.01)
    second.set_yticks(np.arange(len(names)), names)
    second.set_title("Occlusion: what the forecast loses when a cell is made usual (not a cause in the market)")
    style.plain(second)
    _dates(second, of, case, look.place)
    return picture
