"""Every picture of an explanation, by its path in the folder. To add one: write its function and add its line here."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from training.explain.explaining import Explained
from training.explain.pictures import heads, horizons, judged, look, outputs, said, single, steady

Draw = Callable[[], Figure]


def pictures(of: Explained) -> dict[Path, Draw]:
    """All pictures, each ready to be drawn."""
    return dict([*_whole(of), *_attentions(of), *_cases(of)])


def _whole(of: Explained) -> Iterator[tuple[Path, Draw]]:
    yield Path("outputs.png"), partial(outputs.outputs, of)
    if of.report.history:
        yield Path("losses.png"), partial(outputs.losses, of.report.history)
    for place, reads in enumerate(of.report.inputs):
        yield Path("hangs_on", f"{reads.name}.png"), partial(judged.saliency_map, of, place)
    for output, told in zip(of.predictions.subject.outputs, of.report.outputs, strict=True):
        yield Path("outputs", f"{output.name}.png"), partial(said.said, of, output, told)
    for one in of.inside.told:
        yield Path("inside", f"{one.name}.png"), partial(heads.matrices, one.name, one.axes, of.inside.mean[one.name])
    if of.inside.told:
        yield Path("inside", "evolution.png"), partial(heads.evolution, of.inside.told)
    for gates in of.predictions.gates:
        yield Path(gates.attention.name, "gates.png"), partial(heads.gates, gates)


def _attentions(of: Explained) -> Iterator[tuple[Path, Draw]]:
    for told, seen in zip(of.report.attentions, of.predictions.looks, strict=True):
        folder = Path(told.name)
        yield folder / "seven_panels.png", partial(look.seven_panels, of, told, seen)
        yield folder / "distribution.png", partial(look.distribution, of, told, seen)
        yield folder / "heatmap.png", partial(look.heatmap, of, told, seen)
        yield folder / "by_outcome.png", partial(look.by_outcome, of, told, seen)
        yield folder / "groups.png", partial(judged.groups, told)
        yield folder / "around.png", partial(judged.around, told)
        yield folder / "saliency.png", partial(judged.saliency, of, told, seen)
        yield folder / "reliability.png", partial(judged.reliability, told)
        if told.stability:
            yield folder / "seeds.png", partial(steady.seeds, told, told.stability)
        if len(of.report.history) > 1 and all(told.name in epoch.attention for epoch in of.report.history):
            yield folder / "epochs.png", partial(steady.epochs, told.name, of.report.history)
        if len(of.predictions.subject.outputs) > 1:
            yield folder / "horizons.png", partial(horizons.horizons, of, seen)
        if told.truth:
            yield folder / "truth.png", partial(judged.truth, told, told.truth)
        if told.heads:
            yield folder / "heads.png", partial(heads.heads, told)
        if told.layers:
            yield folder / "layers.png", partial(heads.layers, told)
        if told.heads and told.layers:
            yield folder / "layers_and_heads.png", partial(heads.by_layer_and_head, told, seen)
        if seen.layout.looking:
            yield folder / "matrices.png", partial(heads.matrices, told.name, seen.layout.axes, seen.mean)


def _cases(of: Explained) -> Iterator[tuple[Path, Draw]]:
    for case in of.report.cases:
        for seen in case.looks:
            folder = Path("cases", case.folder)
            yield folder / f"{seen.attention}.png", partial(single.attention, of, case, seen)
            yield folder / f"{seen.attention}_features.png", partial(single.features, of, case, seen)
            yield folder / f"{seen.attention}_occlusion.png", partial(single.occlusion, of, case, seen)
