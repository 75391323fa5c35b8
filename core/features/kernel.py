"""How a feature is computed: one plain loop over the last K bars, compiled, the same code for every use.

A feature's value is a function `value(bars, end, parameters)` of the rows up to and including `end` of one symbol's
(T, 5) bars. It sums in a fixed order and never calls a numpy reduction, whose result depends on memory layout; so a
value has the same bits whatever history lies before it, however the batch is cut, and on any number of threads.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.core.errors import NumbaExperimentalFeatureWarning
from numba.typed import List

from core.bars import BarArray

Value = Callable[[BarArray, int, npt.NDArray[np.float64]], float]

_SIGNATURE: Final = types.float64(
    types.Array(types.float64, 2, "C", readonly=False), types.int64, types.Array(types.float64, 1, "C")
)
# Symbols per block: their bars stay in the cache while every feature passes over them.
_BLOCK: Final = 32


def value(function: Value) -> Value:
    """Compile a feature's value function. All share one signature, so one driver runs them all."""
    compiled: Value = njit(_SIGNATURE, cache=True, error_model="numpy")(function)
    return compiled


def part(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a helper that value functions call."""
    compiled: Callable[..., Any] = njit(cache=True, error_model="numpy")(function)
    return compiled


@njit(cache=True, error_model="numpy", nogil=True)
def _run(functions, parameters_FP, bars_NT5, rows, out_NRF):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    count, length = bars_NT5.shape[0], bars_NT5.shape[1]
    for block in range(0, count, _BLOCK):
        for column in range(len(functions)):
            function = functions[column]
            parameters = parameters_FP[column]
            for symbol in range(block, min(block + _BLOCK, count)):
                for row in range(rows):
                    out_NRF[symbol, row, column] = function(bars_NT5[symbol], length - rows + row, parameters)


class Kernel:
    """Several compiled value functions, ready to run over many symbols in one call."""

    def __init__(self, functions: Sequence[Value], parameters: Sequence[Sequence[float]]) -> None:
        width = max((len(row) for row in parameters), default=0) or 1
        self._parameters_FP = np.zeros((len(functions), width))
        for position, row in enumerate(parameters):
            self._parameters_FP[position, : len(row)] = row
        with warnings.catch_warnings():
            # Calling a compiled function through a typed list is what keeps one cached driver for any set of features.
            warnings.simplefilter("ignore", NumbaExperimentalFeatureWarning)
            self._functions = List.empty_list(types.FunctionType(_SIGNATURE))
            for function in functions:
                self._functions.append(function)

    def __call__(self, bars_NT5: BarArray, rows: int) -> npt.NDArray[np.float64]:
        """(N, T, 5) bars -> (N, rows, F): every feature at the last `rows` bars."""
        bars = np.ascontiguousarray(bars_NT5, dtype=np.float64)
        out = np.empty((len(bars), rows, len(self._parameters_FP)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NumbaExperimentalFeatureWarning)
            _run(self._functions, self._parameters_FP, bars, rows, out)
        return out
