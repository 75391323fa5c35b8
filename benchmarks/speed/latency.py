"""One bar at a time: from the exchange's word to the prediction at a subscriber.

    gaze bench latency [--symbols 60] [--minutes 8] [--graph auto] [--json] [--keep]

The exchange and the subscriber run in this process, so both ends read one clock; the daemon and its server are
processes of their own. The bars of a minute close one after the other, some 25 ms apart. Beside it stands the bare row:
the whole graph on one window in memory, plus one round trip to a server of the same kind.
"""

import argparse
import asyncio
import os
import re
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np
import redis
from redis.asyncio import Redis

from benchmarks.house import GAZE, conditions
from benchmarks.running.processes import running, told
from benchmarks.speed import scene as scenes
from benchmarks.speed.bare import BareModel
from benchmarks.speed.burst import KEPT, bare_inputs
from benchmarks.speed.play import until_ready
from core import barfile
from core.bundle import Bundle
from daemon.exchange.clock import VenueClock
from daemon.exchange.dialects import Dialect, dialect
from daemon.exchange.market import Market, Update
from daemon.exchange.server import Exchange

_SPEED: Final = 6.0
_SPREAD_MS: Final = (0, 9_000)
"""Closes are spread over so much of the venue's time: later ones would be asked of history."""
_TRIPS: Final = 2_000
_SAID: Final = re.compile(rb'"symbol":"(\w+)".*?"opened_at_ms":(\d+)')
_PATIENCE_S: Final = 30.0
Key = tuple[str, int]


class Noting:
    """A dialect that notes when each close was told."""

    def __init__(self, spoken: Dialect) -> None:
        self.at_s: dict[Key, float] = {}
        self._spoken = spoken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._spoken, name)

    def tell(self, update: Update) -> bytes:
        """A bar, in words."""
        self.at_s[update.bar.symbol, update.bar.opened_at_ms] = time.perf_counter()
        return self._spoken.tell(update)


async def heard(url: str, channel: str, closes: int) -> dict[Key, float]:
    """When each prediction was here."""
    at_s: dict[Key, float] = {}
    async with Redis.from_url(url) as client, client.pubsub() as listening:
        await listening.subscribe(channel)
        while len(at_s) < closes:
            message = await listening.get_message(ignore_subscribe_messages=True, timeout=_PATIENCE_S)
            if message:
                now = time.perf_counter()
                found = _SAID.search(message["data"])
                assert found, message
                at_s[found[1].decode(), int(found[2])] = now
    return at_s


async def single_bars(bundle: Bundle, scene: scenes.Scene, folder: Path, graph: str) -> list[float]:
    """Milliseconds from each bar's word to its prediction; the first minute is left out: it warms everything up."""
    market = Market(barfile.read(folder / "bars.parquet"), updates=0, close_delay_ms=_SPREAD_MS)
    noting = Noting(dialect("binance", market))
    closes = len(scene.symbols) * scene.live
    with ExitStack() as stack:
        async with Exchange(market, noting, VenueClock(market.first_ms, _SPEED)) as exchange:
            listens = {"websocket": exchange.websocket_url, "rest": exchange.rest_url}
            (folder / "gaze.toml").write_text(scenes.settings(bundle, scene, listens, "onnxruntime", graph))
            run = running([*GAZE, "run", "gaze.toml", "--json"], folder, "daemon.log")
            _, serves = await asyncio.to_thread(stack.enter_context, run)
            url = f"unix://{folder / 'state' / 'redis.sock'}"
            hearing = asyncio.create_task(heard(url, f"gaze:predictions:{bundle.manifest.name}", closes))
            replaying = asyncio.create_task(exchange.replay())
            await asyncio.to_thread(until_ready, serves["http"])
            at_s = await hearing
            replaying.cancel()
            await asyncio.wait([replaying])
            await asyncio.to_thread(stack.close)
    first_ms = min(opened_at_ms for _, opened_at_ms in at_s)
    return [(here - noting.at_s[key]) * 1e3 for key, here in at_s.items() if key[1] > first_ms]


def round_trips(folder: Path) -> list[float]:
    """Milliseconds of one PING to a server of the same kind, many times."""

    async def ask() -> list[float]:
        async with scenes.EmbeddedServer(folder) as server:
            with redis.Redis.from_url(server.url) as client:
                return _each_ms(client.ping, _TRIPS)

    return asyncio.run(ask())


def _each_ms(do: Callable[[], object], times: int) -> list[float]:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        do()
        taken.append((time.perf_counter() - begun) * 1e3)
    return taken[times // 10 :]


def _percentiles(taken_ms: list[float]) -> dict[str, float]:
    return {"p50": float(np.percentile(taken_ms, 50)), "p99": float(np.percentile(taken_ms, 99))}


def measure(symbols: int, minutes: int, graph: str) -> dict[str, Any]:
    """Bare rows, round trips and single bars."""
    load = os.getloadavg()
    bundle = scenes.make_bundle(KEPT, "hourly_lstm", "stock_41")
    scene = scenes.make_scene(bundle, symbols, minutes)
    one_row = {name: rows[:1] for name, rows in bare_inputs(bundle, scene).items()}
    model = BareModel(bundle.path("model.onnx"))
    bare = _percentiles(_each_ms(lambda: model.seconds(one_row, 1, 1), _TRIPS))
    with tempfile.TemporaryDirectory(prefix="gaze-latency-") as name:
        folder = Path(name)
        trip = _percentiles(round_trips(folder / "trips"))
        scenes.write_bars(scene, folder / "bars.parquet")
        scenes.fill_store(scene, bundle, folder / "state")
        taken = asyncio.run(single_bars(bundle, scene, folder, graph))
    bar = _percentiles(taken)
    ratios = {at: bar[at] / (bare[at] + trip[at]) for at in bar}
    named = {
        "benchmark": "latency",
        **conditions(load),
        "symbols": symbols,
        "graph": graph,
        "bars": len(taken),
    }
    return {**named, "bar_ms": bar, "bare_row_ms": bare, "round_trip_ms": trip, "ratio": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=60)
    parser.add_argument("--minutes", type=int, default=8)
    parser.add_argument("--graph", default="auto", choices=("auto", "full", "stream"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true", help="write benchmarks/results/latency.json")
    asked = parser.parse_args()
    report = measure(asked.symbols, asked.minutes, asked.graph)
    if told(report, "latency", as_json=asked.json, keep=asked.keep):
        return
    print(f"{report['bars']} single bars, {report['machine']}, load {report['load_before']}, commit {report['commit']}")
    for name in ("bar_ms", "bare_row_ms", "round_trip_ms", "ratio"):
        print(f"{name:<16} p50 {report[name]['p50']:8.3f}   p99 {report[name]['p99']:8.3f}")


if __name__ == "__main__":
    main()
