"""One bundle's drift, observation by observation: how far everything is past its limit, and what moved."""

from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.drift import detector
from core.drift.calibration import level
from core.drift.detector import DISTANCES, Floats
from core.errors import ConfigError
from core.reference import Reference

GROUPS: Final = ("attention", "input", "prediction")
NAMED: Final = 8
"""So many statistics are named, the furthest first."""
_PROFILE: Final = ": profile"


class Watched(msgspec.Struct, frozen=True):
    """One distance: of which statistic, which kind, over how many observations (0: the running mean)."""

    group: str
    name: str
    distance: str
    window: int


class Moved(msgspec.Struct, frozen=True):
    """A statistic past its limit: its worst distance over that limit, and where in the window, of a profile."""

    group: str
    name: str
    distance: str
    window: int
    ratio: float
    bars_ago: tuple[int, int] | None = None
    """The part of the window whose weight changed most: from so many bars ago to so many."""


class Monitor:
    """Holds what is observed against a reference.

    `rate`: false alarms a quarter over all statistics together; None is one, or what the reference supports.
    Raises: ConfigError: the reference is too short for so few.
    """

    def __init__(self, reference: Reference, rate: float | None = None) -> None:
        limits = reference.limits
        if limits is None:
            raise ConfigError(
                f"the bundle's reference of {len(reference.values_CK)} observations is too short to watch drift by; "
                "try: gaze train with more bars after the training part"
            )
        if rate is not None and rate < limits.supported:
            raise ConfigError(
                f"{rate:g} false alarms a quarter are asked for, and the bundle's reference of "
                f"{len(reference.values_CK)} observations supports no fewer than {limits.supported:.2g}. "
                f"try: [watch] false_alarms_per_quarter = {limits.supported:.2g}, or more bars after the training part"
            )
        self.reference = reference
        self.rate = max(1.0, limits.supported) if rate is None else rate
        self._scale = detector.measured(reference.values_CK, reference.profiles, limits.windows)
        self._limit_J = limits.usual_J * level(limits, self.rate)
        self._memory = detector.empty(self._scale)
        self._quiet = max(limits.windows)
        self._since = self._quiet + 1
        self.ratio_J: Floats = np.zeros(len(self._limit_J))
        self.alarms = 0
        self.labels = _labels(reference, limits.windows)

    @property
    def observed(self) -> int:
        """Observations so far."""
        return int(self._memory.seen_1[0])

    def take(self, values_K: Floats, parts_AP: Floats) -> bool:
        """Take in one observation; whether an alarm begins with it."""
        bins_1K = detector.binned(values_K[np.newaxis], self._scale.edges_KE)
        distance_J = detector.step(self._scale, self._memory, bins_1K[0], parts_AP)
        self.ratio_J = distance_J / self._limit_J
        past = bool((self.ratio_J >= 1).any())
        begins = past and self._since > self._quiet
        self._since = 0 if past else self._since + 1
        self.alarms += begins
        return begins

    def ratios(self) -> dict[str, float]:
        """By group, the worst distance over its limit: 1 and more is drift."""
        worst = dict.fromkeys(GROUPS, 0.0)
        for watched, ratio in zip(self.labels, self.ratio_J.tolist(), strict=True):
            worst[watched.group] = max(worst[watched.group], ratio)
        return worst

    def moved(self) -> tuple[Moved, ...]:
        """The statistics that are past their limits, each once, the furthest first."""
        found: dict[str, Moved] = {}
        for at in np.argsort(-self.ratio_J, kind="stable").tolist():
            if self.ratio_J[at] < 1 or len(found) == NAMED:
                break
            one = self.labels[at]
            if one.name not in found:
                where = self._where(one)
                found[one.name] = Moved(one.group, one.name, one.distance, one.window, float(self.ratio_J[at]), where)
        return tuple(found.values())

    def state(self) -> bytes:
        """All that it remembers."""
        arrays: list[npt.NDArray[Any]] = list(self._memory)
        told = [array.tobytes() for array in arrays]
        return msgspec.msgpack.encode((told, self._since, self.alarms, self.ratio_J.tobytes()))

    def restore(self, state: bytes) -> None:
        """Go on from what state() gave, of the same bundle and rate."""
        told, self._since, self.alarms, ratios = msgspec.msgpack.decode(state, type=tuple[list[bytes], int, int, bytes])
        arrays: list[npt.NDArray[Any]] = list(self._memory)
        for array, content in zip(arrays, told, strict=True):
            array[...] = np.frombuffer(content, array.dtype).reshape(array.shape)
        self.ratio_J = np.frombuffer(ratios).copy()

    def _where(self, one: Watched) -> tuple[int, int] | None:
        head = one.name.removesuffix(_PROFILE)
        if head == one.name:
            return None
        at, window = self.reference.heads.index(head), self._scale.windows_V.tolist().index(one.window)
        now_P = self._memory.sums_VAP[window, at]
        return self.reference.bars_ago(head, int(np.abs(now_P / now_P.sum() - self._scale.parts_AP[at]).argmax()))


def _labels(reference: Reference, windows: tuple[int, ...]) -> list[Watched]:
    """What each distance is of, in the order in which step() gives them."""
    statistics = list(zip(reference.names.groups, reference.names.names, strict=True))
    of_windows = [
        Watched(group, name, distance, window)
        for window in windows
        for group, name in statistics
        for distance in DISTANCES
    ]
    of_heads = [
        Watched("attention", head + _PROFILE, DISTANCES[0], window) for window in windows for head in reference.heads
    ]
    return [*of_windows, *of_heads, *(Watched(group, name, "running mean", 0) for group, name in statistics)]
