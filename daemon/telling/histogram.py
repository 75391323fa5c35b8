"""A Prometheus histogram that takes a whole batch at once: 10,000 predictions are one call, not 10,000."""

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

import numpy as np
import numpy.typing as npt
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

_FEW: Final = 16
"""Batches of so few numbers wait for others: counting one number alone costs as much as counting hundreds."""
_MOST_WAITING: Final = 512


class BatchHistogram(Collector):
    """Counts per label values and bucket. `bounds`: upper bounds, ascending, without the infinite one."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = tuple(labels)
        self._bounds: dict[tuple[str, ...], npt.NDArray[np.float64]] = {}
        self._counts: dict[tuple[str, ...], npt.NDArray[np.int64]] = {}
        self._sums: dict[tuple[str, ...], float] = {}
        self._waiting: dict[tuple[str, ...], list[float]] = {}
        self._usual = tuple(bounds)
        if not labels:
            self.start(())

    def start(self, values: Sequence[str], bounds: Sequence[float] | None = None) -> None:
        """Show a series for these label values from now on, at zero; `bounds`: others than the usual ones."""
        of = tuple(values)
        self._bounds[of] = np.array(self._usual if bounds is None else bounds)
        self._counts[of] = np.zeros(len(self._bounds[of]) + 1, np.int64)
        self._sums[of] = 0.0
        self._waiting[of] = []

    def observe(self, numbers: npt.ArrayLike, *values: str) -> None:
        """Count every number of a batch, whatever its shape; NaN counts as above the last bound, and in no sum."""
        numbers_N = np.asarray(numbers, np.float64).reshape(-1)
        if len(numbers_N) > _FEW:
            self._count(values, numbers_N)
            return
        waiting = self._waiting[values]
        waiting += numbers_N.tolist()
        if len(waiting) >= _MOST_WAITING:
            self._count_waiting(values)

    def _count_waiting(self, values: tuple[str, ...]) -> None:
        self._count(values, np.array(self._waiting[values]))
        self._waiting[values].clear()

    def _count(self, values: tuple[str, ...], numbers_N: npt.NDArray[np.float64]) -> None:
        bounds = self._bounds[values]
        self._counts[values] += np.bincount(np.searchsorted(bounds, numbers_N), minlength=len(bounds) + 1)
        total = float(np.add.reduce(numbers_N))
        self._sums[values] += total if math.isfinite(total) else float(numbers_N.sum(where=np.isfinite(numbers_N)))

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """The name alone, so that a registry refuses a second metric of that name."""
        return [HistogramMetricFamily(self._name, self._documentation)]

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """All series; without sum and count where bounds are negative, as OpenMetrics asks."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        for of, counts in self._counts.items():
            self._count_waiting(of)
            names = [*map(floatToGoString, self._bounds[of]), "+Inf"]
            family.add_metric(of, list(zip(names, accumulate(counts.tolist()), strict=True)), self._sums[of])
        return [family]
