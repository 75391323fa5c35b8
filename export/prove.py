"""Does a form of a model give what the model gives? Asked of each before anything is written."""

from collections.abc import Callable
from functools import partial

import numpy as np

from core import golden
from core.bundle import Artefact, Score
from core.errors import BundleError
from core.golden import Arrays
from export import to_stream
from export.formats import FORMATS, Files
from export.source import Outputs, Source

Run = Callable[[Files, Arrays], Outputs]
Judge = Callable[[str, Callable[[Arrays], Outputs]], tuple[Score, ...]]
"""The scores of a form of this kind on windows with outcomes, and those of PyTorch on the same."""

_SAME = 1e-5
"""What a lossy form said where it was made, it must say to within this share elsewhere."""


def prove(
    kind: str, files: Files, source: Source, tolerance: float, judge: Judge | None = None
) -> tuple[Artefact, Outputs]:
    """Run all golden rows at once, and again in batches of one, two and the rest; `judge` is asked of lossy forms.

    Returns the artefact, and what golden.npz has to keep of it: for a lossy form what it said itself.

    Raises: BundleError: an output is off by more than the tolerance.
    """
    form = FORMATS[kind]
    names = tuple(form.named(files))
    if form.run is None:
        cost = _cost(kind, form.twin(source, source.inputs), source, tolerance) if form.twin else {}
        scores = _scores(kind, partial(form.twin, source), judge) if form.twin else ()
        return Artefact(kind, names, tolerance, {}, cost=cost, scores=scores), {}
    run: Run = partial(form.run, source)
    if form.lossy:
        return _prove_lossy(kind, run, files, source, tolerance, judge)
    what = " and ".join(names)
    measured = golden.check(source.outputs, run(files, source.inputs), tolerance, what)
    parts = _in_parts(run, files, source, what)
    golden.check(source.outputs, parts, tolerance, f"{what} in batches of 1, 2 and {source.rows - 3}")
    if form.check:
        form.check(files, source, tolerance)
    same_bits = kind == "onnx" or (kind == "stream" and to_stream.same_bits(files, source))
    return Artefact(kind, names, tolerance, measured, same_bits=same_bits), {}


def _prove_lossy(
    kind: str, run: Run, files: Files, source: Source, tolerance: float, judge: Judge | None
) -> tuple[Artefact, Outputs]:
    form = FORMATS[kind]
    (what,) = form.files
    said = run(files, source.inputs)
    cost = _cost(kind, said, source, tolerance)
    own = golden.check(said, _in_parts(run, files, source, what), _SAME, what)
    scores = _scores(kind, partial(run, files), judge)
    kept = {f"{kind}.{name}": said[name] for name in source.outputs}
    return Artefact(kind, form.files, _SAME, own, golden=f"{kind}.", cost=cost, scores=scores), kept


def _cost(kind: str, said: Outputs, source: Source, tolerance: float) -> dict[str, float]:
    (what,) = FORMATS[kind].files
    cost = golden.differences(source.outputs, said, what)
    worst = max(cost, key=lambda name: cost[name])
    option = f"--tolerance-{kind.partition('-')[0]}"
    if cost[worst] > tolerance:
        raise BundleError(
            f"{what} costs too much: {worst!r} is off by {cost[worst]:.2g} of its largest value, allowed is "
            f"{tolerance:.2g}. try: without --to {kind}, or {option} {cost[worst] * 1.1:.2g}"
        )
    return cost


def _scores(kind: str, say: Callable[[Arrays], Outputs], judge: Judge | None) -> tuple[Score, ...]:
    scores = judge(kind, say) if judge else ()
    _refuse_other_scores(kind, scores)
    return scores


def _refuse_other_scores(kind: str, scores: tuple[Score, ...]) -> None:
    """A score that leaves the interval of PyTorch's own is another score."""
    of_model = {(one.output, one.measure): one for one in scores if one.predictor != kind}
    for one in scores:
        model = of_model.get((one.output, one.measure))
        if one.predictor == kind and model and not model.low <= one.value <= model.high:
            raise BundleError(
                f"{kind} scores otherwise: {one.measure} of {one.output} is {one.value:.4g}, PyTorch's is "
                f"{model.value:.4g} ({model.low:.4g} to {model.high:.4g}). try: without --to {kind}"
            )


def _in_parts(run: Run, files: Files, source: Source, what: str) -> Outputs:
    parts: list[Outputs] = []
    for start, end in ((0, 1), (1, 3), (3, source.rows)):
        parts.append(run(files, {name: values[start:end] for name, values in source.inputs.items()}))
        for name, values in parts[-1].items():
            if len(values) != end - start:
                raise BundleError(
                    f"{what} answers {end - start} rows with {len(values)} of {name!r}: its batch is frozen. "
                    "try: a forward() whose Python code depends on no size"
                )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
