"""How a feature is computed: one plain loop over the last K bars, compiled, the same code for every use.

A feature's value is a function `value(series, end, parameters)` of one symbol's (7, T) series up to and including
`end`. It adds in a fixed order and never calls a numpy reduction, whose result depends on memory layout; so a value has
the same bits whatever history lies before it, however the batch is cut, and on any number of threads.

Where each step waits for the one before, over hundreds of bars, most of a processor idles. Such a feature is a function
`together(bars_5TL, parameters, out_L)` of L values at once, each in a lane of its own whose last bar is its newest. No
lane reads another, so that each value has the bits it would have alone.

The series has one row for each of the five numbers of a bar, in the order of core.bars, and two more:
LOG_RETURN, because half of all features want the logarithm and it is dear, and OPENED_AT_MS for the calendar.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
from numba import config, njit, types
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaExperimentalFeatureWarning
from numba.core.types.function_type import CompileResultWAP
from numba.typed import List

from core.bars import CLOSE, BarArray, Spans, TimeArray
from core.errors import ConfigError

LOG_RETURN: Final = 5
"""Log return of the close over the one bar before; NaN at a series' first bar, and further back than any reads."""
OPENED_AT_MS: Final = 6
"""Opening time, Unix milliseconds UTC, exact as a float until the year 287,000; NaN where no times were given."""
ROWS: Final = 7
EVERY: Final = 1 << 32
"""As many log returns as there are."""

LANES: Final = 16
"""Values that are computed at once."""

Floats = npt.NDArray[np.float64]
Value = Callable[[Floats, int, Floats], float]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_SIGNATURE: Final = types.float64(
    types.Array(types.float64, 2, "C", readonly=False), types.int64, types.Array(types.float64, 1, "C")
)
_TOGETHER: Final = types.void(
    types.Array(types.float64, 3, "C", readonly=False),
    types.Array(types.float64, 1, "C"),
    types.Array(types.float64, 1, "C"),
)
# Symbols and feature rows per block: their bars stay in the cache while every feature passes over them.
_SYMBOLS: Final = 16
_STEPS: Final = 512


def value(function: Value) -> Value:
    """Compile a feature's value function, when it is first used. All share one signature, so one driver runs all."""
    compiled: Value = njit(cache=True, error_model="numpy")(function)
    return compiled


class Together:
    """A value function of several values at once, compiled when it is first used."""

    def __init__(self, function: Callable[[Floats, Floats, Floats], None]) -> None:
        self.compiled = njit(cache=True, error_model="numpy")(function)
        self.__doc__, self.__module__ = function.__doc__, function.__module__


def part(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Compile a helper that value functions call."""
    compiled: Callable[_Arguments, _Result] = njit(cache=True, error_model="numpy")(function)
    return compiled


def _compiled(function: Any, signature: Any) -> Any:
    """A function's machine code, all of one type: a dispatcher has a type, and a list to compile, of its own."""
    if isinstance(function, Dispatcher):
        return CompileResultWAP(function.get_compile_result(signature))
    return function  # plain Python, under NUMBA_DISABLE_JIT


@njit(cache=True, error_model="numpy")
def _prepare(bars_C5, slot, opened_at_ms_T, log_returns, series_7T):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    capacity, length = len(bars_C5), series_7T.shape[1]
    for step in range(length):
        for column in range(5):
            series_7T[column, step] = bars_C5[slot, column]
        slot = slot + 1 if slot + 1 < capacity else 0
    close_T = series_7T[CLOSE]
    for step in range(max(length - log_returns, 1), length):
        series_7T[LOG_RETURN, step] = math.log(close_T[step] / close_T[step - 1])
    for step in range(len(opened_at_ms_T)):
        series_7T[OPENED_AT_MS, step] = opened_at_ms_T[step]


@njit(cache=True, error_model="numpy")
def _run_alone(functions, columns, parameters_FP, series_B7T, out_BRF):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    count, rows = out_BRF.shape[0], out_BRF.shape[1]
    before = series_B7T.shape[2] - rows
    for start in range(0, rows, _STEPS):
        for place in range(len(functions)):
            function, column = functions[place], columns[place]
            parameters = parameters_FP[column]
            for symbol in range(count):
                series_7T = series_B7T[symbol]
                for row in range(start, min(start + _STEPS, rows)):
                    out_BRF[symbol, row, column] = function(series_7T, before + row, parameters)


@njit(cache=True, error_model="numpy")
def _run_together(functions, columns, parameters_FP, series_B7T, bars_5TL, out_BRF):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    count, rows = out_BRF.shape[0], out_BRF.shape[1]
    length, lanes = bars_5TL.shape[1], bars_5TL.shape[2]
    out_L = np.empty(lanes)
    for start in range(0, count * rows, lanes):
        here = min(lanes, count * rows - start)
        for lane in range(here):
            symbol, row = (start + lane) // rows, (start + lane) % rows
            for column in range(5):
                values_T, lanes_TL = series_B7T[symbol, column], bars_5TL[column]
                for step in range(length):
                    lanes_TL[step, lane] = values_T[row + step]
        for place in range(len(functions)):
            column = columns[place]
            functions[place](bars_5TL, parameters_FP[column], out_L)
            for lane in range(here):
                out_BRF[(start + lane) // rows, (start + lane) % rows, column] = out_L[lane]


@njit(cache=True, error_model="numpy", nogil=True)
def _run(  # type: ignore[no-untyped-def]  # noqa: ANN202
    alone,  # noqa: ANN001
    alone_at,  # noqa: ANN001
    together,  # noqa: ANN001
    together_at,  # noqa: ANN001
    parameters_FP,  # noqa: ANN001
    bars_SC5,  # noqa: ANN001
    positions_N,  # noqa: ANN001
    slots_N,  # noqa: ANN001
    opened_at_ms_NT,  # noqa: ANN001
    log_returns,  # noqa: ANN001
    length,  # noqa: ANN001
    out_NRF,  # noqa: ANN001
):
    count, rows = out_NRF.shape[0], out_NRF.shape[1]
    # What is not prepared stays no number.
    series_B7T = np.full((min(_SYMBOLS, count), ROWS, length), np.nan)
    bars_5TL = np.zeros((5, length - rows + 1, min(LANES, count * rows)))
    for first in range(0, count, _SYMBOLS):
        here = min(_SYMBOLS, count - first)
        for symbol in range(here):
            place = first + symbol
            bars_C5 = bars_SC5[positions_N[place]]
            _prepare(bars_C5, slots_N[place], opened_at_ms_NT[place], log_returns, series_B7T[symbol])
        out_BRF = out_NRF[first : first + here]
        _run_alone(alone, alone_at, parameters_FP, series_B7T, out_BRF)
        if len(together):
            _run_together(together, together_at, parameters_FP, series_B7T, bars_5TL, out_BRF)


def _listed(functions: Sequence[Any], chosen: Sequence[int], signature: Any) -> tuple[Any, npt.NDArray[np.int64], Any]:
    """Some of these functions as compiled code takes them, the columns they fill, and what must live as long."""
    listed = List.empty_list(types.FunctionType(signature))
    # The list holds addresses only: what they point to must live as long.
    compiled = [_compiled(functions[column], signature) for column in chosen]
    for function in compiled:
        listed.append(function)
    return listed, np.array(chosen, np.int64), compiled


class Kernel:
    """Several value functions, compiled and ready to run over many symbols in one call.

    `log_returns`: so many are prepared for each row, the newest: few sets read more than some of them.

    Raises: ConfigError: numba would use Intel's SVML, whose logarithm has other last bits inside a loop than alone.
    """

    def __init__(
        self, functions: Sequence[Value | Together], parameters: Sequence[Sequence[float]], log_returns: int = EVERY
    ) -> None:
        if getattr(config, "USING_SVML", False):
            raise ConfigError(
                "features keep their bits only without Intel SVML; try: export NUMBA_DISABLE_INTEL_SVML=1"
            )
        self._log_returns = log_returns
        width = max((len(row) for row in parameters), default=0) or 1
        self._parameters_FP = np.zeros((len(functions), width))
        for position, row in enumerate(parameters):
            self._parameters_FP[position, : len(row)] = row
        beside = [column for column, function in enumerate(functions) if isinstance(function, Together)]
        alone = [column for column in range(len(functions)) if column not in beside]
        code = [function.compiled if isinstance(function, Together) else function for function in functions]
        with warnings.catch_warnings():
            # Calling a compiled function through a typed list is what keeps one cached driver for any set of features.
            warnings.simplefilter("ignore", NumbaExperimentalFeatureWarning)
            self._alone, self._together = _listed(code, alone, _SIGNATURE), _listed(code, beside, _TOGETHER)

    def __call__(self, bars_NT5: BarArray, rows: int, opened_at_ms_NT: TimeArray | None = None) -> Floats:
        """(N, T, 5) bars, (N, T) opening times -> (N, rows, F): every feature at the last `rows` bars."""
        bars = np.ascontiguousarray(bars_NT5, dtype=np.float64)
        each = np.arange(len(bars))
        return self.where_they_lie(Spans(bars, each, np.zeros_like(each), bars.shape[1]), rows, opened_at_ms_NT)

    def where_they_lie(self, spans: Spans, rows: int, opened_at_ms_NT: TimeArray | None = None) -> Floats:
        """The same of bars in rings, which are copied nowhere first."""
        count = len(spans.positions_N)
        times = np.zeros((count, 0)) if opened_at_ms_NT is None else opened_at_ms_NT
        out = np.empty((count, rows, len(self._parameters_FP)))
        _run(
            *self._alone[:2],
            *self._together[:2],
            self._parameters_FP,
            spans.bars_SC5,
            spans.positions_N,
            spans.slots_N,
            np.ascontiguousarray(times, np.int64),
            self._log_returns + rows - 1,
            spans.length,
            out,
        )
        return out
