"""The features: what each is called, how far it looks back, what it is measured in, and the named sets of them.

To add a feature: write its value function in the file of its family and add its line to the table below it. The tests
of same bits, of lookback and of lookahead then cover it. `python -m core.features` prints the table as a page.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from core.bars import BarArray, Spans, TimeArray
from core.errors import ConfigError
from core.features.calendar import CALENDAR
from core.features.feature import Feature
from core.features.kernel import Floats, Kernel
from core.features.market import MARKET
from core.features.momentum import MOMENTUM
from core.features.returns import RETURNS
from core.features.sets import SETS
from core.features.trend import TREND
from core.features.volatility import VOLATILITY
from core.features.volume import VOLUME_FEATURES

FAMILIES: Final = (RETURNS, VOLATILITY, VOLUME_FEATURES, MOMENTUM, TREND, CALENDAR, MARKET)
FEATURES: Final[dict[str, Feature]] = {feature.name: feature for family in FAMILIES for feature in family}

__all__ = ("FAMILIES", "FEATURES", "SETS", "Feature", "FeatureSet")


class FeatureSet:
    """Some features in a fixed order, compiled together.

    `timed` sets hold features of the calendar, which read the bars' opening times; the others ignore them.

    Raises: ConfigError: no feature has this name.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.features = tuple(_named(name) for name in names)
        self.names = tuple(feature.name for feature in self.features)
        self.lookback = max(feature.lookback for feature in self.features)
        self.timed = any(feature in CALENDAR for feature in self.features)
        log_returns = max((feature.lookback - 1 for feature in self.features if feature.log_returns), default=0)
        self._kernel = Kernel([f.value for f in self.features], [f.parameters for f in self.features], log_returns)

    @classmethod
    def named(cls, name: str) -> "FeatureSet":
        """A set from SETS.

        Raises: ConfigError: no set has this name.
        """
        if name not in SETS:
            raise ConfigError(f"no feature set is called {name!r}; try: {', '.join(sorted(SETS))}")
        return cls(SETS[name])

    @property
    def digest(self) -> str:
        """Sixteen hex digits that change when a name, a parameter, a lookback or a unit changes."""
        told = [(f.name, f.parameters, f.lookback, f.unit) for f in self.features]
        return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:16]

    def rows(self, bars_NT5: BarArray, count: int, opened_at_ms_NT: TimeArray | None = None) -> Floats:
        """(N, T, 5) bars -> (N, count, F): the features of the last `count` bars. Needs T >= count + lookback - 1.

        Raises: ValueError: too few bars; a timed set without (N, T) opening times.
        """
        self._check(bars_NT5.shape[:2], count, opened_at_ms_NT)
        needed = count + self.lookback - 1
        times_NT = opened_at_ms_NT[:, -needed:] if self.timed and opened_at_ms_NT is not None else None
        return self._kernel(bars_NT5[:, -needed:], count, times_NT)

    def newest(self, spans: Spans, opened_at_ms_NT: TimeArray | None = None) -> Floats:
        """(N, 1, F): what rows() gives of the last bar of each span, and needs."""
        self._check((len(spans.positions_N), spans.length), 1, opened_at_ms_NT)
        return self._kernel.where_they_lie(spans, 1, opened_at_ms_NT)

    def history(self, bars_T5: BarArray, opened_at_ms_T: TimeArray | None = None) -> Floats:
        """(T, 5) bars of one symbol -> (T, F); NaN where there are fewer than `lookback` bars."""
        out = np.full((len(bars_T5), len(self.features)), np.nan)
        if len(bars_T5) >= self.lookback:
            times = None if opened_at_ms_T is None else opened_at_ms_T[None]
            out[self.lookback - 1 :] = self.rows(bars_T5[None], len(bars_T5) - self.lookback + 1, times)[0]
        return out

    def _check(self, shape_NT: tuple[int, ...], count: int, opened_at_ms_NT: TimeArray | None) -> None:
        needed = count + self.lookback - 1
        if shape_NT[1] < needed:
            raise ValueError(f"{count} feature rows need {needed} bars, got {shape_NT[1]}")
        if self.timed and (opened_at_ms_NT is None or opened_at_ms_NT.shape != shape_NT):
            found = "none" if opened_at_ms_NT is None else f"shape {opened_at_ms_NT.shape}"
            raise ValueError(
                f"calendar features need the opening time of each bar, shape {shape_NT}, got {found}; "
                "try: rows(bars, count, opened_at_ms), or a set without hours and sessions"
            )


def _named(name: str) -> Feature:
    if name not in FEATURES:
        raise ConfigError(f"no feature is called {name!r}; try: {', '.join(sorted(FEATURES))}")
    return FEATURES[name]
