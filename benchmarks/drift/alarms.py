"""How rarely drift alarms beside its promise, and whether it finds what is planted, and how soon.

    gaze bench drift [--quarters 200] [--trials 5] [--real BARS.parquet] [--work build/drift] [--write]

One small model of four heads is trained on bars of `gaze bars simulate`. Its promise, one false alarm a quarter over
all statistics together, is then held against quarters in which nothing happens: drawn by the stationary block bootstrap
from history that the reference has not seen, and simulated afresh; every quarter has a reference of its own, of four.
--quarters 0 keeps the counts of the last run. Into simulated bars drifts are planted. With --real the same is trained
on Bitcoin's first hours: how often it alarms since is told, and what of the crash of 2022-05 was seen. Status 1 where a
count lies outside the 95 % Poisson band of the promise.
"""

import argparse
import math
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from benchmarks.drift import page
from benchmarks.drift.page import Calibrated, Planted, Real, Report
from benchmarks.drift.planted import PLANTED, found, tried
from benchmarks.drift.seen import QUARTER, Seen, Watched
from benchmarks.house import HOUSE, conditions
from core.bars import Interval
from core.drift import calibration
from core.drift.calibration import episodes, level
from core.drift.detector import binned, measured, walk
from core.drift.monitor import GROUPS, Monitor
from core.reference import Reference
from training.bars import canonical
from training.bars.simulate import simulate

SYMBOLS: Final = 3
EACH: Final = 4
"""Quarters of a reference. It watches one: those that one reference watches are too alike for a Poisson count."""
WARM: Final = 240
"""Observations until all windows are full, twice."""
HOUR: Final = Interval.parse("1h")
_START: Final = datetime(2020, 1, 1, tzinfo=UTC)
_LEARNED: Final = 6_000
_BEFORE: Final = 100
"""Bars that windows and features need before the first of them."""
_PROMISE: Final = 1.0
_SHARE: Final = 0.025
_REAL: Final = "BTCUSDT"
_LEARNED_UNTIL, _WATCHED_FROM = datetime(2019, 7, 1, tzinfo=UTC), datetime(2021, 4, 1, tzinfo=UTC)
_CALM_FROM, _CRASH = datetime(2021, 7, 1, tzinfo=UTC), datetime(2022, 5, 5, tzinfo=UTC)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and with --write keep it and put it into the docs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quarters", type=int, default=200, help="each with a reference of its own; 0: as counted before"
    )
    parser.add_argument("--trials", type=int, default=5, help="how often each drift is planted")
    parser.add_argument("--real", type=Path, help=f"Parquet file of hours with {_REAL} from 2017 to after 2022-05")
    parser.add_argument("--work", type=Path, default=HOUSE / "build" / "drift")
    parser.add_argument("--write", action="store_true", help="keep it, and put it into docs/explanation/drift.md")
    asked = parser.parse_args(arguments)
    asked.work.mkdir(parents=True, exist_ok=True)
    report = measure(asked.work, asked.quarters, asked.trials, asked.real)
    if asked.write:
        page.write(report)
    print(report.markdown())
    if not all(one.kept for one in report.calibrated):
        sys.exit(1)


def measure(work: Path, quarters: int, trials: int, real: Path | None) -> Report:
    """All of it, in this folder."""
    _simulated(work / "learned.parquet", _LEARNED, 1)
    watched = Watched.trained(work / "learned.parquet", work / "run")
    planted = planted_into(watched, work, trials)
    of_real = on_real(real, work) if real else None
    print(of_real, file=sys.stderr, flush=True)
    where = conditions()
    quiet = calibrated(watched, work, quarters) if quarters else page.kept().calibrated
    return Report(where["machine"], where["date"], where["commit"], quiet, planted, of_real)


def calibrated(watched: Watched, work: Path, quarters: int) -> tuple[Calibrated, ...]:
    """False alarms in quarters drawn from references, and in fresh ones of the same process."""
    drawn = fresh = 0
    history = _lived(watched, work, 99)
    for seed in range(quarters):
        seen = _lived(watched, work, 100 + seed)
        reference = watched.reference(seen.cut(0, EACH * QUARTER), seed)
        fresh += alarms(reference, seen.cut(EACH * QUARTER, len(seen.values)), QUARTER)
        rows = calibration.drawn(np.random.default_rng(seed), EACH * QUARTER, QUARTER + WARM, WARM * 2)
        drawn += alarms(reference, history.rows(rows), QUARTER)
        history = seen
        print(f"quarter {seed + 1} of {quarters}: {drawn} alarms drawn, {fresh} fresh", file=sys.stderr, flush=True)
    low, high = band(quarters * _PROMISE)
    promised = round(quarters * _PROMISE)
    return (
        Calibrated("drawn in blocks from unseen history", quarters, promised, drawn, low, high),
        Calibrated("simulated afresh", quarters, promised, fresh, low, high),
    )


def _lived(watched: Watched, work: Path, seed: int) -> Seen:
    """What the model says of the quarters of a reference, and of one more."""
    _simulated(work / "calm.parquet", (EACH + 1) * QUARTER + WARM + _BEFORE, seed)
    return watched.see(watched.panel(work / "calm.parquet"))


def alarms(reference: Reference, seen: Seen, counted: int) -> int:
    """Alarms in the last so many of these observations; those before them fill the windows."""
    limits = reference.limits
    assert limits is not None
    scale = measured(reference.values_CK, reference.profiles, limits.windows)
    rows = np.arange(len(seen.values))
    worst_N, _ = walk(scale, binned(seen.values, scale.edges_KE), seen.parts, rows, limits.usual_J)
    return episodes(worst_N[-counted:], level(limits, _PROMISE), max(limits.windows))


def planted_into(watched: Watched, work: Path, trials: int) -> tuple[Planted, ...]:
    """Every kind of drift, so often, each into bars of its own."""
    _simulated(work / "calm.parquet", EACH * QUARTER + _BEFORE, 50)
    reference = watched.reference(watched.see(watched.panel(work / "calm.parquet")))
    told = []
    for kind in PLANTED:
        found = []
        for number in range(trials):
            table = simulate(SYMBOLS, _BEFORE + 2 * WARM + QUARTER // 3, HOUR, _START, 500 + number).bars
            at_ms = int(table["ts"].dt.epoch("ms").min()) + (_BEFORE + 2 * WARM) * HOUR.ms  # type: ignore[operator]
            found.append(tried(watched, reference, kind, table, at_ms, work))
        told.append(Planted(kind.name, kind.named, tuple(found)))
        print(f"{kind.name}: {found}", file=sys.stderr, flush=True)
    return tuple(told)


def on_real(bars: Path, work: Path) -> Real:
    """A model of Bitcoin's first hours on all that came after."""
    table = pl.read_parquet(bars).filter(pl.col("symbol") == _REAL)
    canonical.write(table.filter(pl.col("ts") < _LEARNED_UNTIL), work / "learned_real.parquet")
    canonical.write(table, work / "real.parquet")
    watched = Watched.trained(work / "learned_real.parquet", work / "run_real")
    seen = watched.see(watched.panel(work / "real.parquet"))
    learned, since, calm, crash = (
        seen.at(_ms(moment)) for moment in (_LEARNED_UNTIL, _WATCHED_FROM, _CALM_FROM, _CRASH)
    )
    count = len(seen.values)
    since_then = alarms(watched.reference(seen.cut(learned, since)), seen.cut(since - WARM, count), count - since)
    monitor = Monitor(watched.reference(seen.cut(calm, crash)))
    week = dict.fromkeys(GROUPS, 0.0)
    for at in range(crash - WARM, crash):
        monitor.take(seen.values[at], seen.parts[at])
        if at >= crash - 7 * 24:
            week = {group: max(week[group], ratio) for group, ratio in monitor.ratios().items()}
    return Real((count - since) / QUARTER, since_then, found(monitor, seen.cut(crash, crash + 30 * 24), 0), week)


def band(mean: float) -> tuple[int, int]:
    """What a Poisson count of this mean stays within 95 times in a hundred."""
    chances = np.exp(
        [k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(int(mean + 20 * math.sqrt(mean)) + 20)]
    )
    below = np.cumsum(chances)
    return int(np.searchsorted(below, _SHARE)), int(np.searchsorted(below, 1 - _SHARE))


def _simulated(path: Path, bars: int, seed: int) -> None:
    canonical.write(simulate(SYMBOLS, bars, HOUR, _START, seed).bars, path)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000)


if __name__ == "__main__":
    main()
