"""How a look came to be in training, and whether it comes again from another seed."""

import numpy as np
from matplotlib.figure import Figure

from training.explain.pictures import style
from training.explain.report import AttentionReport
from training.explain.stability import Stability
from training.fitting.history import Epoch


def epochs(name: str, history: tuple[Epoch, ...]) -> Figure:
    """Entropy and concentration of the validation part after each epoch, beside its loss; the mean weights below."""
    seen = [(epoch.number, epoch.attention[name], epoch) for epoch in history]
    number = [one[0] for one in seen]
    kept = max(epoch.number for epoch in history if epoch.best)
    picture = style.figure(f"{name} followed during training", 12, 6)
    first, second = picture.subplots(2, 1, height_ratios=[1.2, 1])
    first.plot(number, [one.entropy for _, one, _ in seen], "o-", color=style.BLUE, label="normalised entropy")
    first.set(xlabel="epoch", ylabel="normalised entropy")
    beside = first.twinx()
    losses = [epoch.validation_loss for _, _, epoch in seen]
    beside.plot(number, losses, "s--", color=style.VERMILION, ms=3.5, label="validation loss")
    beside.set_ylabel("validation loss")
    beside.grid(visible=False)
    first.axvline(kept, color="black", ls=":", lw=1.2, label=f"kept: epoch {kept}")
    first.xaxis.get_major_locator().set_params(integer=True)
    first.set_title("Spikier while validation gets worse is overfitting")
    first.legend(handles=[*first.get_lines(), *beside.get_lines()], loc="best")
    profiles = 100 * np.array([one.profile for _, one, _ in seen])
    drawn = second.imshow(profiles, aspect="auto", cmap=style.WEIGHTS, interpolation="nearest")
    rows = np.linspace(0, len(number) - 1, min(10, len(number))).round().astype(int)
    second.set_yticks(rows, [str(number[row]) for row in rows])
    second.set_ylabel("epoch")
    second.set_title("Mean weight of each step")
    style.plain(second)
    style.bars_ago(second, profiles.shape[1])
    picture.colorbar(drawn, ax=second, label="weight (%)")
    return picture


def seeds(told: AttentionReport, of: Stability) -> Figure:
    """Mean weights of every run, the overlap of every two, and overlap beside its yardstick."""
    picture = style.figure(f"{told.name} of {len(of.runs)} trainings that differ in their seed", 14, 4.4)
    first, second, third = picture.subplots(1, 3, width_ratios=[2, 1.2, 1.2])
    steps = len(of.profiles[0])
    for name, profile, colour in zip(of.runs, of.profiles, style.CYCLE * len(of.runs), strict=False):
        first.plot(np.arange(steps), 100 * np.array(profile), color=colour, lw=1.4, label=name)
    first.plot(100 * np.array(told.even_weights), color="black", ls=":", lw=1.2, label="even")
    first.set_ylabel("mean weight (%)")
    first.set_title("Mean weight of each step")
    first.legend(loc="upper left")
    style.bars_ago(first, steps)
    matrix = np.array(of.overlaps)
    drawn = second.imshow(matrix, cmap=style.WEIGHTS, vmin=0, vmax=1, interpolation="nearest")
    for row, column in np.ndindex(*matrix.shape):
        colour = "white" if matrix[row, column] > 0.6 else "black"  # noqa: PLR2004 - where the ground is dark
        second.text(column, row, f"{matrix[row, column]:.2f}", ha="center", va="center", color=colour, fontsize=8)
    place = np.arange(len(of.runs))
    second.set_xticks(place, of.runs, rotation=30, ha="right", fontsize=7)
    second.set_yticks(place, of.runs, fontsize=7)
    second.set_xlabel("run")
    second.set_title("Weight on the same steps")
    style.plain(second)
    picture.colorbar(drawn, ax=second, shrink=0.8)
    bars = {
        "same prediction,\ntwo runs": of.overlap,
        "two predictions,\ntwo runs": of.another,
        "rank correlation,\nsame prediction": of.rank_correlation,
        "same heaviest step": of.same_heaviest_step,
    }
    shown = third.bar(range(len(bars)), [one.value for one in bars.values()], 0.65, color=style.BLUE)
    third.bar_label(shown, fmt="%.2f", padding=2)
    third.set_xticks(range(len(bars)), list(bars), fontsize=7, rotation=20)
    third.set(ylabel="0 to 1", ylim=(min(0.0, of.rank_correlation.value) - 0.05, 1.12))
    third.set_title(f"n = {of.overlap.predictions:,} predictions")
    return picture
