"""Every symbol's bar closes at once: how long until the last prediction is with a subscriber.

    gaze bench burst [--symbols 10000] [--family hourly_lstm] [--features stock_41] [--graph full,stream]
                     [--engine onnxruntime] [--sockets picows] [--bursts 7] [--json] [--keep]

Four processes: a venue that has its words ready (venue.py), the daemon as users run it, with its durable
store, drift and metrics, its server, and one subscriber. Times count from the first frame that the daemon received of
a burst. The bare model is the same graph on the same number of windows with nothing around it, measured before and
after, alone; the lower median counts. The first burst is left out: it warms everything up.
"""

import argparse
import json
import os
import re
import select
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen
from typing import IO, Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from benchmarks.house import GAZE, conditions
from benchmarks.running.processes import child_of, cpu_seconds, memory_mib, running, see_all_run, told
from benchmarks.speed import scene as scenes
from benchmarks.speed.bare import BareModel
from benchmarks.speed.play import begun, playing
from core.bundle import Bundle
from core.inputs import Inputs
from daemon.telling.metric_table import STAGES

_STAGE: Final = re.compile(r'gaze_stage_seconds_sum\{stage="(\w+)"\} (\S+)')
_RUN: Final = re.compile(r'gaze_windows_run_total\{graph="(\w+)",model="\w+"\} (\S+)')
_AHEAD: Final = re.compile(r"^gaze_symbols_ahead (\S+)", re.MULTILINE)
_SAID: Final = {
    "received_last": "last frame at the daemon",
    "first": "first prediction",
    "median": "median prediction",
    "p99": "99 % of predictions",
    "last": "last prediction",
}
MOMENTS: Final = tuple(_SAID)
_SAMPLED_EVERY_S: Final = 0.25
_AFTERMATH_S: Final = 1.0
"""After the last message the daemon still tells its metrics."""
KEPT: Final = Path(tempfile.gettempdir()) / "gaze-bench"


class Told(msgspec.Struct, frozen=True):
    """What the daemon's own metrics say until now: seconds of each stage, windows run by each graph, symbols ahead."""

    stages: dict[str, float]
    windows: dict[str, float]
    ahead: int


def metrics(url: str) -> Told:
    """What the daemon tells of itself."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    stages, (ahead,) = dict(_STAGE.findall(text)), _AHEAD.findall(text)
    windows = {graph: float(count) for graph, count in _RUN.findall(text)}
    return Told({stage: float(stages.get(stage, 0)) for stage in STAGES}, windows, int(float(ahead)))


def until_idle(url: str, symbols: int) -> Told:
    """Wait until the daemon has told all of a burst, and has run ahead what it runs ahead."""
    time.sleep(_AFTERMATH_S)
    told = metrics(url)
    for _ in range(100):
        if not told.windows["step"] or told.ahead >= symbols:
            break
        time.sleep(0.1)
        told = metrics(url)
    return told


def bursts(
    bundle: Bundle, scene: scenes.Scene, folder: Path, engine: str, graph: str, sockets: str = "websockets"
) -> dict[str, Any]:
    """Every burst: its times in milliseconds, what each stage took, and what each process used."""
    with ExitStack() as stack:
        play = stack.enter_context(playing(bundle, scene, folder, [*GAZE, "run"], engine, graph, sockets))
        subscribe = [sys.executable, "-m", "benchmarks.speed.subscriber", str(folder / "state" / "redis.sock")]
        subscribe += [f"gaze:predictions:{bundle.manifest.name}", str(len(scene.symbols))]
        subscriber, _ = stack.enter_context(running(subscribe, folder, "subscriber.log"))
        pids = {"daemon": play.daemon.pid, "server": child_of(play.daemon.pid), "exchange": play.venue.pid}
        pids["subscriber"] = subscriber.pid
        stack.enter_context(begun(play, scene))
        assert subscriber.stdout is not None
        seen = []
        before = metrics(play.serves["http"])
        for number in range(scene.live):
            samples = sampled(pids, subscriber.stdout, [play.venue, play.daemon, subscriber])
            moments = json.loads(subscriber.stdout.readline())
            used_now = cpu_seconds(pids)
            # The first may come before anybody looks, and warms up anyway.
            used = next((used for at_s, used in reversed(samples) if at_s < moments["received"]), samples[0][1])
            show_progress(f"{graph}: burst", number, scene.live - 1)
            now = until_idle(play.serves["http"], len(scene.symbols))
            seen.append(
                {moment: (moments[moment] - moments["received"]) * 1e3 for moment in MOMENTS}
                | {"stages_ms": {name: (now.stages[name] - before.stages[name]) * 1e3 for name in STAGES}}
                | {"windows": {graph: now.windows[graph] - before.windows[graph] for graph in now.windows}}
                | {"cpu_ms": {name: (used_now[name] - used[name]) * 1e3 for name in pids}}
            )
            before = now
            seen[-1]["idle_cpu_ms"] = (cpu_seconds(pids)["daemon"] - used_now["daemon"]) * 1e3
        return {"bursts": seen[1:], "memory_mib": {name: memory_mib(pid) for name, pid in pids.items()}}


def sampled(
    pids: dict[str, int], until: IO[str], processes: Sequence[Popen[str]]
) -> list[tuple[float, dict[str, float]]]:
    """Unix seconds, and the CPU seconds of each process until then, several times until there is something to read.

    What they do while they wait for a burst is none of its cost.
    """
    samples = [(time.time(), cpu_seconds(pids))]
    while not select.select([until], [], [], _SAMPLED_EVERY_S)[0]:
        see_all_run(processes)
        samples.append((time.time(), cpu_seconds(pids)))
    return samples


def show_progress(what: str, done: int, of: int) -> None:
    """Which of so many has been seen, on a terminal; number 0 warms up."""
    if sys.stderr.isatty():
        print(f"\r{what} {done} of {of}", end="\n" if done == of else "", file=sys.stderr, flush=True)


def bare_inputs(bundle: Bundle, scene: scenes.Scene) -> dict[str, npt.NDArray[np.float32]]:
    """The windows of the first burst, as the daemon would feed them."""
    inputs = Inputs(bundle.manifest.inputs, scenes.MINUTE)
    bars_NL5 = scene.bars_NL5[:, : inputs.bars_needed]
    opened_at_ms_N = np.full(len(bars_NL5), scene.opened_at_ms_L[inputs.bars_needed - 1])
    return inputs.make(bars_NL5, opened_at_ms_N)


def measure(
    symbols: int, family: str, features: str, live: int, engine: str, graph: str, sockets: str = "websockets"
) -> dict[str, Any]:
    """Bare, bursts, and bare again."""
    load = os.getloadavg()
    bundle = scenes.make_bundle(KEPT, family, features)
    scene = scenes.make_scene(bundle, symbols, live + 1)
    model, inputs = BareModel(bundle.path("model.onnx")), bare_inputs(bundle, scene)
    before = model.fastest(inputs, repeats=5)
    with tempfile.TemporaryDirectory(prefix="gaze-burst-") as folder:
        seen = bursts(bundle, scene, Path(folder), engine, graph, sockets)
    bare = min(before, model.fastest(inputs, repeats=5), key=lambda one: one.median_ms)
    several = seen["bursts"]
    middle = {moment: statistics.median(one[moment] for one in several) for moment in MOMENTS}
    return {
        "benchmark": "burst",
        **conditions(load),
        "symbols": symbols,
        "family": family,
        "features": features,
        "engine": engine,
        "graph": graph,
        "sockets": sockets,
        "bursts": len(several),
        "ms": middle,
        "fastest_last_ms": min(one["last"] for one in several),
        "bare": msgspec.to_builtins(bare),
        "ratio": middle["last"] / bare.median_ms,
        "cpu_ratio": statistics.median(one["cpu_ms"]["daemon"] for one in several) / bare.cpu_ms,
        "stages_ms": {name: statistics.median(one["stages_ms"][name] for one in several) for name in STAGES},
        "cpu_ms": {name: statistics.median(one["cpu_ms"][name] for one in several) for name in several[0]["cpu_ms"]},
        "idle_cpu_ms": statistics.median(one["idle_cpu_ms"] for one in several),
        "windows": several[-1]["windows"],
        "memory_mib": seen["memory_mib"],
    }


def show(report: dict[str, Any]) -> None:
    """The report as a person reads it."""
    what = f"{report['family']} on {report['features']}, {report['graph']} graph"
    print(f"{report['symbols']} symbols, {what}, {report['bursts']} bursts")
    print(f"{report['machine']}, load {report['load_before']}, {report['date']}, commit {report['commit']}\n")
    bare = report["bare"]
    print(f"bare model{bare['median_ms']:>26.1f} ms   chunks of {bare['chunk']} on {bare['threads']} threads")
    print(f"its CPU{bare['cpu_ms']:>29.1f} ms   the daemon's is {report['cpu_ratio']:.2f} x of it")
    for moment in MOMENTS:
        print(f"{_SAID[moment]:<26}{report['ms'][moment]:>10.1f} ms   {report['ms'][moment] / bare['median_ms']:.2f} x")
    run = ", ".join(f"{count:.0f} {graph}" for graph, count in report["windows"].items())
    print(f"{'windows run':<26}{run}")
    print(f"{'daemon, idle after it':<26}{report['idle_cpu_ms']:>10.1f} ms of CPU")
    for table, unit in (("stages_ms", "ms of a stage"), ("cpu_ms", "ms of CPU"), ("memory_mib", "MiB at most")):
        print()
        for name, value in report[table].items():
            print(f"{name:<26}{value:>10.1f} {unit}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", default="10000", help="so many, or several numbers with commas between")
    parser.add_argument("--family", default="hourly_lstm")
    parser.add_argument("--features", default="stock_41")
    parser.add_argument("--engine", default="onnxruntime", help="as [bundle] engine of the daemon's settings")
    parser.add_argument("--graph", default="full,stream", help="as [bundle] graph of the settings, one after the other")
    parser.add_argument("--sockets", default="websockets", help="as [feed] sockets: websockets or picows")
    parser.add_argument("--bursts", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true", help="write benchmarks/results/burst.json")
    asked = parser.parse_args()
    reports = [
        measure(symbols, asked.family, asked.features, asked.bursts, asked.engine, graph, asked.sockets)
        for symbols in map(int, asked.symbols.split(","))
        for graph in asked.graph.split(",")
    ]
    if not told(reports, "burst", as_json=asked.json, keep=asked.keep):
        for report in reports:
            show(report)


if __name__ == "__main__":
    main()
