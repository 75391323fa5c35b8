"""Several runs in two pictures: their scores with intervals, and the losses of their trainings."""

from itertools import groupby

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.explain.pictures import style
from training.fitting.history import Epoch
from training.judging.scores import title
from training.many.comparing import Compared
from training.telling.report import scaled, unit


def scores(of: Compared) -> Figure:
    """A panel for every measure of every output, a point with its interval for each run."""
    panels = [(key, list(rows)) for key, rows in groupby(of.scores, key=lambda score: (score.output, score.measure))]
    columns = min(4, len(panels))
    lines = -(-len(panels) // columns)
    picture = style.figure("Scores with 95 % intervals", 3.2 * columns, 0.9 + lines * (1.1 + 0.3 * len(of.runs)))
    grid = picture.subplots(lines, columns, squeeze=False).flatten()
    for axes, ((output, measure), rows) in zip(grid, panels, strict=False):
        for place, row in enumerate(rows):
            scale = scaled(output, measure)
            value, low, high = (one * scale for one in (row.value, row.low, row.high))
            axes.plot([low, high], [place, place], color=style.CYCLE[place % len(style.CYCLE)])
            axes.plot(value, place, "o", color=style.CYCLE[place % len(style.CYCLE)])
        axes.set_yticks(range(len(rows)), [row.predictor for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_title(f"{output}: {title(measure)}{unit(output, measure)}", fontsize=8)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    return picture


def trainings(histories: dict[str, tuple[Epoch, ...]]) -> Figure:
    """The validation loss of every epoch of each run that has a history of its own, the best one marked."""
    picture = style.figure("Trainings", 8, 4.2)
    axes = picture.subplots()
    for place, (name, history) in enumerate(histories.items()):
        if not history:
            continue
        colour = style.CYCLE[place % len(style.CYCLE)]
        axes.plot([one.number for one in history], [one.validation_loss for one in history], color=colour, label=name)
        best = max((one for one in history if one.best), key=lambda one: one.number)
        axes.plot(best.number, best.validation_loss, "*", color=colour, ms=12)
    axes.set(xlabel="epoch", ylabel="validation loss, each in its own unit")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return picture
