"""Training, validation and test: three stretches of time, in that order, that share no bar, or at least no label.

What is said at bar e hangs on bars e - memory + 1 to e, and its label on bars up to e + horizon. So between the last
end of one part and the first end of the next lie at least memory + horizon bars: the purge.

Folds walk forward over what lies before the final span, the last part of all, and never touch it.
"""

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError
from training.data.dataset import Panel, Samples
from training.data.stretches import Rows
from training.recipe import Recipe

Chosen = npt.NDArray[np.bool_]


class Parts(msgspec.Struct, frozen=True):
    """The three parts, each in order of time. `gap`: bars from the last end of a part to the first of the next."""

    train: Samples
    validation: Samples
    test: Samples
    gap: int

    @property
    def named(self) -> dict[str, Samples]:
        """The parts by their names."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def ends(self) -> dict[str, tuple[int, int]]:
        """When the last bars of the first and of the last window of each part opened."""
        times = {name: part.opened_at_ms for name, part in self.named.items()}
        return {name: (int(at.min()), int(at.max())) for name, at in times.items()}


MINIMUM: Final = 32
"""Fewest windows of a part."""


def split(panel: Panel, recipe: Recipe) -> Parts:
    """Cut a panel's windows by time, the same instants for all symbols: the parts, or those of the recipe's fold.

    Raises: DataError: a part has too few windows. ConfigError: there is no such fold.
    """
    how = recipe.split
    gap = (panel.memory if how.purge == "bars" else 0) + panel.horizon + how.embargo
    number_N = panel.number_R[panel.ends_N]
    chosen = _shuffled(number_N, recipe) if how.shuffled else _cut(number_N, recipe, gap)
    parts = {
        name: Samples(panel, _in_order(panel, panel.ends_N[chosen_N], 1 if name == "test" else recipe.window.stride))
        for name, chosen_N in chosen.items()
    }
    for name, part in parts.items():
        if len(part) < MINIMUM:
            thinned = f" and only every {stride}th kept" if (stride := recipe.window.stride) > 1 else ""
            raise DataError(
                f"the {name} part has {len(part)} windows of the {len(number_N)} there are, it needs {MINIMUM}; "
                f"{gap} bars are left out between parts{thinned}. "
                "try: more bars, --set window.length=24, split.purge=labels, or fewer folds"
            )
    return Parts(parts["training"], parts["validation"], parts["test"], gap)


def _cut(number_N: Rows, recipe: Recipe, gap: int) -> dict[str, Chosen]:
    """Which windows are in each part, by the number of their last bar."""
    how, first, last = recipe.split, int(number_N.min()), int(number_N.max())
    final_from = first + round((last - first) * min(how.train + how.validation, 1.0))
    begin, test_from, test_to = first, final_from, last + 1
    if how.fold:
        if how.fold > how.folds:
            raise ConfigError(f"split.fold is {how.fold}, there are {how.folds}; try: --set split.folds={how.fold}")
        # One block to begin with and one for each fold to be judged on; the last ends before the final span begins.
        edges = np.linspace(first, final_from - gap + 1, how.folds + 2).round().astype(int)
        begin = first if how.training == "expanding" else int(edges[how.fold - 1])
        test_from, test_to = int(edges[how.fold]), int(edges[how.fold + 1])
    share = how.train / (how.train + how.validation)
    validation_from = begin + round((test_from - begin) * share)
    return {
        "training": (number_N >= begin) & (number_N <= validation_from - gap),
        "validation": (number_N >= validation_from) & (number_N <= test_from - gap),
        "test": (number_N >= test_from) & (number_N < test_to),
    }


def _shuffled(number_N: Rows, recipe: Recipe) -> dict[str, Chosen]:
    """Windows dealt to the parts by chance: neighbours in time lie in different parts, and scores mean nothing."""
    chance_N = np.random.default_rng(recipe.seed).random(len(number_N))
    first, second = recipe.split.train, recipe.split.train + recipe.split.validation
    return {
        "training": chance_N < first,
        "validation": (chance_N >= first) & (chance_N < second),
        "test": chance_N >= second,
    }


def _in_order(panel: Panel, ends_N: Rows, stride: int) -> Rows:
    """By time, then by symbol; with a stride only the bars whose number it divides, the same for all symbols."""
    number_N = panel.number_R[ends_N]
    kept = number_N % stride == 0
    order = np.lexsort((panel.symbol_R[ends_N][kept], number_N[kept]))
    return np.asarray(ends_N[kept][order])
