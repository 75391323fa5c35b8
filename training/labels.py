"""What a model is asked to foretell. The only file of the project that may look at later bars.

To add a label: write its function and add its line to LABELS. T bars.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.bars import CLOSE, BarArray
from core.errors import ConfigError
from core.outputs import Kind, Output

Labels = npt.NDArray[np.float64]


class Label(msgspec.Struct, frozen=True):
    """A kind of label: `values` of one symbol's (T, 5) bars over a horizon, and the output that foretells it."""

    kind: Kind
    unit: str
    values: Callable[[BarArray, int], Labels]


def forward_return(bars_T5: BarArray, horizon: int) -> Labels:
    """(T, 5) -> (T,). Log return of the close from each bar to `horizon` bars later; NaN where that is not known."""
    log_close_T = np.log(bars_T5[:, CLOSE])
    out_T = np.full(len(bars_T5), np.nan)
    if len(bars_T5) > horizon:
        out_T[:-horizon] = log_close_T[horizon:] - log_close_T[:-horizon]
    return out_T


LABELS: Final[dict[str, Label]] = {
    "return": Label(Kind.RETURN, "log return", forward_return),
}


def named(kind: str) -> Label:
    """A label from LABELS.

    Raises: ConfigError: there is none of this name.
    """
    if kind not in LABELS:
        raise ConfigError(f"no label is called {kind!r}; try: label.kind = {' or '.join(sorted(LABELS))}")
    return LABELS[kind]


def outputs(kind: str, horizons: tuple[int, ...]) -> tuple[Output, ...]:
    """The outputs of a model that foretells this kind of label over these horizons."""
    label = named(kind)
    return tuple(Output(label.kind, horizon, label.unit) for horizon in horizons)
