"""A process that is watched: statistics with memory, a common factor, and heads that look somewhere."""

import functools
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from builders import a_gaze, a_message

from core.bundle import Manifest
from core.drift import calibration
from core.drift.calibration import level
from core.drift.detector import binned, measured, walk
from core.drift.monitor import Monitor
from core.drift.statistics import HOUR_MS, QUARTER_MS, Names, by_period, joined, names, observe
from core.prediction import Message
from core.reference import Reference, Usual, side_by_side
from daemon.watching.drift import rows_of

Floats = npt.NDArray[np.float64]
QUARTER = QUARTER_MS // HOUR_MS
STATISTICS = 20
_MEMORY = 0.9
_SETTLE = 300


class Walk(msgspec.Struct, frozen=True):
    """Observations of some statistics and two heads of 16 parts."""

    values: Floats
    parts: Floats

    def rows(self, rows: npt.NDArray[np.int64]) -> "Walk":
        return Walk(self.values[rows], self.parts[rows])

    def cut(self, first: int, last: int) -> "Walk":
        return self.rows(np.arange(first, last))


def a_walk(quarters: float, seed: int = 0, statistics: int = STATISTICS) -> Walk:
    """So many quarters of hours, and ten days to begin with."""
    chance = np.random.default_rng(seed)
    count = round(quarters * QUARTER) + 240
    shocks = chance.normal(size=(count + _SETTLE, statistics))
    own = np.zeros_like(shocks)
    for at in range(1, len(shocks)):
        own[at] = _MEMORY * own[at - 1] + shocks[at]
    values = own[_SETTLE:] + chance.normal(size=(count, 1))
    parts = chance.dirichlet(np.full(16, 5.0), size=(count, 2)) + 0.05 * (1 + np.tanh(values[:, :1, np.newaxis]))
    return Walk(values, parts / parts.sum(axis=-1, keepdims=True))


@functools.cache
def _limits(quarters: float, seed: int) -> Reference:
    return _made(a_walk(quarters, seed).cut(240, 240 + round(quarters * QUARTER)), seed)


def _made(walk: Walk, seed: int) -> Reference:
    count = walk.values.shape[1]
    groups = (("attention",) * 8 + ("input",) * 8 + ("prediction",) * 4)[-count:]
    names = Names(tuple(f"statistic {number}" for number in range(count)), groups, {"look": ("head 0", "head 1")})
    limits = calibration.calibrated(walk.values, walk.parts, QUARTER, seed=seed)
    return Reference(names, HOUR_MS, 10.0, {"look": 48}, walk.values, {"look": walk.parts}, limits)


def a_reference(quarters: float = 1.0, seed: int = 0) -> Reference:
    """What a process that does not change is watched by."""
    return _limits(quarters, seed)


def a_reference_of(walk: Walk, seed: int = 0) -> Reference:
    """The same of what it was seen to do."""
    return _made(walk, seed)


def monitor(reference: Reference, rate: float | None = None) -> Monitor:
    return Monitor(reference, rate)


def alarms(reference: Reference, walked: Walk, rate: float = 1.0) -> int:
    """How many alarms a quarter gives, after ten days to fill the windows."""
    limits = reference.limits
    assert limits is not None
    scale = measured(reference.values_CK, reference.profiles, limits.windows)
    bins = binned(walked.values, scale.edges_KE)
    worst_N, _ = walk(scale, bins, walked.parts, np.arange(len(bins)), limits.usual_J)
    return episodes_of(worst_N, level(limits, rate), limits.windows)


def episodes_of(worst_N: Floats, at: float, windows: tuple[int, ...]) -> int:
    return calibration.episodes(worst_N[240:], at, max(windows))


def said(
    closes: int,
    seed: int = 0,
    symbols: str = "ABC",
    first: int = 1,
    heads: int = 0,
    steps: int = 4,
    foresight: float = 0.0,
    **changes: Any,
) -> list[list[Message]]:
    """What a_manifest's model says at so many closes: random looks and features, prices that are random walks.

    `foresight`: how much of the next return it knows.
    """
    chance, market = np.random.default_rng(seed), np.random.default_rng(seed + 1_000)
    told = []
    price, coming = dict.fromkeys(symbols, 100.0), dict.fromkeys(symbols, 0.0)
    for number in range(first, first + closes):
        close = []
        for symbol in symbols:
            message = a_message(number, symbol)
            weights = chance.dirichlet(np.full(steps, 8.0), size=heads or None).astype("<f4")
            look = msgspec.structs.replace(a_gaze(), weights=weights.tobytes(), shape=weights.shape)
            price[symbol] *= float(np.exp(coming[symbol]))
            coming[symbol] = market.normal(0, 0.01)
            prediction = msgspec.structs.replace(
                message.prediction,
                gaze={"attention": look},
                newest=chance.normal(size=3).astype("<f4").tobytes(),
                outputs={"return_1": foresight * coming[symbol] + float(chance.normal(0, 0.002))},
                close=price[symbol],
                **changes,
            )
            close.append(msgspec.structs.replace(message, prediction=prediction))
        told.append(close)
    return told


def reference_of(manifest: Manifest, closes: list[list[Message]], quarter: int = 200) -> Reference:
    """What a bundle of this manifest would be watched by, had it said this beyond its training."""
    rows = [rows_of(manifest, [message.prediction for message in close]) for close in closes]
    observed = joined([by_period(observe(one), np.zeros(len(one.newest), np.int64), 1)[0] for one in rows])
    told = names(manifest.inputs, manifest.outputs, manifest.attentions, rows[0])
    parts = side_by_side(observed.parts, len(observed.values))
    limits = calibration.calibrated(observed.values, parts, quarter)
    steps = {"attention": rows[0].looks["attention"].shape[-1]}
    symbols = tuple(message.prediction.symbol for message in closes[0])
    each_CSK = np.array([observe(one).values for one in rows])
    usual = Usual(symbols, each_CSK.mean(axis=0), each_CSK.std(axis=0).mean(axis=0))
    return Reference(told, HOUR_MS, len(symbols), steps, observed.values, observed.parts, limits, usual)
