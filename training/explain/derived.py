"""A prediction that a daemon made, made again from the same bars, and whether it is the same."""

import msgspec
import numpy as np

from core import attention
from core.errors import DataError
from core.prediction import Message, Prediction
from training.explain.reads import Doubles, Floats, Reads
from training.explain.subject import Subject

CLOSE: float = 1e-3
"""Off by no more than this share of the largest value: another engine, or PyTorch, made it of the same bars."""


class Weights(msgspec.Struct, frozen=True):
    """All weights of one attention, in C order."""

    shape: tuple[int, ...]
    weights: tuple[float, ...]


class Recorded(msgspec.Struct, frozen=True):
    """What came of making it again. `off`: of each output and attention, the largest difference over its largest value.

    `attention`: as it was made again; the stream's where `same_bits`.
    """

    id: str
    model: str
    version: str
    published_at_ms: int
    venue: str
    engine: str
    same_bits: bool
    off: dict[str, float]
    attention: dict[str, Weights]

    @property
    def sentence(self) -> str:
        """In words."""
        worst = max(self.off, key=lambda name: self.off[name])
        if self.same_bits:
            return f"Made again from the same bars, prediction {self.id} is the same to the last bit."
        if self.off[worst] <= CLOSE:
            return (
                f"Made again from the same bars, prediction {self.id} is off by {self.off[worst]:.1g} of the largest "
                f"value at most ({worst}): another engine made it."
            )
        return (
            f"NOT the prediction that was published: {worst} of {self.id} is off by {self.off[worst]:.2g} of its "
            "largest value. The bars were revised since, another model is explained, or its engine is lossy."
        )

    @property
    def agrees(self) -> bool:
        """Whether what is explained is what was published."""
        return self.same_bits or max(self.off.values()) <= CLOSE


def compare(subject: Subject, x: Reads, closes_R: Doubles, message: Message) -> Recorded:
    """Say one window again.

    Raises: DataError: another bundle made it, or the bars are not those it was made of.
    """
    told = message.prediction
    if subject.digest and told.digest != subject.digest:
        raise DataError(
            f"prediction {told.id} was made by bundle {told.model} {told.version} with digest {told.digest}, "
            f"{subject.folder} has {subject.digest}; try: the bundle that the daemon serves"
        )
    if closes_R[-1] != told.close:
        raise DataError(
            f"the bar of {told.symbol} closed at {closes_R[-1]:g} in these bars, prediction {told.id} was made of one "
            f"that closed at {told.close:g}; try: without --bars, from the daemon's own"
        )
    said = subject.say(x)
    pairs = _pairs(said, told)
    return Recorded(
        told.id,
        told.model,
        told.version,
        message.context.published_at_ms,
        message.context.venue,
        message.context.engine,
        all(ours.tobytes() == theirs.tobytes() for ours, theirs in pairs.values()),
        {name: _off(ours, theirs) for name, (ours, theirs) in pairs.items()},
        {name: Weights(pairs[name][0].shape, tuple(pairs[name][0].ravel().tolist())) for name in told.gaze},
    )


def _pairs(said: dict[str, Floats], told: Prediction) -> dict[str, tuple[Floats, Floats]]:
    """By name, what is said now and what was said, of the same shape."""
    pairs: dict[str, tuple[Floats, Floats]] = {}
    missing = sorted((told.outputs.keys() | told.gaze.keys()) - said.keys())
    if missing:
        raise DataError(
            f"prediction {told.id} says {', '.join(missing)}, this model does not; try: the daemon's bundle"
        )
    for name, values in told.outputs.items():
        pairs[name] = np.ascontiguousarray(said[name][0]), np.asarray(values, np.float32)
    for name, gaze in told.gaze.items():
        theirs = np.frombuffer(gaze.weights, "<f4").reshape(gaze.shape).astype(np.float32)
        # Attention of many numbers travels as its profile over time.
        ours = said[name] if said[name].shape[1:] == theirs.shape else attention.profile(said[name])
        pairs[name] = np.ascontiguousarray(ours[0]), theirs
    return pairs


def _off(ours: Floats, theirs: Floats) -> float:
    largest = float(np.abs(theirs).max()) or 1.0
    return float(np.abs(ours.astype(np.float64) - theirs).max() / largest)
