"""Some of the windows that a model is judged on: those of one symbol, or of calm, usual or wild times. N windows."""

from collections.abc import Iterator, Sequence
from typing import Final, Literal, cast, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from core.errors import UsageError
from training.data.dataset import Samples

By = Literal["regime", "symbol"]

REGIMES: Final = ("calm", "usual", "wild")


class Slice(msgspec.Struct, frozen=True):
    """Some windows, by what they have in common."""

    by: By
    name: str
    mask_N: npt.NDArray[np.bool_]


def known(names: Sequence[str]) -> tuple[By, ...]:
    """What windows can be told apart by, if every name is such.

    Raises: UsageError: one is not.
    """
    for name in names:
        if name not in get_args(By):
            raise UsageError(f"windows are not told apart by {name!r}; try: --by regime or --by symbol")
    return tuple(cast("By", name) for name in names)


def slices(samples: Samples, by: Sequence[By]) -> Iterator[Slice]:
    """The slices asked for. Regimes are thirds of these windows by the volatility of the 20 bars before their end."""
    if "regime" in by:
        regime_N = _thirds(samples.volatility)
        for number, name in enumerate(REGIMES):
            yield Slice("regime", name, regime_N == number)
    if "symbol" in by:
        symbol_N = samples.panel.symbol_R[samples.ends_N]
        for number in np.unique(symbol_N):
            yield Slice("symbol", samples.panel.symbols[number], symbol_N == number)


def _thirds(volatility_N: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    known_N = np.isfinite(volatility_N)
    edges = np.quantile(volatility_N[known_N], (1 / 3, 2 / 3)) if known_N.any() else np.zeros(2)
    return np.where(known_N, np.searchsorted(edges, volatility_N), -1)
