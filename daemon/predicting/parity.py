"""Are live features still those of the offline path? Some windows are computed again from the bars that the store kept.

Live, a window's features are computed from the mirror in memory, each window alone. Here they are computed as training
does, over the whole history of a symbol, from what is read back from the store. Not one bit may differ, of a feature
row or of a bar behind it.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from core.bars import BarArray, Interval, TimeArray
from core.bundle import Input
from core.errors import StoreError
from core.external import Records
from core.features import FeatureSet
from core.resample import resample
from core.windows import EMPTY, Windows
from daemon.ports import Float32s, Store
from daemon.predicting.batch import Batch

log = logging.getLogger("gaze.parity")

_STRIDE: Final = 7_919
"""Which row of a batch is taken moves by a prime, so that every symbol has its turn."""


class Watcher(Protocol):
    """What is told of every comparison."""

    def parity(self, compared: int, mismatched: int) -> None:
        """So many feature rows were computed again, so many of them in other bits."""


class Sample(msgspec.Struct, frozen=True):
    """A window as it was fed to the model, and the bars behind it (L, 5). `revisions`: theirs, by opening time."""

    symbol: str
    opened_at_ms: int
    revisions: dict[int, int]
    bars: BarArray
    inputs: dict[str, Float32s]


class Parity:
    """Takes a window now and then, and computes it again. `clock_s`: a clock that never goes back."""

    def __init__(
        self,
        inputs: tuple[Input, ...],
        windows: Windows,
        store: Store,
        watcher: Watcher,
        *,
        windows_per_minute: float,
        clock_s: Callable[[], float],
        records: Callable[[], Records] | None = None,
    ) -> None:
        self._inputs = {one.name: one for one in inputs if one.source == "symbol"}
        self._features = {name: FeatureSet(one.own_features) for name, one in self._inputs.items()}
        self._bars_needed = max(one.bars_needed for one in inputs)
        self._windows = windows
        self._store = store
        self._watcher = watcher
        self._pause_s = 60.0 / windows_per_minute if windows_per_minute else float("inf")
        self._clock_s = clock_s
        self._records = records
        self._next_s = clock_s() if windows_per_minute else float("inf")
        self._turn = 0
        self._samples: asyncio.Queue[Sample] = asyncio.Queue(maxsize=1)

    def offer(self, batch: Batch) -> None:
        """Take a window of a batch that the store has, where one is due."""
        if not batch.predicted or self._samples.full() or self._clock_s() < self._next_s:
            return
        self._turn += _STRIDE
        row = self._turn % len(batch.predicted)
        one = batch.predicted[row]
        bar = one.arrival.bar
        # A bar revised in this batch was another one when the window was computed.
        revised = any(other.revision and other.arrival.bar.symbol == bar.symbol for other in batch.stored)
        if revised or one.filled or not self._is_within(self._windows, bar.symbol, bar.opened_at_ms):
            return
        self._next_s = self._clock_s() + self._pause_s
        revisions = self._revisions(self._windows, bar.symbol, bar.opened_at_ms)
        inputs = {name: rows.copy() for name, rows in batch.fed(row).items() if name in self._inputs}
        bars_L5 = self._bars(self._windows, bar.symbol, bar.opened_at_ms)
        self._samples.put_nowait(Sample(bar.symbol, bar.opened_at_ms, revisions, bars_L5, inputs))

    async def check_forever(self) -> None:
        """Compute again what was taken. Ends only by cancellation."""
        while True:
            await self.check(await self._samples.get())

    async def check(self, sample: Sample) -> None:
        """Compute a window again, and tell what came of it; one that the store no longer holds is let go."""
        kept = Windows(self._windows.interval, [sample.symbol], self._windows.capacity)
        try:
            await self._store.load(kept)
        except StoreError:
            # The predictor meets the same failure, and tells of it.
            return
        revised = self._revisions(kept, sample.symbol, sample.opened_at_ms).items() - sample.revisions.items()
        if revised or not self._is_within(kept, sample.symbol, sample.opened_at_ms):
            return
        compared, wrong = await asyncio.to_thread(self._compare, kept, sample)
        self._watcher.parity(compared, sum(wrong.values()))
        if wrong:
            log.error(
                "live features are not those of the bars in the store",
                extra={"symbol": sample.symbol, "opened_at_ms": sample.opened_at_ms, "rows_wrong": wrong},
            )

    def _is_within(self, windows: Windows, symbol: str, opened_at_ms: int) -> bool:
        """Whether later bars have not yet taken the place of the first behind this window."""
        first_ms = windows.interval.after(opened_at_ms, 1 - self._bars_needed)
        behind_ms = int(windows.newest_ms_S[windows.index[symbol]]) - first_ms
        return behind_ms // windows.interval.ms < windows.capacity

    def _compare(self, kept: Windows, sample: Sample) -> tuple[int, dict[str, int]]:
        """How many rows were compared, and of each input how many differ. Runs in a thread."""
        bars_T5, opened_T = _history(kept, sample.opened_at_ms)
        other_L = _differ(self._bars(kept, sample.symbol, sample.opened_at_ms), sample.bars)
        compared, wrong = 0, {}
        for name, live_TF in sample.inputs.items():
            history_TF = self._history_rows(name, sample.symbol, bars_T5, opened_T)[-len(live_TF) :]
            again_TF = np.full_like(live_TF, np.nan)
            again_TF[len(live_TF) - len(history_TF) :] = history_TF
            lookback, rows = self._inputs[name].lookback, len(live_TF)
            behind_TK = sliding_window_view(other_L[-(rows + lookback - 1) :], lookback)
            other_T = behind_TK.any(axis=1) if self._inputs[name].parts == 1 else np.full(rows, other_L.any())
            differ_T = _differ(again_TF, live_TF) | other_T
            compared += len(live_TF)
            if differ_T.any():
                wrong[name] = int(differ_T.sum())
        return compared, wrong

    def _history_rows(self, name: str, symbol: str, bars_T5: BarArray, opened_T: TimeArray) -> Float32s:
        """(T, F): the rows of a whole history, as training computes them."""
        one = self._inputs[name]
        if one.parts > 1:
            longer = Interval.parse(one.interval)
            opened_T, bars_T5 = resample(opened_T, bars_T5, self._windows.interval, longer)
        rows_TF = self._features[name].history(bars_T5, opened_T).astype(np.float32)
        external = one.external
        if self._records is None or not external:
            return rows_TF
        closed_T = opened_T + self._windows.interval.ms
        beside_TE = self._records().columns(external, symbol, closed_T).astype(np.float32)
        beside_TE[np.isnan(rows_TF[:, 0])] = np.nan
        return np.concatenate([rows_TF, beside_TE], axis=1)

    def _bars(self, windows: Windows, symbol: str, opened_at_ms: int) -> BarArray:
        position_1 = np.array([windows.index[symbol]])
        bars_1L5, _ = windows.gather(position_1, np.array([opened_at_ms]), self._bars_needed)
        bars_L5: BarArray = bars_1L5[0]
        return bars_L5

    def _revisions(self, windows: Windows, symbol: str, opened_at_ms: int) -> dict[int, int]:
        position = windows.index[symbol]
        first_ms = windows.interval.after(opened_at_ms, 1 - self._bars_needed)
        opened_C = windows.opened_at_ms_SC[position]
        wanted_C = (opened_C >= first_ms) & (opened_C <= opened_at_ms)
        return dict(zip(opened_C[wanted_C].tolist(), windows.revision_SC[position][wanted_C].tolist(), strict=True))


def _history(windows: Windows, until_ms: int) -> tuple[BarArray, TimeArray]:
    """The unbroken bars of the one symbol that end at this time, oldest first: (T, 5) and (T,)."""
    opened_C = windows.opened_at_ms_SC[0]
    slots = np.flatnonzero((opened_C != EMPTY) & (opened_C <= until_ms))
    slots = slots[np.argsort(opened_C[slots])]
    opened_T = opened_C[slots]
    expected_T = windows.interval.backs(np.array([until_ms]), len(slots))[0]
    first = int(np.flatnonzero(opened_T != expected_T).max(initial=-1)) + 1
    return windows.rows_SC5[0, slots[first:]], opened_T[first:]


def _differ(one: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """(rows, ...) of both -> (rows,): whether any bit differs."""
    bits = np.dtype(f"u{one.itemsize}")
    differ: npt.NDArray[np.bool_] = (np.ascontiguousarray(one).view(bits) != other.view(bits)).any(axis=1)
    return differ
