"""What every method of attribution says of the tested predictions. N predictions, T steps, F features."""

from collections.abc import Sequence

import msgspec
import numpy as np

from core.outputs import Kind
from training.explain import attribution
from training.explain.estimate import Estimate
from training.explain.predictions import Look, Predictions
from training.explain.reads import Doubles
from training.explain.reliability import Tested, rank_correlation


class Attributed(msgspec.Struct, frozen=True):
    """By input and method. `steps`: (N, T) what hangs on each step, not below zero. `maps`: (T, F) means by cell.

    Occlusion by cell is made of single predictions alone: it takes T x F windows each.
    """

    steps: tuple[dict[str, Doubles], ...]
    maps: tuple[dict[str, Doubles], ...]
    by_output: dict[str, Doubles] = {}
    """Of a run with several outputs, (T,) mean size of input x gradient on the symbol's steps, by output."""

    @property
    def methods(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self.steps[0])


def attribute(of: Predictions, tested: Tested) -> Attributed:
    """Every method that the subject allows: a bundle gives no gradients, so it has occlusion alone."""
    steps = [{"occlusion": np.abs(lost_NT)} for lost_NT in tested.occlusion]
    maps: list[dict[str, Doubles]] = [{} for _ in steps]
    model = of.subject.model
    if model is not None:
        for name, method in (
            ("input x gradient", attribution.input_x_gradient),
            ("integrated gradients", attribution.integrated_gradients),
        ):
            for place, found_NTF in enumerate(method(model, of.output, tested.x, of.usual)):
                steps[place][name] = np.abs(found_NTF).sum(axis=2)
                maps[place][name] = np.abs(found_NTF).mean(axis=0)
    return Attributed(tuple(steps), tuple(maps), _by_output(of, tested))


def _by_output(of: Predictions, tested: Tested) -> dict[str, Doubles]:
    model, outputs = of.subject.model, [one for one in of.subject.outputs if one.kind is not Kind.DEVIATION]
    if model is None or len(outputs) < 2:  # noqa: PLR2004 - nothing to hold side by side
        return {}
    found = {one.name: attribution.input_x_gradient(model, one, tested.x, of.usual)[0] for one in outputs}
    return {name: np.asarray(np.abs(values_NTF).sum(axis=2).mean(axis=0)) for name, values_NTF in found.items()}


def with_cases(of: Attributed, lost: Sequence[tuple[tuple[tuple[float, ...], ...], ...]]) -> Attributed:
    """The same with the mean occlusion of single predictions by cell; each is (R, F) of each input."""
    maps = []
    for place, known in enumerate(of.maps):
        total_TF = np.zeros((of.steps[place]["occlusion"].shape[1], len(lost[0][place][0])))
        for case in lost:
            total_TF[-len(case[place]) :] += np.abs(case[place])
        maps.append({"occlusion": total_TF / len(lost), **known})
    return Attributed(of.steps, tuple(maps), of.by_output)


def agreements(of: Predictions, look: Look, tested: Tested, attributed: Attributed, shift: int) -> dict[str, Estimate]:
    """By method, the mean rank correlation of attention, read so many bars back, with what hangs on each step."""
    lacking_NT = np.isnan(tested.x[look.place]).any(axis=-1)
    shown_NT = np.where(lacking_NT, np.nan, look.profile_NT[tested.rows])[:, shift:]
    draws, steps = of.draws(tested.rows), lacking_NT.shape[1]
    return {
        name: draws.mean(rank_correlation(shown_NT, values_NT[:, : steps - shift]))
        for name, values_NT in attributed.steps[look.place].items()
    }
