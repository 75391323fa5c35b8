"""Several outputs side by side: how often each is right, when it looks where, and what each hangs on."""

import numpy as np
from matplotlib.figure import Figure

from core.outputs import Kind
from training.explain.explaining import Explained
from training.explain.pictures import style
from training.explain.predictions import Look
from training.explain.upward import upward


def horizons(of: Explained, look: Look) -> Figure:
    """A column an output: attention where it says up and where it says down, and what hangs on each step."""
    outputs = [one for one in of.predictions.subject.outputs if one.kind is not Kind.DEVIATION]
    told = {one.output: one for one in of.report.outputs}
    picture = style.figure(f"Outputs side by side: {look.attention.name}", max(9.0, 4.6 * len(outputs)), 6.4)
    panels = picture.subplots(2, len(outputs), squeeze=False, sharey="row")
    steps, even_T = look.profile_NT.shape[1], look.even.mean(axis=0)
    for output, (above, below) in zip(outputs, panels.T, strict=True):
        up_N = upward(output, of.predictions.said[output.name]) > 0
        for name, mask_N, colour, line in (("up", up_N, style.BLUE, "-"), ("down", ~up_N, style.VERMILION, "--")):
            if mask_N.any():
                lift_T = look.profile_NT[mask_N].mean(axis=0) / np.where(even_T > 0, even_T, np.nan)
                above.plot(np.arange(steps), lift_T, line, color=colour, label=f"says {name}, n = {mask_N.sum():,}")
        above.axhline(1, color="black", ls=":", lw=1.2, label="even")
        right = told[output.name].right
        above.set_title(f"{output.name}: right {right.told(3)}" if right else output.name, fontsize=9)
        above.set_ylabel("lift over even")
        above.legend(loc="upper left")
        style.bars_ago(above, steps)
        hangs_T = of.attributed.by_output.get(output.name)
        if hangs_T is None:
            below.axis("off")
            continue
        below.bar(np.arange(len(hangs_T)), 100 * hangs_T / (hangs_T.sum() or 1.0), 0.85, color=style.GREEN)
        below.axhline(100 / len(hangs_T), color="black", ls=":", lw=1.2)
        below.set_ylabel("input x gradient (%)")
        below.set_title("What it hangs on", fontsize=9)
        style.bars_ago(below, len(hangs_T))
    return picture
