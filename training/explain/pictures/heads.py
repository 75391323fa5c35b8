"""Heads, layers, self- and cross-attention, gates: pictures that exist where an attention has the axis."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.explain.axes import AXES
from training.explain.inside import Inside
from training.explain.pictures import style
from training.explain.predictions import Gates, Look
from training.explain.reads import Doubles
from training.explain.report import AttentionReport, Head

GATES = 32


def heads(told: AttentionReport) -> Figure:
    """Mean weights of each head, its entropy and how much it is its own, and the overlap of every two."""
    count = len(told.heads)
    picture = style.figure(f"The {count} heads of {told.name}", 14, 3.6 + 0.25 * count)
    first, second, third = picture.subplots(1, 3, width_ratios=[2.2, 1.2, 1.3])
    names = [f"head {head.number}" for head in told.heads]
    _rows(first, told.heads, names, f"{told.name}, mean weight by head")
    place = np.arange(count)
    own = [head.specialisation for head in told.heads]
    second.barh(place - 0.2, [head.entropy for head in told.heads], 0.4, color=style.BLUE, label="entropy")
    second.barh(place + 0.2, own, 0.4, color=style.ORANGE, label="weight where others do not look")
    second.set_yticks(place, names)
    second.invert_yaxis()
    second.set(xlabel="0 to 1", xlim=(0, 1.05))
    second.set_title("Entropy, and own weight")
    second.legend(loc="lower right")
    matrix = np.array(told.head_redundancy)
    drawn = third.imshow(matrix, cmap=style.WEIGHTS, vmin=0, vmax=1, interpolation="nearest")
    for row, column in np.ndindex(count, count):
        colour = "white" if matrix[row, column] > 0.6 else "black"  # noqa: PLR2004 - where the ground is dark
        third.text(column, row, f"{matrix[row, column]:.2f}", ha="center", va="center", color=colour, fontsize=8)
    third.set_xticks(place)
    third.set_yticks(place)
    third.set(xlabel="head", ylabel="head")
    third.set_title("Redundancy: weight on the same steps")
    style.plain(third)
    picture.colorbar(drawn, ax=third, shrink=0.8)
    return picture


def _rows(axes: Axes, of: Sequence[Head], names: list[str], title: str) -> None:
    values = 100 * np.array([one.mean_weights for one in of])
    drawn = axes.imshow(values, aspect="auto", cmap=style.WEIGHTS, vmin=0, interpolation="nearest")
    for row, one in enumerate(of):
        axes.plot(values.shape[1] - 1 - one.peak_bars_ago, row, marker="v", color=style.VERMILION, ms=7)
    axes.set_yticks(np.arange(len(names)), names)
    axes.set_title(f"{title}; marked: its peak")
    style.plain(axes)
    style.bars_ago(axes, values.shape[1])
    assert axes.figure is not None
    axes.figure.colorbar(drawn, ax=axes, label="weight (%)")


def layers(told: AttentionReport) -> Figure:
    """How attention changes from layer to layer: entropy, sparsity, what each takes over, and the weights."""
    picture = style.figure(f"{told.name} from layer to layer", 12, 4.4)
    first, second = picture.subplots(1, 2, width_ratios=[1, 1.6])
    number = [layer.number for layer in told.layers]
    first.plot(number, [layer.entropy for layer in told.layers], "o-", color=style.BLUE, label="normalised entropy")
    first.plot(number, [layer.sparsity for layer in told.layers], "s--", color=style.ORANGE, label="sparsity (Gini)")
    if told.kept_between_layers:
        label = "weight kept from the layer before"
        first.plot(number[1:], told.kept_between_layers, "^:", color=style.GREEN, label=label)
    first.set(xlabel="layer", ylabel="0 to 1", xticks=number, ylim=(0, 1.05))
    first.set_title("Evolution")
    first.legend()
    _rows(second, told.layers, [f"layer {one}" for one in number], "Mean weight by layer")
    return picture


def matrices(name: str, axes_names: tuple[str, ...], mean: Doubles) -> Figure:
    """Who looks where: mean attention from each step to each, by layer and head.

    A diagonal is a step that looks at itself, stripes are steps at which all look, an even grey looks nowhere.
    """
    query = max(place for place in range(len(axes_names) - 1) if axes_names[place] not in {"layer", "head"})
    looking = axes_names[query]
    panels = _panels(mean, query)
    labels = [axes_names[place] for place in range(query) if axes_names[place] in {"layer", "head"}]
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
    picture = style.figure(f"{name}: who looks where", 3.4 * columns + 1, 3.1 * rows + 0.6)
    drawn_on = picture.subplots(rows, columns, squeeze=False).ravel()
    most = max(float(matrix.max()) for _, matrix in panels)
    for axes, (place, matrix) in zip(drawn_on, panels, strict=False):
        drawn = axes.imshow(100 * matrix, cmap=style.WEIGHTS, vmin=0, vmax=100 * most, aspect="auto")
        named = ", ".join(f"{label} {number}" for label, number in zip(labels, place, strict=True))
        axes.set_title(named or "mean")
        style.plain(axes)
        style.bars_ago(axes, matrix.shape[1], f"looked at: {AXES[axes_names[-1]].label}")
        rows_there = np.linspace(0, matrix.shape[0] - 1, min(5, matrix.shape[0])).round().astype(int)
        last = matrix.shape[0] - 1
        axes.set_yticks(rows_there, [str(last - one if AXES[looking].steps else one) for one in rows_there])
        axes.set_ylabel(f"looks: {AXES[looking].label}")
    for axes in drawn_on[len(panels) :]:
        axes.axis("off")
    picture.colorbar(drawn, ax=drawn_on.tolist(), label="weight (%)", shrink=0.7)
    return picture


def _panels(mean: Doubles, query: int) -> list[tuple[tuple[int, ...], Doubles]]:
    """Every (looking, looked at) matrix with its place among layers and heads, at most the first and last 8."""
    between = tuple(range(query + 1, mean.ndim - 1))
    lying = mean.mean(axis=between) if between else mean
    flat = [(place, lying[place]) for place in np.ndindex(*lying.shape[:-2])]
    return flat if len(flat) <= 16 else [*flat[:8], *flat[-8:]]  # noqa: PLR2004 - two rows of first, two of last


def evolution(of: Sequence[Inside]) -> Figure:
    """Entropy and sparsity from layer to layer, of every kind of attention inside the model; heads as dots."""
    picture = style.figure("Inside, from layer to layer: each look's entropy and sparsity", 12, 4.4)
    for axes, title, values in zip(
        picture.subplots(1, 2, sharey=True),
        ("Normalised entropy", "Sparsity (Gini)"),
        ([one.entropy for one in of], [one.sparsity for one in of]),
        strict=True,
    ):
        for one, by_layer, colour in zip(of, values, style.CYCLE * len(of), strict=False):
            number = np.arange(len(by_layer))
            axes.plot(number, [np.mean(layer) for layer in by_layer], "o-", color=colour, label=one.name)
            for place, layer in enumerate(by_layer):
                axes.plot(np.full(len(layer), place), layer, ".", color=colour, ms=3, alpha=0.6)
        axes.set(xlabel="layer", ylabel="0 to 1", ylim=(0, 1.05))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_title(title)
        axes.legend()
    return picture


def by_layer_and_head(told: AttentionReport, look: Look) -> Figure:
    """Where each head of each layer looks: a row a head, a panel a layer."""
    axes_names = look.layout.axes
    kept = tuple(place for place, name in enumerate(axes_names[:-1]) if name not in {"layer", "head"})
    mean = look.mean.mean(axis=kept) if kept else look.mean
    mean = mean if axes_names.index("layer") < axes_names.index("head") else mean.swapaxes(0, 1)
    layers_, heads_, steps = mean.shape
    picture = style.figure(f"{told.name}: every head of every layer", 12, 1.2 + layers_ * (0.7 + 0.16 * heads_))
    panels = picture.subplots(layers_, 1, squeeze=False, sharex=True).ravel()
    for number, axes in enumerate(panels):
        shown = 100 * mean[number]
        drawn = axes.imshow(shown, aspect="auto", cmap=style.WEIGHTS, vmin=0, vmax=100 * mean.max())
        axes.set_yticks(np.arange(heads_), [str(head) for head in range(heads_)], fontsize=7)
        axes.set_ylabel("head")
        axes.set_title(f"layer {number}")
        style.plain(axes)
        style.bars_ago(axes, steps, AXES[axes_names[-1]].label)
    picture.colorbar(drawn, ax=panels.tolist(), label="mean weight (%)", shrink=0.8)
    return picture


def gates(of: Gates) -> Figure:
    """Activations of the gates that vary most over the steps, and how open all of them are."""
    picture = style.figure(f"{of.attention.name}: how open the gates are", 12, 5)
    first, second = picture.subplots(1, 2, width_ratios=[2, 1.2])
    names = of.layout.axes
    steps = of.mean.ndim > 1 and AXES[names[-2]].steps
    lead = tuple(range(of.mean.ndim - (2 if steps else 1)))
    mean_TG = of.mean.mean(axis=lead) if lead else of.mean
    mean_TG = mean_TG if steps else mean_TG[None]
    varying = np.argsort(-of.deviation_G, kind="stable")[:GATES]
    drawn = first.imshow(mean_TG[:, varying].T, aspect="auto", cmap=style.WEIGHTS, vmin=0, vmax=1)
    first.set_ylabel(f"gate, the {len(varying)} that vary most")
    first.set_yticks(np.arange(len(varying)), [str(one) for one in varying.tolist()], fontsize=6)
    first.set_title("Mean activation")
    style.plain(first)
    style.bars_ago(first, len(mean_TG))
    picture.colorbar(drawn, ax=first, label="0 shut, 1 open")
    by_layer = of.mean.mean(axis=-1)
    by_layer = by_layer.reshape(-1, by_layer.shape[-1]) if steps else by_layer.reshape(-1, 1)
    for number, line in enumerate(by_layer):
        second.plot(np.arange(len(line)), line, color=style.CYCLE[number % 7], label=f"layer {number}")
    second.set(ylabel="mean activation", ylim=(0, 1))
    second.set_title("All gates over time")
    second.legend()
    style.bars_ago(second, by_layer.shape[1])
    return picture
