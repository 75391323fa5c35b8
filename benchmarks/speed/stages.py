"""Where each microsecond of a burst goes: all CPU time of the daemon, stage by stage.

    gaze bench stages [--symbols 4096] [--graph full,stream] [--rounds 5] [--picture FILE.svg] [--json] [--keep]

The daemon of `gaze bench burst`, whole, with a clock at the door of each stage (benchmarks/speed/clocked.py). What no
clock has seen is told as unaccounted: the event loop, what the system does for its sockets, and hand-overs to threads.
Medians over rounds. The clocks themselves take about a microsecond a symbol.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from benchmarks.house import conditions
from benchmarks.running.processes import told
from benchmarks.speed import scene as scenes
from benchmarks.speed.burst import KEPT
from benchmarks.speed.clocked import MEANINGS, REST
from benchmarks.speed.play import begun, playing
from core.bundle import Bundle

_COLOURS: Final = (
    *("#4c78a8", "#9ecae9", "#72b7b2", "#54a24b", "#88d27a", "#eeca3b"),
    *("#f58518", "#ffbf79", "#e45756", "#b279a2", "#9d755d", "#bab0ac"),
)


def rounds(bundle: Bundle, scene: scenes.Scene, graph: str) -> list[dict[str, float]]:
    """Of every burst but the first, which warms up: microseconds of CPU time a symbol, by stage and of the rest."""
    symbols = len(scene.symbols)
    command = [sys.executable, "-m", "benchmarks.speed.clocked", str(symbols)]
    with (
        tempfile.TemporaryDirectory(prefix="gaze-stages-") as folder,
        playing(bundle, scene, Path(folder), command, "onnxruntime", graph) as play,
        begun(play, scene),
    ):
        assert play.daemon.stdout is not None
        seen = [json.loads(play.daemon.stdout.readline()) for _ in range(scene.live)]
    rests = [{REST: one["whole_ns"] - sum(one["ns"].values())} for one in seen]
    each = [one["ns"] | rest for one, rest in zip(seen, rests, strict=True)]
    return [{stage: ns / 1e3 / symbols for stage, ns in one.items()} for one in each[1:]]


def measure(symbols: int, graph: str, live: int) -> dict[str, Any]:
    """Medians over rounds; what is accounted for is the share that is no rest."""
    load = os.getloadavg()
    bundle = scenes.make_bundle(KEPT, "hourly_lstm", "stock_41")
    seen = rounds(bundle, scenes.make_scene(bundle, symbols, live + 1), graph)
    us = {stage: statistics.median(one[stage] for one in seen) for stage in MEANINGS}
    accounted = statistics.median(1 - one[REST] / sum(one.values()) for one in seen)
    found = {"symbols": symbols, "graph": graph, "us": us, "accounted": accounted}
    return {"benchmark": "stages", **conditions(load), **found}


def picture(reports: Sequence[dict[str, Any]]) -> str:
    """One bar for each graph, as SVG."""
    widest = max(sum(one["us"].values()) for one in reports)
    scale, height = 620 / widest, 64 * len(reports) + 22 * len(MEANINGS) + 24
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {height}" font-family="sans-serif" font-size="13">'
    ]
    lines.append('<rect width="100%" height="100%" fill="#ffffff"/>')
    for row, one in enumerate(reports):
        y, x = 30 + 64 * row, 10.0
        total = sum(one["us"].values())
        lines.append(f'<text x="10" y="{y - 6}">{escape(one["graph"])} graph: {total:.0f} microseconds a symbol</text>')
        for colour, us in zip(_COLOURS, one["us"].values(), strict=True):
            lines.append(f'<rect x="{x:.1f}" y="{y}" width="{us * scale:.1f}" height="26" fill="{colour}"/>')
            x += us * scale
    for row, (stage, meaning) in enumerate(MEANINGS.items()):
        y = 64 * len(reports) + 30 + 22 * row
        each = " / ".join(f"{one['us'][stage]:.1f}" for one in reports)
        lines.append(f'<rect x="10" y="{y - 11}" width="13" height="13" fill="{_COLOURS[row]}"/>')
        lines.append(f'<text x="30" y="{y}">{stage}: {escape(meaning)}, {each}</text>')
    return "\n".join([*lines, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=4_096)
    parser.add_argument("--graph", default="full,stream")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--picture", type=Path, help="draw it, as SVG")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true", help="write benchmarks/results/stages.json")
    asked = parser.parse_args()
    reports = [measure(asked.symbols, graph, asked.rounds) for graph in asked.graph.split(",")]
    if asked.picture:
        asked.picture.write_text(picture(reports))
    if told(reports, "stages", as_json=asked.json, keep=asked.keep):
        return
    for one in reports:
        print(f"\n{one['symbols']} symbols, {one['graph']} graph, {one['machine']}, load {one['load_before']}")
        for stage, us in one["us"].items():
            print(f"{stage:<12}{us:>8.2f} us a symbol  {MEANINGS[stage]}")
        print(f"{'in all':<12}{sum(one['us'].values()):>8.2f}, of which {one['accounted']:.0%} accounted for")


if __name__ == "__main__":
    main()
