"""The same burst in other pipelines: the same frames, features and graph, and a subscriber that waits for the last.

    gaze bench peers [--symbols 1000] [--peers tutorial,competent,bytewax,faststream] [--bursts 3] [--json] [--keep]

tutorial is what one writes first, competent what one writes when it matters; bytewax and FastStream are stream
processors that install from the registry (pip install bytewax 'faststream[redis]'), in the style of their documents.
None of them has the durable store, the drift, the metrics or the attention that Gaze has; Gaze is run beside them with
all of it.
"""

import argparse
import importlib.util
import json
import math
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.house import conditions
from benchmarks.peers.peer import CHANNEL, NAMES, STREAMS_A_SOCKET
from benchmarks.running.processes import running, told
from benchmarks.speed import scene as scenes
from benchmarks.speed.burst import KEPT, bursts
from core.bundle import Bundle
from daemon.stores.embedded import EmbeddedServer

_SPEED = 2


def write_scene(folder: Path, bundle: Bundle, scene: scenes.Scene, features: str) -> None:
    """What a pipeline is given."""
    length = bundle.manifest.inputs[0].bars_needed
    known = scene.bars_NL5.shape[1] - scene.live
    np.save(folder / "history.npy", scene.bars_NL5[:, known - length : known])
    (folder / "model.onnx").write_bytes(bundle.path("model.onnx").read_bytes())
    told_of = {"symbols": scene.symbols, "features": features, "steps": scenes.STEPS}
    (folder / "scene.json").write_text(json.dumps(told_of))
    scenes.write_bars(scene, folder / "bars.parquet")


async def burst_ms(name: str, folder: Path, scene: scenes.Scene) -> list[float]:
    """Milliseconds from the first bar to the last prediction, of every burst but the first."""
    exchange = [sys.executable, "-m", "benchmarks.speed.venue", "bars.parquet", str(_SPEED)]
    exchange.append(str(math.ceil(len(scene.symbols) / STREAMS_A_SOCKET)))
    async with EmbeddedServer(folder / name) as server:
        with ExitStack() as stack:
            socket = str(folder / name / "redis.sock")
            subscribe = [sys.executable, "-m", "benchmarks.speed.subscriber", socket, CHANNEL, str(len(scene.symbols))]
            subscriber, _ = stack.enter_context(running(subscribe, folder, "subscriber.log"))
            _, listens = stack.enter_context(running(exchange, folder, "exchange.log"))
            peer = [sys.executable, "-m", "benchmarks.peers.peer", name, str(folder), listens["websocket"], server.url]
            stack.enter_context(running(peer, folder, f"{name}.log"))
            assert subscriber.stdout is not None
            moments = [json.loads(subscriber.stdout.readline()) for _ in range(scene.live)]
    return [(one["last"] - one["received"]) * 1e3 for one in moments[1:]]


def measure(symbols: int, features: str, live: int, peers: list[str]) -> dict[str, Any]:
    """Each pipeline, and Gaze in both ways."""
    import asyncio  # noqa: PLC0415 - its server must be started from here

    load = os.getloadavg()
    bundle = scenes.make_bundle(KEPT, "hourly_lstm", features)
    scene = scenes.make_scene(bundle, symbols, live + 1)
    last_ms: dict[str, float] = {}
    for graph in ("full", "stream"):
        with tempfile.TemporaryDirectory(prefix="gaze-peers-") as name:
            seen = bursts(bundle, scene, Path(name), "onnxruntime", graph)["bursts"]
        last_ms[f"gaze, {graph} graph"] = statistics.median(one["last"] for one in seen)
    for peer in peers:
        if peer in ("bytewax", "faststream") and importlib.util.find_spec(peer) is None:
            print(f"{peer} is left out: it is not installed; try: pip install {peer}", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory(prefix="gaze-peers-") as name:
            write_scene(Path(name), bundle, scene, features)
            last_ms[peer] = statistics.median(asyncio.run(burst_ms(peer, Path(name), scene)))
    named = {
        "benchmark": "peers",
        **conditions(load),
        "symbols": symbols,
        "features": features,
        "bursts": live,
    }
    return {**named, "last_ms": last_ms}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=1_000)
    parser.add_argument("--features", default="stock_41")
    parser.add_argument("--peers", default=",".join(NAMES))
    parser.add_argument("--bursts", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true", help="write benchmarks/results/peers.json")
    asked = parser.parse_args()
    report = measure(asked.symbols, asked.features, asked.bursts, asked.peers.split(","))
    if told(report, "peers", as_json=asked.json, keep=asked.keep):
        return
    print(f"{report['symbols']} symbols, {report['machine']}, load {report['load_before']}, commit {report['commit']}")
    fastest = min(report["last_ms"].values())
    for name, last in sorted(report["last_ms"].items(), key=lambda one: one[1]):
        print(f"{name:<20}{last:>10.1f} ms  {report['symbols'] / last * 1e3:>9,.0f} bars/s  {last / fastest:>6.1f} x")


if __name__ == "__main__":
    main()
