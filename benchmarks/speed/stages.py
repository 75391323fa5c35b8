"""Where each microsecond of a burst goes: the daemon's own work, stage by stage, in CPU time of this process.

    gaze bench stages [--symbols 4096] [--graph stream] [--rounds 5] [--picture FILE.svg] [--json] [--keep]

The same objects that `gaze run` builds, with a real server, and nothing between them: no socket, no loop to share. What
`gaze bench burst` says of the daemon's CPU time beyond this goes to sockets and hand-overs. Medians over rounds.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import numpy as np

from benchmarks.house import conditions
from benchmarks.running.processes import told
from benchmarks.speed import scene as scenes
from benchmarks.speed.burst import KEPT
from core.bars import Arrival, Bar
from core.bundle import Bundle
from core.inputs import Inputs
from core.prediction import encode
from core.windows import Windows
from daemon.engines.onnxruntime import OnnxRuntime, OnnxRuntimeStream
from daemon.exchange.dialects.binance import kline_event
from daemon.exchange.market import Digits, Update
from daemon.feeds.binance import spot
from daemon.inbox import Inbox
from daemon.predicting.ahead import Ahead
from daemon.predicting.pipeline import Pipeline
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore
from daemon.telling.metrics import Metrics
from daemon.telling.status import Status

_PART: Final = 512
_SPARE: Final = 64
STAGES: Final = {
    "frames": "frames decoded, counted and put into the inbox",
    "windows": "bars judged and put into their windows",
    "features": "the newest row of every feature, or all rows",
    "model": "the model: its step, or whole windows",
    "looks": "statistics of attention, and the message",
    "encode": "messages encoded",
    "store": "packed, sent, answered",
    "told": "metrics and the status page",
}
_COLOURS: Final = ("#4c78a8", "#72b7b2", "#54a24b", "#eeca3b", "#f58518", "#e45756", "#b279a2", "#9d755d")


class Stopwatch:
    """Microseconds of CPU time a symbol, by stage."""

    def __init__(self, symbols: int) -> None:
        self.us: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self._symbols = symbols

    @contextmanager
    def of(self, stage: str, *, less: str = "") -> Iterator[None]:
        """Count what is done meanwhile; `less`: as another stage's, which is a part of it and was measured alone."""
        begun = time.process_time()
        yield
        taken = (time.process_time() - begun) * 1e6 / self._symbols
        self.us[stage] += taken - (self.us[less] if less else 0.0)


class Daemon:
    """What a daemon holds for this scene."""

    def __init__(self, bundle: Bundle, scene: scenes.Scene, store: RedisStore, graph: str) -> None:
        manifest = bundle.manifest
        self.scene, self.store, self.manifest = scene, store, manifest
        self.inputs = Inputs(manifest.inputs, scenes.MINUTE)
        self.pipeline = Pipeline(manifest, bundle.digest, publish_late=True, top=8)
        self.windows = Windows(scenes.MINUTE, scene.symbols, self.inputs.bars_needed + _SPARE)
        for place in range(len(scene.opened_at_ms_L) - scene.live):
            self.windows.put_fresh(_bars(scene, place)) if place else [self.windows.put(b) for b in _bars(scene, 0)]
        self.engine = OnnxRuntime(bundle)
        self.full = asyncio.Event()
        self.ahead: Ahead | None = None
        if graph == "stream":
            stream = OnnxRuntimeStream(bundle)
            self.ahead = Ahead(self.windows, self.inputs, stream, clock_s=time.monotonic, told=self._made, quiet_s=0.0)
        self.feed = spot("ws://localhost", "http://localhost")
        self.inbox = Inbox(len(scene.symbols))
        self.metrics = Metrics(manifest, bundle.digest, scene.symbols[:100], ["binance"])
        self.status = Status(self.metrics, {}, len(scene.symbols))

    def _made(self, ready: int) -> None:
        if ready == len(self.scene.symbols):
            self.full.set()

    async def burst(self, place: int) -> dict[str, float]:
        """Take the bars at this place of every symbol, as they come off a socket."""
        watch = Stopwatch(len(self.scene.symbols))
        frames = [_frame(bar) for bar in _bars(self.scene, place)]
        received_at_ms = int(self.scene.opened_at_ms_L[place]) + scenes.MINUTE.ms
        with watch.of("frames"):
            for frame in frames:
                self.metrics.frames("binance", received_at_ms)
                for bar in self.feed.decode(frame):
                    await self.inbox.put_closed(Arrival(bar, "binance", received_at_ms))
            arrivals = await self.inbox.take(len(frames))
        self._features_alone(watch, place)
        with watch.of("windows", less="features"):
            admission = self.pipeline.prepare(self.windows, arrivals, {}, ahead=self.ahead)
            self.status.admitted(admission.fates, admission.batch, 0, 0)
            parts = admission.batch.parts(_PART)
        for part in parts:
            with watch.of("model"):
                outputs = (
                    self.ahead.step(part.ahead, part.newest)
                    if self.ahead and len(part.ahead)
                    else self.engine.run(part.inputs)
                )
            begun = time.process_time()
            entries = self.pipeline.finish(part, outputs, received_at_ms)
            finished = time.process_time()
            messages = [message for _, message in entries if message]
            for message in messages:
                encode(message)
            encoded = time.process_time() - finished
            watch.us["encode"] += encoded * 1e6 / len(frames)
            watch.us["looks"] += (finished - begun - encoded) * 1e6 / len(frames)
            with watch.of("store"):
                await self.store.commit([entry for entry, _ in entries])
                for one in part.predicted:
                    self.windows.publish(one.arrival.bar.symbol, one.arrival.bar.opened_at_ms, one.revision)
            with watch.of("told"):
                self.status.published_now(messages)
        return watch.us

    def _features_alone(self, watch: Stopwatch, place: int) -> None:
        if self.ahead is None:
            return
        positions_N = np.arange(len(self.scene.symbols))
        opened_N = np.full(len(positions_N), self.scene.opened_at_ms_L[place - 1])
        for first in range(0, len(positions_N), _SPARE):
            some = slice(first, first + _SPARE)
            bars_NL5, _ = self.windows.gather(positions_N[some], opened_N[some], self.inputs.newest_bars)
            with watch.of("features"):
                self.inputs.newest(bars_NL5, opened_N[some])


def _bars(scene: scenes.Scene, place: int) -> list[Bar]:
    opened_at_ms = int(scene.opened_at_ms_L[place])
    rows = scene.bars_NL5[:, place].tolist()
    return [Bar(symbol, opened_at_ms, *row) for symbol, row in zip(scene.symbols, rows, strict=True)]


def _frame(bar: Bar) -> bytes:
    event = kline_event(Update(bar, bar.opened_at_ms + scenes.MINUTE.ms), scenes.MINUTE, Digits(4, 3))
    return b'{"stream":"%b@kline_1m","data":%b}' % (bar.symbol.lower().encode(), event)


async def rounds(bundle: Bundle, scene: scenes.Scene, graph: str) -> list[dict[str, float]]:
    """Every burst but the first."""
    with tempfile.TemporaryDirectory(prefix="gaze-stages-") as folder:
        async with EmbeddedServer(Path(folder)) as server:
            capacity = bundle.manifest.inputs[0].bars_needed + _SPARE
            store = RedisStore(server.url, Keys(bundle.manifest.name), scenes.MINUTE, capacity)
            await store.open()
            daemon = Daemon(bundle, scene, store, graph)
            making = asyncio.create_task(daemon.ahead.make_forever()) if daemon.ahead else None
            seen = []
            for place in range(len(scene.opened_at_ms_L) - scene.live, len(scene.opened_at_ms_L)):
                if daemon.ahead:
                    with daemon.ahead.held():
                        daemon.full.clear()
                    await daemon.full.wait()
                seen.append(await daemon.burst(place))
            if making:
                making.cancel()
                await asyncio.wait([making])
            await store.close()
    return seen[1:]


def measure(symbols: int, graph: str, live: int) -> dict[str, Any]:
    """Medians over rounds."""
    load = os.getloadavg()
    bundle = scenes.make_bundle(KEPT, "hourly_lstm", "stock_41")
    seen = asyncio.run(rounds(bundle, scenes.make_scene(bundle, symbols, live + 1), graph))
    us = {stage: statistics.median(one[stage] for one in seen) for stage in STAGES}
    return {"benchmark": "stages", **conditions(load), "symbols": symbols, "graph": graph, "us": us}


def picture(reports: Sequence[dict[str, Any]]) -> str:
    """One bar for each graph, as SVG."""
    widest = max(sum(one["us"].values()) for one in reports)
    scale, height = 620 / widest, 64 * len(reports) + 22 * len(STAGES) + 24
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
    for row, (stage, meaning) in enumerate(STAGES.items()):
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
            print(f"{stage:<10}{us:>8.2f} us a symbol  {STAGES[stage]}")
        print(f"{'in all':<10}{sum(one['us'].values()):>8.2f}")


if __name__ == "__main__":
    main()
