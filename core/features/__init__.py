"""The features: what each is called, how far it looks back, what it is measured in, and the named sets of them.

To add a feature: write its value function in the file of its family and add its line to FEATURES. The tests of same
bits, of lookback and of lookahead then cover it.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.bars import BarArray
from core.errors import ConfigError
from core.features.kernel import Kernel, Value
from core.features.returns import log_return
from core.features.volatility import realised_volatility
from core.features.volume import relative_volume


class Feature(msgspec.Struct, frozen=True):
    """A number at each bar that depends on the last `lookback` bars, the bar itself included, and on nothing else."""

    name: str
    value: Value
    parameters: tuple[float, ...]
    lookback: int
    unit: str
    source: str


FEATURES: Final[dict[str, Feature]] = {
    feature.name: feature
    for feature in (
        Feature("log_return_1", log_return, (1,), 2, "log return", "close[t] / close[t-1]"),
        Feature("realised_volatility_24", realised_volatility, (24,), 25, "log return", "closes of 25 bars"),
        Feature("relative_volume_24", relative_volume, (24,), 24, "log ratio", "volumes of 24 bars"),
    )
}

SETS: Final[dict[str, tuple[str, ...]]] = {
    "btc_3": ("log_return_1", "relative_volume_24", "realised_volatility_24"),
}


class FeatureSet:
    """Some features in a fixed order, compiled together."""

    def __init__(self, names: Sequence[str]) -> None:
        self.features = tuple(_named(name) for name in names)
        self.names = tuple(feature.name for feature in self.features)
        self.lookback = max(feature.lookback for feature in self.features)
        self._kernel = Kernel([f.value for f in self.features], [f.parameters for f in self.features])

    @classmethod
    def named(cls, name: str) -> "FeatureSet":
        """A set from SETS.

        Raises: ConfigError: no set has this name.
        """
        if name not in SETS:
            raise ConfigError(f"no feature set is called {name!r}; there are: {', '.join(sorted(SETS))}")
        return cls(SETS[name])

    @property
    def digest(self) -> str:
        """Sixteen hex digits that change when a name, a parameter or a lookback changes."""
        told = [(f.name, f.parameters, f.lookback, f.unit) for f in self.features]
        return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:16]

    def rows(self, bars_NT5: BarArray, count: int) -> npt.NDArray[np.float64]:
        """(N, T, 5) bars -> (N, count, F): the features of the last `count` bars. Needs T >= count + lookback - 1."""
        needed = count + self.lookback - 1
        if bars_NT5.shape[1] < needed:
            raise ValueError(f"{count} feature rows need {needed} bars, got {bars_NT5.shape[1]}")
        return self._kernel(bars_NT5, count)

    def history(self, bars_T5: BarArray) -> npt.NDArray[np.float64]:
        """(T, 5) bars of one symbol -> (T, F); NaN where there are fewer than `lookback` bars."""
        out = np.full((len(bars_T5), len(self.features)), np.nan)
        if len(bars_T5) >= self.lookback:
            out[self.lookback - 1 :] = self.rows(bars_T5[None], len(bars_T5) - self.lookback + 1)[0]
        return out


def _named(name: str) -> Feature:
    if name not in FEATURES:
        raise ConfigError(f"no feature is called {name!r}; there are: {', '.join(sorted(FEATURES))}")
    return FEATURES[name]
