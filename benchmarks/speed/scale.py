"""Bursts of more and more symbols: whether a symbol costs the same.

    gaze bench scale [--symbols 10,100,1000,10000,30000] [--graph stream] [--bursts 3] [--json] [--keep]

Each as in `gaze bench burst`. 100,000 symbols take 15 GB of memory, 7 of them the daemon's.
"""

import argparse
import sys
from typing import Any

from benchmarks.running.processes import told
from benchmarks.speed.burst import measure


def cpu_us(report: dict[str, Any]) -> float:
    """Microseconds of CPU time that all processes of a burst took for a symbol."""
    return float(sum(report["cpu_ms"].values())) * 1e3 / int(report["symbols"])


def show(reports: list[dict[str, Any]]) -> None:
    """One line a size."""
    print(f"{'symbols':>9} {'last ms':>9} {'x bare':>7} {'us a symbol':>12} {'CPU us a symbol':>16} {'MiB':>7}")
    for one in reports:
        symbols, last = one["symbols"], one["ms"]["last"]
        cpu, memory = cpu_us(one), one["memory_mib"]["daemon"]
        print(
            f"{symbols:>9,} {last:>9.1f} {one['ratio']:>7.2f} {last * 1e3 / symbols:>12.1f} {cpu:>16.1f} {memory:>7.0f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", default="10,100,1000,10000,30000")
    parser.add_argument("--family", default="hourly_lstm")
    parser.add_argument("--features", default="stock_41")
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--graph", default="stream", choices=("auto", "full", "stream"))
    parser.add_argument("--bursts", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true", help="write benchmarks/results/scale.json")
    asked = parser.parse_args()
    reports = []
    for symbols in map(int, asked.symbols.split(",")):
        print(f"{symbols:,} symbols", file=sys.stderr)
        reports.append(measure(symbols, asked.family, asked.features, asked.bursts, asked.engine, asked.graph))
    if not told(reports, "scale", as_json=asked.json, keep=asked.keep):
        show(reports)


if __name__ == "__main__":
    main()
