"""A small trained model, and what is watched of what it says of bars.

C observations, K statistics, A heads, P parts of a window, N windows.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

import msgspec
import numpy as np
import numpy.typing as npt

from core import barfile
from core.drift import calibration
from core.drift.statistics import HOUR_MS, QUARTER_MS, Floats, Names, by_period
from core.reference import Reference, side_by_side
from training import recipe as recipes
from training.data.dataset import Panel, Samples
from training.data.panel import panel
from training.job import Job
from training.judging.predicting import Said, predict
from training.judging.reference import names_of, observed_rows
from training.network.model import Model
from training.recipe import Recipe

QUARTER: Final = QUARTER_MS // HOUR_MS
HEADS: Final = 4

Spoiled = Callable[[Samples, Said], None]


class Seen(msgspec.Struct, frozen=True):
    """What a model said, hour by hour: `values` (C, K), `parts` (C, A, P), and when each of them opened."""

    values: Floats
    parts: Floats
    opened_at_ms: np.ndarray

    def cut(self, first: int, last: int) -> "Seen":
        """Some of it."""
        return Seen(self.values[first:last], self.parts[first:last], self.opened_at_ms[first:last])

    def rows(self, rows: npt.NDArray[np.int64]) -> "Seen":
        """These of it."""
        return Seen(self.values[rows], self.parts[rows], self.opened_at_ms[rows])

    def at(self, opened_at_ms: int) -> int:
        """The number of the first observation from then on."""
        return int(np.searchsorted(self.opened_at_ms, opened_at_ms))


class Watched:
    """A model of four heads, trained as `gaze train demo` does."""

    def __init__(self, recipe: Recipe, model: Model) -> None:
        self.recipe = recipe
        self._model = model
        self._names: Names | None = None

    @classmethod
    def trained(cls, bars: Path, folder: Path) -> Self:
        """Train it on a file of hours."""
        recipe = recipes.read("demo", None, [f"model.options.heads={HEADS}"])
        return cls(recipe, Job(recipe, bars).run(folder, lambda *_: None, lambda _: None).model)

    def panel(self, bars: Path) -> Panel:
        """The windows of a file of hours."""
        return panel(barfile.read(bars, "1h"), self.recipe)

    def see(self, made: Panel, spoiled: Spoiled = lambda *_: None) -> Seen:
        """What it says of every window, in the order of time. `spoiled` may change what was said."""
        order = np.argsort(made.opened_at_ms_R[made.ends_N], kind="stable")
        ends_N, each = made.ends_N[order], len(made.symbols) * 2_048
        told = []
        for first in range(0, len(ends_N), each):
            some = Samples(made, ends_N[first : first + each])
            said = predict(self._model, some)
            spoiled(some, said)
            observed, _ = by_period(observed_rows(self._model, some, said), some.opened_at_ms, HOUR_MS)
            self._names = self._names or names_of(self._model, some, said)
            parts = side_by_side(observed.parts, len(observed.values))
            told.append(Seen(observed.values, parts, np.unique(some.opened_at_ms)))
        return Seen(*(np.concatenate(one) for one in zip(*map(msgspec.structs.astuple, told), strict=True)))

    def reference(self, seen: Seen, seed: int = 7) -> Reference:
        """What is watched by, where this is what was said beyond training."""
        assert self._names is not None, "see() first"
        limits = calibration.calibrated(seen.values, seen.parts, QUARTER, seed=seed)
        (look,) = self._names.heads
        steps = {look: self.recipe.window.length}
        return Reference(self._names, HOUR_MS, 1.0, steps, seen.values, {look: seen.parts}, limits)
