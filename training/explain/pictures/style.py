"""How every picture looks: colours that the colour-blind tell apart (Okabe and Ito), quiet axes, one size of type."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
GREEN: Final = "#009E73"
ORANGE: Final = "#E69F00"
SKY: Final = "#56B4E9"
PURPLE: Final = "#CC79A7"
GREY: Final = "#8C8C8C"
PALE: Final = "#B8CCD9"
CYCLE: Final = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, GREY)
WEIGHTS: Final = "Blues"
"""Colours of weights, none to most."""
SIGNED: Final = "PuOr"
"""Colours of what may be below zero: it is white."""

SETTINGS: Final[Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#555555",
    "axes.grid": True,
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "figure.titlesize": 13,
    "figure.titleweight": "bold",
    "font.size": 9,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.7,
    "legend.fontsize": 8,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "lines.linewidth": 1.8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in this style; matplotlib's own settings are as before afterwards."""
    with mpl.rc_context(SETTINGS):
        yield


def figure(title: str, width: float = 9.0, height: float = 4.5) -> Figure:
    """An empty figure with its title; sizes in inches."""
    made = Figure(figsize=(width, height), layout="constrained")
    made.suptitle(title, x=0.01, ha="left")
    return made


def marked(picture: Figure, mark: str) -> Figure:
    """With a word across it that nobody overlooks, where there is one to say."""
    if mark:
        how: dict[str, Any] = {"ha": "center", "va": "center", "rotation": 24, "alpha": 0.28, "fontweight": "bold"}
        picture.text(0.5, 0.5, mark, color=VERMILION, fontsize=44, **how)
    return picture


def save(picture: Figure, path: Path) -> Path:
    """Write a figure as PNG."""
    picture.savefig(path, dpi=130, metadata={"Software": None})
    return path


def bars_ago(axes: Axes, steps: int, label: str = "bars ago", *, every: int | None = None) -> None:
    """Ticks of a window, drawn at steps 0 to T - 1, newest right, named by how long ago they are."""
    every = every or max(1, round(steps / 8))
    ago = np.arange(0, steps, every)
    axes.set_xticks(steps - 1 - ago, [str(one) for one in ago.tolist()])
    axes.set_xlim(-0.6, steps - 0.4)
    axes.set_xlabel(label)


def plain(axes: Axes) -> None:
    """No grid: for heatmaps and for bars that are their own scale."""
    axes.grid(visible=False)
