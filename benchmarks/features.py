"""How long stock_41 takes: the newest row of many symbols, the whole history of one, beside numpy, polars and pandas.

    python benchmarks/features.py [--symbols 10000] [--bars 1000000] [--repeats 5] [--compile] [--json]

All compute the same 41 features in the same run, best of the repeats, and their largest difference is told in standard
deviations of each feature. numpy takes whole columns of symbols at once, polars one long column for the history and
groups for the newest rows. The others' averages never end, so their last digits differ. TA-Lib, which
has 13 of the 41, is held beside these 13 of ours; it and pandas where they are installed: pip install 'gazed[bench]'.
The bars are made up.
"""

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks import rivals
from core.bars import COLUMNS, BarArray
from core.features import FeatureSet

Floats = npt.NDArray[np.float64]
NAME = "stock_41"
HOUSE = Path(__file__).resolve().parents[1]


def random_bars(symbols: int, length: int, seed: int = 1) -> BarArray:
    """(N, T, 5): walks of one percent a bar, with wicks and volume."""
    random = np.random.default_rng(seed)
    bars_NT5 = np.empty((symbols, length, 5))
    bars_NT5[..., 3] = 100 * np.exp(np.cumsum(random.normal(0, 0.01, (symbols, length)), axis=1) % 4)
    bars_NT5[..., 0] = bars_NT5[..., 3] * np.exp(random.normal(0, 0.005, (symbols, length)))
    body = bars_NT5[..., [0, 3]]
    bars_NT5[..., 1] = body.max(-1) * (1 + 0.01 * random.random((symbols, length)))
    bars_NT5[..., 2] = body.min(-1) * (1 - 0.01 * random.random((symbols, length)))
    bars_NT5[..., 4] = random.lognormal(10, 1, (symbols, length))
    return bars_NT5


def slope_weights(count: int) -> list[float]:
    """Weights whose sum over the last `count` values is the slope of the line through them."""
    away = np.arange(count) - 0.5 * (count - 1)
    return list(away / (away**2).sum())


def polars_features() -> list[pl.Expr]:
    """stock_41 as polars expressions, in its order."""
    opened, high, low, close, volume = (pl.col(name) for name in COLUMNS)
    before = close.shift(1)
    change = close - before
    returns = (close / before).log()
    spread, typical = high - low, (high + low + close) / 3
    location = (2 * close - high - low) / spread
    moved = typical.diff()
    flow = typical * volume
    fast, slow = close.ewm_mean(span=12, adjust=False), close.ewm_mean(span=26, adjust=False)
    line = fast - slow
    ranges = pl.max_horizontal(high, before) - pl.min_horizontal(low, before)
    up, down = high.diff(), -low.diff()
    gain, loss = (
        change.clip(0).ewm_mean(alpha=1 / 14, adjust=False),
        (-change).clip(0).ewm_mean(alpha=1 / 14, adjust=False),
    )
    plus = pl.when((up > down) & (up > 0)).then(up).otherwise(0.0).ewm_mean(alpha=1 / 14, adjust=False)
    minus = pl.when((down > up) & (down > 0)).then(down).otherwise(0.0).ewm_mean(alpha=1 / 14, adjust=False)
    mean20, deviation20 = close.rolling_mean(20), close.rolling_std(20, ddof=0)
    balance = (change.sign().fill_null(0) * volume).cum_sum()
    stochastic = 100 * (close - low.rolling_min(14)) / (high.rolling_max(14) - low.rolling_min(14))
    weights = slope_weights(20)
    expressions = [(close / close.shift(count)).log() for count in (1, 2, 3, 5, 10, 20, 60)]
    expressions += [
        (close / close.shift(5)).log() - (close.shift(5) / close.shift(10)).log(),
        (opened / before).log(),
        (close / opened).log(),
        location,
        (change > 0).cast(pl.Float64).rolling_mean(10),
        returns.rolling_max(20),
        returns.rolling_skew(20),
        *(returns.rolling_std(count) for count in (5, 20, 60)),
        (returns.rolling_std(5) / returns.rolling_std(20)).log(),
        (returns.clip(upper_bound=0) ** 2).rolling_mean(20).sqrt(),
        (((high / low).log() ** 2).rolling_mean(20) / (4 * np.log(2))).sqrt(),
        ranges.ewm_mean(alpha=1 / 14, adjust=False) / close,
        4 * deviation20 / mean20,
        0.5 + (close - mean20) / (4 * deviation20),
        (volume / volume.rolling_mean(20)).log1p(),
        volume.rolling_mean(5) / volume.rolling_mean(60),
        (volume - volume.rolling_mean(20)) / volume.rolling_std(20),
        balance.rolling_sum(20, weights=weights) / volume.rolling_mean(20),
        (location * volume).rolling_sum(20) / volume.rolling_sum(20),
        100 * pl.when(moved > 0).then(flow).otherwise(0.0).rolling_sum(14) / flow.rolling_sum(14),
        (1e6 * returns.abs().rolling_mean(20) / (close * volume).rolling_mean(20)).log1p(),
        pl.rolling_corr(close, volume, window_size=20),
        100 * gain / (gain + loss),
        line / close,
        (line - line.ewm_mean(span=9, adjust=False)) / close,
        stochastic.rolling_mean(3),
        (close / mean20).log(),
        (close / close.rolling_mean(50)).log(),
        (mean20 / close.rolling_mean(50)).log(),
        close.rolling_sum(20, weights=weights) / close,
        100 * ((plus - minus).abs() / (plus + minus)).fill_nan(0.0).ewm_mean(alpha=1 / 14, adjust=False),
        (close / high.rolling_max(252)).log(),
    ]
    return expressions


def polars_history(bars_T5: BarArray) -> Floats:
    """(T, 5) -> (T, 41), all of polars' threads."""
    frame = pl.DataFrame(bars_T5, schema=list(COLUMNS)).lazy()
    names = FeatureSet.named(NAME).names
    return frame.select(e.alias(name) for e, name in zip(polars_features(), names, strict=True)).collect().to_numpy()


def polars_newest(frame: pl.DataFrame) -> Floats:
    """A frame of all symbols' bars -> (N, 41)."""
    names = FeatureSet.named(NAME).names
    features = [e.last().alias(name) for e, name in zip(polars_features(), names, strict=True)]
    return frame.lazy().group_by("symbol", maintain_order=True).agg(features).drop("symbol").collect().to_numpy()


def numpy_newest(bars_NT5: BarArray) -> Floats:
    """(N, T, 5) -> (N, 41), whole columns of symbols at once."""
    opened, high, low, close, volume = (np.ascontiguousarray(bars_NT5[..., column]) for column in range(5))
    logs = np.log(close[:, -62:])
    returns, change = np.diff(logs, axis=1), np.diff(close, axis=1)
    now, typical = close[:, -1], (high[:, -20:] + low[:, -20:] + close[:, -20:]) / 3
    location = (2 * close - high - low)[:, -20:] / (high - low)[:, -20:]
    wilder, length = (13 / 14) ** np.arange(close.shape[1] - 1)[::-1], close.shape[1]
    gain, loss = change.clip(0) @ wilder, (-change).clip(0) @ wilder
    ranges = np.maximum(high[:, 1:], close[:, :-1]) - np.minimum(low[:, 1:], close[:, :-1])
    up, down = np.diff(high, axis=1), -np.diff(low, axis=1)
    plus, minus = np.where((up > down) & (up > 0), up, 0), np.where((down > up) & (down > 0), down, 0)
    lines, strengths = np.empty_like(close), np.empty_like(change)
    fast, slow = close[:, 0].copy(), close[:, 0].copy()
    risen, fallen = np.zeros(len(close)), np.zeros(len(close))
    for step in range(length):
        fast += (close[:, step] - fast) * 2 / 13
        slow += (close[:, step] - slow) * 2 / 27
        lines[:, step] = fast - slow
    for step in range(length - 1):
        risen = risen * 13 / 14 + plus[:, step]
        fallen = fallen * 13 / 14 + minus[:, step]
        strengths[:, step] = abs(risen - fallen) / np.maximum(risen + fallen, 1e-12)
    signal = lines @ (0.8 ** np.arange(length)[::-1]) * 0.2
    mean20, deviation20 = close[:, -20:].mean(1), close[:, -20:].std(1)
    balance = np.cumsum(np.sign(change[:, -20:]) * volume[:, -20:], axis=1)
    moved, flow = np.diff(typical, axis=1)[:, -14:], (typical * volume[:, -20:])[:, -14:]
    stochastics = [
        (close[:, end - 1] - low[:, end - 14 : end].min(1))
        / (high[:, end - 14 : end].max(1) - low[:, end - 14 : end].min(1))
        for end in (length - 2, length - 1, length)
    ]
    away = returns[:, -20:] - returns[:, -20:].mean(1, keepdims=True)
    close_away = close[:, -20:] - mean20[:, None]
    volume_away = volume[:, -20:] - volume[:, -20:].mean(1, keepdims=True)
    weights = np.array(slope_weights(20))
    columns = [logs[:, -1] - logs[:, -1 - count] for count in (1, 2, 3, 5, 10, 20, 60)]
    columns += [
        logs[:, -1] - 2 * logs[:, -6] + logs[:, -11],
        np.log(opened[:, -1] / close[:, -2]),
        np.log(now / opened[:, -1]),
        location[:, -1],
        (change[:, -10:] > 0).mean(1),
        returns[:, -20:].max(1),
        (away**3).mean(1) / (away**2).mean(1) ** 1.5,
        *(returns[:, -count:].std(1, ddof=1) for count in (5, 20, 60)),
        np.log(returns[:, -5:].std(1, ddof=1) / returns[:, -20:].std(1, ddof=1)),
        np.sqrt((returns[:, -20:].clip(max=0) ** 2).mean(1)),
        np.sqrt((np.log(high[:, -20:] / low[:, -20:]) ** 2).mean(1) / (4 * np.log(2))),
        ranges @ wilder / wilder.sum() / now,
        4 * deviation20 / mean20,
        0.5 + (now - mean20) / (4 * deviation20),
        np.log1p(volume[:, -1] / volume[:, -20:].mean(1)),
        volume[:, -5:].mean(1) / volume[:, -60:].mean(1),
        volume_away[:, -1] / volume[:, -20:].std(1, ddof=1),
        balance @ weights / volume[:, -20:].mean(1),
        (location * volume[:, -20:]).sum(1) / volume[:, -20:].sum(1),
        100 * np.where(moved > 0, flow, 0).sum(1) / flow.sum(1),
        np.log1p(1e6 * abs(returns[:, -20:]).mean(1) / (close[:, -20:] * volume[:, -20:]).mean(1)),
        (close_away * volume_away).sum(1) / np.sqrt((close_away**2).sum(1) * (volume_away**2).sum(1)),
        100 * gain / (gain + loss),
        lines[:, -1] / now,
        (lines[:, -1] - signal) / now,
        100 * sum(stochastics) / 3,
        np.log(now / mean20),
        np.log(now / close[:, -50:].mean(1)),
        np.log(mean20 / close[:, -50:].mean(1)),
        close[:, -20:] @ weights / now,
        100 * strengths @ wilder / wilder.sum(),
        np.log(now / high[:, -252:].max(1)),
    ]
    return np.stack(columns, axis=1)


def seconds(run: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """The best of some runs after one to warm up, and what it gave."""
    result, taken = run(), []
    for _ in range(repeats):
        begun = time.perf_counter()
        result = run()
        taken.append(time.perf_counter() - begun)
    return min(taken), result


def difference(ours: Floats, theirs: Floats) -> float:
    """Largest difference of a feature, in its own standard deviations."""
    return float(np.max(abs(ours - theirs) / np.std(ours, axis=0)))


def compile_seconds() -> float:
    """A fresh process compiling every feature, with an empty cache."""
    script = "from core.features import FEATURES, FeatureSet; FeatureSet(list(FEATURES))"
    with tempfile.TemporaryDirectory() as cache:
        begun = time.perf_counter()
        command = [sys.executable, "-c", script]
        subprocess.run(command, check=True, cwd=HOUSE, env={**os.environ, "NUMBA_CACHE_DIR": cache})
        return time.perf_counter() - begun


def measure(symbols: int, bars: int, repeats: int) -> list[dict[str, Any]]:
    """One entry for each task and contender; `ratio` is its time over ours."""
    features = FeatureSet.named(NAME)
    many_NT5 = random_bars(symbols, features.lookback)
    frame = pl.DataFrame(many_NT5.reshape(-1, 5), schema=list(COLUMNS)).with_columns(
        pl.Series("symbol", np.repeat(np.arange(symbols), features.lookback))
    )
    long_T5 = random_bars(1, bars)[0]
    tasks: dict[str, tuple[int, dict[str, Callable[[], Floats]]]] = {
        "newest row": (
            symbols,
            {
                "gaze": lambda: features.rows(many_NT5, 1)[:, 0],
                "numpy": lambda: numpy_newest(many_NT5),
                "polars": lambda: polars_newest(frame),
            },
        ),
        "one symbol": (1, {"gaze": lambda: features.rows(many_NT5[:1], 1)[:, 0]}),
        "history": (bars, {"gaze": lambda: features.history(long_T5), "polars": lambda: polars_history(long_T5)}),
    }
    for name, module, run, ours in (
        ("pandas", "pandas", lambda: rivals.pandas_history(long_T5), features),
        ("TA-Lib", "talib", lambda: rivals.talib_history(long_T5), rivals.ours_in_talib()),
    ):
        if importlib.util.find_spec(module) is None:
            print(f"{name} is not installed; try: pip install 'gazed[bench]'", file=sys.stderr)
        elif ours is features:
            tasks["history"][1][name] = run
        else:
            pair = {"gaze": lambda ours=ours: ours.history(long_T5), name: run}
            tasks[f"history, {len(ours.names)} of them"] = (bars, pair)
    told = []
    for task, (rows, contenders) in tasks.items():
        base, ours = seconds(contenders["gaze"], repeats)
        for contender, run in contenders.items():
            taken, found = (base, ours) if contender == "gaze" else seconds(run, repeats)
            late = slice(2_000, None) if task.startswith("history") else slice(None)
            told.append(
                {
                    "task": task,
                    "contender": contender,
                    "rows": rows,
                    "ms": taken * 1e3,
                    "us_per_row": taken / rows * 1e6,
                    "ratio": taken / base,
                    "largest_difference": 0.0 if found is ours else difference(ours[late], found[late]),
                }
            )
    for name in ("btc_3", "winner_20", "token_ms", "weekly_62", "market_11"):
        chosen = FeatureSet.named(name)
        bars_NT5 = random_bars(symbols, chosen.lookback)
        taken, _ = seconds(lambda chosen=chosen, bars_NT5=bars_NT5: chosen.rows(bars_NT5, 1), repeats)  # type: ignore[misc]
        told.append(
            {"task": f"newest row of {name}", "contender": "gaze", "rows": symbols, "ms": taken * 1e3}
            | {"us_per_row": taken / symbols * 1e6, "ratio": 1.0, "largest_difference": 0.0}
        )
    return told


def conditions() -> dict[str, Any]:
    """Where and when this was measured."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HOUSE, capture_output=True, text=True, check=False
    )
    return {
        "set": NAME,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "versions": f"python {platform.python_version()}, numba {numba.__version__}, polars {pl.__version__}",
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit.stdout.strip() or "unknown",
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=10_000)
    parser.add_argument("--bars", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="also time compiling all features from nothing")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    report = {**conditions(), "results": measure(asked.symbols, asked.bars, asked.repeats)}
    if asked.compile:
        report["compile_s"] = compile_seconds()
    if asked.json:
        print(json.dumps(report, indent=2))
        return
    print(" | ".join(f"{key}: {told}" for key, told in report.items() if key != "results"))
    print(f"{'task':<26}{'':<8}{'rows':>9}{'ms':>11}{'us a row':>10}{'ratio':>8}  largest difference")
    for row in report["results"]:
        print(
            f"{row['task']:<26}{row['contender']:<8}{row['rows']:>9}{row['ms']:>11.2f}{row['us_per_row']:>10.2f}"
            f"{row['ratio']:>8.2f}  {row['largest_difference']:.1e}"
        )


if __name__ == "__main__":
    main()
