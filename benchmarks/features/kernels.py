"""How long stock_41 takes: the newest row of many symbols, the whole history of one, beside numpy, polars and pandas.

    gaze bench features [--symbols 10000] [--bars 1000000] [--repeats 5] [--compile] [--json]

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
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.features.bars import random_bars
from benchmarks.features.in_numpy import numpy_newest
from benchmarks.features.in_pandas import pandas_history
from benchmarks.features.in_polars import polars_history, polars_newest
from benchmarks.features.in_talib import ours_in_talib, talib_history
from benchmarks.house import HOUSE, conditions
from core.bars import COLUMNS
from core.features import FeatureSet

Floats = npt.NDArray[np.float64]
NAME = "stock_41"


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
        ("pandas", "pandas", lambda: pandas_history(long_T5), features),
        ("TA-Lib", "talib", lambda: talib_history(long_T5), ours_in_talib()),
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


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=10_000)
    parser.add_argument("--bars", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="also time compiling all features from nothing")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    versions = {"set": NAME, "numba": numba.__version__, "polars": pl.__version__}
    report = {**conditions(**versions), "results": measure(asked.symbols, asked.bars, asked.repeats)}
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
