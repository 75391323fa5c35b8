"""Training, validation and test: three stretches of time, in that order, that share no bar, or at least no label.

What is said at bar e hangs on bars e - memory + 1 to e, and its label on bars up to e + horizon. So between the last
end of one part and the first end of the next lie at least memory + horizon bars: the purge.
"""

from typing import Final

import msgspec
import numpy as np

from core.errors import DataError
from training.dataset import Panel, Samples
from training.recipe import Recipe
from training.stretches import Rows


class Parts(msgspec.Struct, frozen=True):
    """The three parts, each in order of time. `gap`: bars from the last end of a part to the first of the next."""

    train: Samples
    validation: Samples
    test: Samples
    gap: int


MINIMUM: Final = 32
"""Fewest windows of a part."""


def split(panel: Panel, recipe: Recipe) -> Parts:
    """Cut a panel's windows by time, the same instants for all symbols.

    Raises: DataError: a part has too few windows.
    """
    shares = recipe.split
    number_N = panel.number_R[panel.ends_N]
    first, last = int(number_N.min()), int(number_N.max())
    validation_from = first + round((last - first) * shares.train)
    test_from = first + round((last - first) * min(shares.train + shares.validation, 1.0))
    gap = (panel.memory if shares.purge == "bars" else 0) + panel.horizon + shares.embargo
    parts = {
        "training": number_N <= validation_from - gap,
        "validation": (number_N >= validation_from) & (number_N <= test_from - gap),
        "test": number_N >= test_from,
    }
    for name, chosen in parts.items():
        if (found := int(chosen.sum())) < MINIMUM:
            raise DataError(
                f"the {name} part has {found} windows of the {len(number_N)} there are, it needs {MINIMUM}; "
                f"{gap} bars are left out between parts. try: more bars, --set window.length=24 or split.purge=labels"
            )
    train, validation, test = (
        Samples(panel, _in_order(panel, panel.ends_N[chosen], stride))
        for chosen, stride in zip(parts.values(), (recipe.window.stride, recipe.window.stride, 1), strict=True)
    )
    return Parts(train, validation, test, gap)


def _in_order(panel: Panel, ends_N: Rows, stride: int) -> Rows:
    """By time, then by symbol; with a stride only the bars whose number it divides, the same for all symbols."""
    number_N = panel.number_R[ends_N]
    kept = number_N % stride == 0
    order = np.lexsort((panel.symbol_R[ends_N][kept], number_N[kept]))
    return np.asarray(ends_N[kept][order])
