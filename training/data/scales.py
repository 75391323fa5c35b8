"""A symbol's own bars joined to longer ones, as an input beside its window: the last whole of them at every bar."""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from core.barfile import SymbolBars
from core.bars import Interval
from core.bundle import Input, Window
from core.features import FeatureSet
from core.resample import parts_of, resample
from training.data.stretches import Grid, Rows


class Scale(msgspec.Struct, frozen=True):
    """Longer bars of all symbols, one symbol after the other. M rows of them, R of the panel.

    `row_R`: for each row of the panel the last longer bar of a whole window that had closed with it, -1 where none had.
    """

    interval: Interval
    parts: int
    features: FeatureSet
    length: int
    features_MF: npt.NDArray[np.float32]
    row_R: Rows

    @classmethod
    def beside(
        cls, symbols: Sequence[SymbolBars], base: Interval, interval: Interval, features: FeatureSet, length: int
    ) -> "Scale":
        """Join the bars of these symbols.

        Raises: ConfigError: the longer interval is not made of whole shorter ones.
        """
        parts, needed = parts_of(base, interval), length + features.lookback - 1
        rows, places, before = [], [], 0
        for part in symbols:
            opened_at_ms_L, bars_L5 = resample(part.opened_at_ms, part.rows, base, interval)
            joined = SymbolBars(part.symbol, opened_at_ms_L, bars_L5)
            whole_L, _ = Grid(interval).unbroken(joined)
            closed_at_ms_T = part.opened_at_ms + base.ms
            last_ms_T = closed_at_ms_T - (closed_at_ms_T - interval.anchor_ms) % interval.ms - interval.ms
            place_T = np.searchsorted(opened_at_ms_L, last_ms_T)
            there_T = place_T < len(opened_at_ms_L)
            there_T[there_T] = opened_at_ms_L[place_T[there_T]] == last_ms_T[there_T]
            there_T[there_T] = whole_L[place_T[there_T]] >= needed
            places.append(np.where(there_T, place_T + before, -1))
            rows.append(features.history(bars_L5, opened_at_ms_L).astype(np.float32))
            before += len(bars_L5)
        return cls(interval, parts, features, length, np.concatenate(rows), np.concatenate(places))

    @property
    def input(self) -> Input:
        """As a bundle says it."""
        known, window = self.features, Window("rolling", self.length, self.length)
        return Input(
            f"features_{self.interval.name}",
            "symbol",
            known.names,
            known.digest,
            known.lookback,
            window,
            interval=self.interval.name,
            parts=self.parts,
        )
