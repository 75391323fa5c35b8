"""One bar at a time: from the venue's word to the prediction at a subscriber.

    gaze bench latency [--symbols 60] [--minutes 12] [--apart 25] [--graph auto] [--json] [--keep]

A venue that has its words ready and the subscriber run in this process, so both ends read one clock; the daemon and its
server are processes of their own. The bars of a minute close one after the other, so many milliseconds apart. Beside it
stands the bare row, the whole graph on one window in memory, and one round trip to the server: between the minutes, and
as far apart, for whoever has waited finds cores asleep and caches that others have filled; and in a loop.
"""

import argparse
import asyncio
import os
import re
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import hiredis
import msgspec
import numpy as np
import redis

from benchmarks.house import GAZE, conditions
from benchmarks.running.processes import running, told
from benchmarks.speed import scene as scenes
from benchmarks.speed.bare import BareModel
from benchmarks.speed.burst import KEPT, bare_inputs, metrics, show_progress
from benchmarks.speed.play import until_ready
from benchmarks.speed.venue import Venue
from core import barfile
from core.bundle import Bundle
from daemon.exchange.clock import VenueClock
from daemon.exchange.dialects import dialect
from daemon.exchange.market import Market, Update

_SPEED: Final = 6.0
_MOST_VENUE_S: Final = 9.0
"""Within so much of the venue's time all bars of a minute are told: later ones would be asked of history."""
_FEWEST_MINUTES: Final = 2
_IN_A_LOOP: Final = 2_000
_WARM: Final = 200
_AFTERMATH_S: Final = 1.0
"""After the last bar of a minute the daemon runs the next windows ahead."""
_READ_BYTES: Final = 1 << 20
_PATIENCE_S: Final = 60.0
_SAID: Final = re.compile(rb'"symbol":"(\w+)".*?"opened_at_ms":(\d+)')
Key = tuple[str, int]
Stages = dict[str, float]


class Seen(msgspec.Struct, frozen=True):
    """Milliseconds: of each bar from word to prediction, of each bare row with its round trip, of a bar's stages."""

    bars: list[float]
    bare: list[float]
    stages: Stages


class OneByOne(Venue):
    """Tells one bar after the other, and notes when."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.at_s: dict[Key, float] = {}

    def tells(self, updates: Sequence[Update]) -> None:
        """These are told now."""
        for one in updates:
            self.at_s[one.bar.symbol, one.bar.opened_at_ms] = time.perf_counter()


class Subscriber:
    """Notes when each prediction was here. After a minute's bars it runs as many bare rows, as far apart.

    Each with a round trip to the daemon's server. `stages`: what the daemon's stages have taken so far, in seconds.
    """

    def __init__(
        self,
        path: Path,
        channel: str,
        a_minute: int,
        apart_s: float,
        row: Callable[[], object],
        stages: Callable[[], Stages],
    ) -> None:
        self.at_s: dict[Key, float] = {}
        self.bare_ms: list[float] = []
        self.stages_s: list[Stages] = []
        """After each minute."""
        self._path = path
        self._channel = channel
        self._a_minute = a_minute
        self._apart_s = apart_s
        self._row = row
        self._stages = stages

    def listen(self, closes: int) -> None:
        """Until so many predictions were here."""
        reader = hiredis.Reader()
        with socket.socket(socket.AF_UNIX) as server, redis.Redis.from_url(f"unix://{self._path}") as client:
            server.settimeout(_PATIENCE_S)
            server.connect(str(self._path))
            server.sendall(hiredis.pack_command(("SUBSCRIBE", self._channel)))  # type: ignore[arg-type] # a narrow stub
            while len(self.at_s) < closes:
                reader.feed(server.recv(_READ_BYTES))
                now = time.perf_counter()
                while message := reader.gets():
                    found = message[0] == b"message" and _SAID.search(message[2])
                    if found:
                        self.at_s[found[1].decode(), int(found[2])] = now
                if self.at_s and len(self.at_s) % self._a_minute == 0:
                    self.stages_s.append(self._stages())
                    show_progress("minute", len(self.stages_s) - 1, closes // self._a_minute - 1)
                    time.sleep(_AFTERMATH_S)
                    self.bare_ms += _each_ms(lambda: (self._row(), client.ping()), self._a_minute, self._apart_s)


async def single_bars(
    bundle: Bundle, scene: scenes.Scene, folder: Path, graph: str, apart_s: float, row: Callable[[], object]
) -> Seen:
    """Bars one by one, and between them the bare row; the first minute is left out: it warms everything up."""
    market = Market(barfile.read(folder / "bars.parquet"), updates=0, close_delay_ms=(0, 0))
    clock = VenueClock(market.first_ms, _SPEED)
    symbols = len(scene.symbols)
    with ExitStack() as stack:
        async with OneByOne(market, dialect("binance", market), clock) as venue:
            venue.apart_ms = int(apart_s * _SPEED * 1_000)
            listens = {"websocket": venue.websocket_url, "rest": venue.rest_url}
            (folder / "gaze.toml").write_text(scenes.settings(bundle, scene, listens, "onnxruntime", graph))
            run = running([*GAZE, "run", "gaze.toml", "--json"], folder, "daemon.log")
            _, serves = await asyncio.to_thread(stack.enter_context, run)
            await asyncio.to_thread(until_ready, serves["http"])
            telling = asyncio.create_task(venue.tell_forever())
            path, channel = folder / "state" / "redis.sock", f"gaze:predictions:{bundle.manifest.name}"
            subscriber = Subscriber(path, channel, symbols, apart_s, row, lambda: metrics(serves["http"]).stages)
            await asyncio.to_thread(subscriber.listen, symbols * scene.live)
            telling.cancel()
            await asyncio.wait([telling])
            await asyncio.to_thread(stack.close)
    first_ms = int(scene.opened_at_ms_L[-scene.live])
    bars = [(here_s - venue.at_s[key]) * 1e3 for key, here_s in subscriber.at_s.items() if key[1] > first_ms]
    first, *_, last = subscriber.stages_s
    stages = {name: (last[name] - first[name]) * 1e3 / len(bars) for name in ("prepare", "infer", "finish", "commit")}
    return Seen(bars, subscriber.bare_ms[symbols:], stages)


def round_trips(folder: Path) -> list[float]:
    """Milliseconds of one PING to a server of the same kind, many times."""

    async def ask() -> list[float]:
        async with scenes.EmbeddedServer(folder) as server:
            with redis.Redis.from_url(server.url) as client:
                return _each_ms(client.ping, _IN_A_LOOP)

    return asyncio.run(ask())


def _each_ms(do: Callable[[], object], times: int, pause_s: float = 0.0) -> list[float]:
    taken = []
    for _ in range(times):
        if pause_s:
            time.sleep(pause_s)
        begun = time.perf_counter()
        do()
        taken.append((time.perf_counter() - begun) * 1e3)
    return taken


def _percentiles(taken_ms: list[float]) -> dict[str, float]:
    return {"p50": float(np.percentile(taken_ms, 50)), "p99": float(np.percentile(taken_ms, 99))}


def measure(symbols: int, minutes: int, graph: str, apart_s: float) -> dict[str, Any]:
    """Single bars, and bare rows and round trips."""
    load = os.getloadavg()
    bundle = scenes.make_bundle(KEPT, "hourly_lstm", "stock_41")
    scene = scenes.make_scene(bundle, symbols, minutes)
    one_row = {name: rows[:1] for name, rows in bare_inputs(bundle, scene).items()}
    model = BareModel(bundle.path("model.onnx"))

    def run_row() -> None:
        model.seconds(one_row, 1, 1)

    with tempfile.TemporaryDirectory(prefix="gaze-latency-") as name:
        folder = Path(name)
        row = _percentiles(_each_ms(run_row, _IN_A_LOOP)[_WARM:])
        trip = _percentiles(round_trips(folder / "trips")[_WARM:])
        scenes.write_bars(scene, folder / "bars.parquet")
        scenes.fill_store(scene, bundle, folder / "state")
        seen = asyncio.run(single_bars(bundle, scene, folder, graph, apart_s, run_row))
    bar, bare = _percentiles(seen.bars), _percentiles(seen.bare)
    return {
        "benchmark": "latency",
        **conditions(load),
        "symbols": symbols,
        "apart_ms": apart_s * 1e3,
        "graph": graph,
        "bars": len(seen.bars),
        "bar_ms": bar,
        "bare_ms": bare,
        "ratio": {at: bar[at] / bare[at] for at in bar},
        "row_in_a_loop_ms": row,
        "trip_in_a_loop_ms": trip,
        "ratio_to_a_loop": {at: bar[at] / (row[at] + trip[at]) for at in bar},
        "stages_ms": seen.stages,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=60)
    parser.add_argument("--minutes", type=int, default=12, help=f"at least {_FEWEST_MINUTES}")
    parser.add_argument("--apart", type=float, default=25.0, help="milliseconds between two bars")
    parser.add_argument("--graph", default="auto", choices=("auto", "full", "stream"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true", help="write benchmarks/results/latency.json")
    asked = parser.parse_args()
    if asked.minutes < _FEWEST_MINUTES:
        parser.error(f"expected {_FEWEST_MINUTES} minutes or more, found {asked.minutes}; try: --minutes 12")
    venue_s = asked.symbols * asked.apart / 1e3 * _SPEED
    if not (asked.symbols > 0 and 0 < venue_s <= _MOST_VENUE_S):
        parser.error(
            f"{asked.symbols} symbols {asked.apart:g} ms apart take {venue_s:g} s of the venue's time, "
            f"at most {_MOST_VENUE_S:g} can be had; try: --symbols 60 --apart 25"
        )
    report = measure(asked.symbols, asked.minutes, asked.graph, asked.apart / 1e3)
    if told(report, "latency", as_json=asked.json, keep=asked.keep):
        return
    print(f"{report['bars']} bars {report['apart_ms']:g} ms apart")
    print(f"{report['machine']}, load {report['load_before']}, commit {report['commit']}")
    for name in ("bar_ms", "bare_ms", "ratio", "row_in_a_loop_ms", "trip_in_a_loop_ms", "ratio_to_a_loop"):
        print(f"{name:<20} p50 {report[name]['p50']:8.3f}   p99 {report[name]['p99']:8.3f}")
    print("stages in the daemon", ", ".join(f"{name} {taken:.3f} ms" for name, taken in report["stages_ms"].items()))


if __name__ == "__main__":
    main()
