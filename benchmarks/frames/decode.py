"""Frames a second that one core decodes, for every dialect, beside json.loads and five floats.

    gaze bench decode [--frames 20000] [--repeats 5] [--json]

Both read the same frames of the stand-in exchange in the same run, best of the repeats. The plain way knows where the
five numbers of that dialect stand and checks nothing; decode() gives checked bars.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from core.barfile import BarFile, SymbolBars
from core.bars import Bar, Interval
from daemon.exchange.dialects import dialect
from daemon.exchange.market import Market, Update
from daemon.feeds import FEEDS, feed

NUMBERS = {"o", "h", "l", "c", "v", "open", "high", "low", "close", "volume"}


def frames_of(name: str, count: int) -> list[bytes]:
    """Frames of so many bars, as the venue would tell them."""
    interval = Interval.parse("5m" if name == "coinbase" else "1h")
    random = np.random.default_rng(1)
    close_T = np.round(60_000 * np.exp(np.cumsum(random.normal(0, 0.005, count))), 2)
    rows_T5 = np.column_stack(
        [close_T, close_T + 100, close_T - 100, close_T, np.round(random.lognormal(5, 1, count), 3)]
    )
    times_T = 1_672_531_200_000 + np.arange(count) * interval.ms
    market = Market(BarFile(interval, {"BTCUSDT": SymbolBars("BTCUSDT", times_T, rows_T5)}, "made up"))
    side = dialect(name, market)
    return [
        side.tell(Update(Bar("BTCUSDT", int(at_ms), *row), int(at_ms) + interval.ms))
        for at_ms, row in zip(times_T, rows_T5.tolist(), strict=True)
    ]


def plain(told: Any) -> list[float]:
    """The five numbers, wherever they stand."""
    while isinstance(told, dict) and not told.keys() & NUMBERS:
        told = next(told[key] for key in ("k", "data", "events", "candles", "bars") if key in told)
        if isinstance(told, list):
            told = told[0]
    return [
        float(value)
        for value in (told[1:6] if isinstance(told, list) else [told[key] for key in told if key in NUMBERS])
    ]


def per_second(read: Callable[[bytes], object], frames: list[bytes], repeats: int) -> float:
    """Frames a second, the best of the repeats."""
    best = float("inf")
    for _ in range(repeats):
        begun = time.perf_counter()
        for frame in frames:
            read(frame)
        best = min(best, time.perf_counter() - begun)
    return len(frames) / best


def main() -> None:
    """Measure every dialect and tell it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    told = []
    for name in FEEDS:
        frames = frames_of(name, asked.frames)
        venue = feed(name, "ws://127.0.0.1:1")
        assert len(venue.decode(frames[0])) == 1
        assert len(plain(json.loads(frames[0]))) == 5
        ours = per_second(venue.decode, frames, asked.repeats)
        theirs = per_second(lambda frame: plain(json.loads(frame)), frames, asked.repeats)
        told.append({"dialect": name, "bytes": len(frames[0]), "decode": ours, "json": theirs, "ratio": ours / theirs})
    if asked.json:
        print(json.dumps({"cpu": platform.processor(), "cores": os.cpu_count(), "dialects": told}))
        return
    print(f"{'dialect':14}{'bytes':>7}{'decode/s':>12}{'json/s':>12}{'ratio':>8}")
    for one in told:
        print(f"{one['dialect']:14}{one['bytes']:>7}{one['decode']:>12,.0f}{one['json']:>12,.0f}{one['ratio']:>8.1f}")


if __name__ == "__main__":
    main()
