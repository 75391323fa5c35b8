"""So many symbols shared out among so many daemons over one server, and what each kind of process takes for a bar."""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

import msgspec
import redis
from websockets.sync.client import connect

from benchmarks.capacity.model import MINUTE_S, Use
from benchmarks.house import GAZE
from benchmarks.running.processes import cpu_seconds, memory_mib, running
from benchmarks.speed import scene as scenes
from benchmarks.speed.burst import until_idle
from benchmarks.speed.play import until_ready
from core.bundle import Bundle
from daemon.feeds.binance import spot, stream
from daemon.sharding import share
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys

KINDS: Final = ("daemon", "redis", "venue", "subscriber")
_BEFORE_S: Final = 1.0
_IDLE_S: Final = 3.0
"""Idling is looked at for so long, until so long before the next close."""
_LEAST_S: Final = 0.1
_MIB: Final = 1 << 20


class Server:
    """What the server says of itself."""

    def __init__(self, client: "redis.Redis", streams: Sequence[str]) -> None:
        self._client = client
        self._streams = streams

    def counts(self) -> dict[str, float]:
        """Commands and bytes until now."""
        calls = {name: told["calls"] for name, told in self._client.info("commandstats").items()}
        network = self._client.info("stats")
        return {
            "redis_commands": float(sum(calls.values())),
            "redis_scripts": float(calls.get("cmdstat_evalsha", 0)),
            "redis_in_mib": network["total_net_input_bytes"] / _MIB,
            "redis_out_mib": network["total_net_output_bytes"] / _MIB,
        }

    def memory(self) -> tuple[float, float]:
        """MiB in use but for the streams, and bytes of one message in a stream."""
        stream_bytes = sum(self._client.memory_usage(name, samples=0) or 0 for name in self._streams)
        messages = sum(self._client.xlen(name) for name in self._streams)
        used = int(self._client.info("memory")["used_memory"])
        return (used - stream_bytes) / _MIB, stream_bytes / messages


async def measure(
    bundle: Bundle, symbols: int, processes: int, bars: int, updates: int, speed: float, graph: str
) -> Use:
    """So many symbols in so many daemons over a server of their own."""
    scene = scenes.make_scene(bundle, symbols, bars + 1)
    with tempfile.TemporaryDirectory(prefix="gaze-capacity-") as name:
        async with EmbeddedServer(Path(name) / "state") as server:
            return await asyncio.to_thread(
                _measured, bundle, scene, Path(name), server, processes, updates, speed, graph
            )


def _measured(
    bundle: Bundle,
    scene: scenes.Scene,
    folder: Path,
    server: EmbeddedServer,
    processes: int,
    updates: int,
    speed: float,
    graph: str,
) -> Use:
    scenes.write_bars(scene, folder / "bars.parquet")
    shares = [share(scene.symbols, shard, processes) for shard in range(processes)]
    sockets = sum(len(spot().sockets(some, scenes.MINUTE)) for some in shares)
    model, symbols = bundle.manifest.name, len(scene.symbols)
    with ExitStack() as stack:
        client = stack.enter_context(redis.Redis.from_url(server.url))
        scenes.fill_rings(scene, bundle, client, processes)
        venue_told = [sys.executable, "-m", "benchmarks.speed.venue", "bars.parquet"]
        venue_told += map(str, (speed, sockets + 1, updates))
        venue, listens = stack.enter_context(running(venue_told, folder, "venue.log"))
        (folder / "gaze.toml").write_text(scenes.settings(bundle, scene, listens, "onnxruntime", graph))
        run = [*GAZE, "run", "gaze.toml", "--json", "--store", server.url, "--set", f"store.shards={processes}"]
        with ThreadPoolExecutor(processes) as together:
            starts = [
                together.submit(
                    stack.enter_context,
                    running([*run, "--set", f"store.shard={shard}"], folder, f"daemon-{shard}.log"),
                )
                for shard in range(processes)
            ]
            daemons = [start.result() for start in starts]
        subscribe = [sys.executable, "-m", "benchmarks.speed.subscriber", str(server.socket)]
        subscribe += [f"gaze:predictions:{model}", str(symbols)]
        subscriber, _ = stack.enter_context(running(subscribe, folder, "subscriber.log"))
        assert subscriber.stdout is not None
        assert server.pid is not None
        pids = {f"daemon {shard}": daemon.pid for shard, (daemon, _) in enumerate(daemons)}
        pids |= {"redis": server.pid, "venue": venue.pid, "subscriber": subscriber.pid}
        urls = [serves["http"] for _, serves in daemons]
        for url in urls:
            until_ready(url)
        one_more = stack.enter_context(connect(f"{listens['websocket']}/stream", ping_interval=None))
        first = [stream(scene.symbols[0], scenes.MINUTE.name)]
        one_more.send(json.dumps({"method": "SUBSCRIBE", "params": first, "id": 1}))
        server_told = Server(client, [Keys(model, str(shard)).stream for shard in range(processes)])
        period_s = MINUTE_S / speed
        marks = []
        for _ in range(scene.live):
            waited = Mark.now(pids)
            moments = json.loads(subscriber.stdout.readline())
            closed = Mark.now(pids)
            for url, some in zip(urls, shares, strict=True):
                until_idle(url, len(some))
            idle_until = moments["received"] + period_s - _BEFORE_S
            time.sleep(max(idle_until - _IDLE_S - time.time(), 0))
            idle = Mark.now(pids)
            time.sleep(max(idle_until - time.time(), 0))
            marks.append(Bar(waited, closed, idle, Mark.now(pids), server_told.counts(), moments))
        return _use(symbols, processes, updates, speed, marks, server_told.memory(), [one.pid for one, _ in daemons])


class Mark(msgspec.Struct, frozen=True):
    """CPU seconds of each kind of process at a moment, in seconds."""

    at_s: float
    used_s: dict[str, float]

    @classmethod
    def now(cls, pids: dict[str, int]) -> Self:
        """By the processes of each kind."""
        seconds = cpu_seconds(pids)
        daemons = sum(one for name, one in seconds.items() if name.startswith("daemon"))
        return cls(time.monotonic(), {"daemon": daemons} | {kind: seconds[kind] for kind in KINDS[1:]})

    def since(self, before: Self) -> dict[str, float]:
        """What was used between."""
        return {kind: self.used_s[kind] - before.used_s[kind] for kind in KINDS}


class Bar(msgspec.Struct, frozen=True):
    """One close: before it, when its last prediction was out, when all had gone idle, and before the next."""

    before: Mark
    out: Mark
    idle: Mark
    end: Mark
    server: dict[str, float]
    moments: dict[str, float]


def _use(
    symbols: int,
    processes: int,
    updates: int,
    speed: float,
    bars: Sequence[Bar],
    memory: tuple[float, float],
    pids: Sequence[int],
) -> Use:
    """Of all bars but the first, which warms everything up."""
    first, *counted = bars
    count, last = len(counted), counted[-1]
    idle_s = sum(bar.end.at_s - bar.idle.at_s for bar in counted)
    each_s = {kind: sum(bar.end.since(bar.idle)[kind] for bar in counted) / max(idle_s, _LEAST_S) for kind in KINDS}
    passed_s, used_s = last.end.at_s - first.end.at_s, last.end.since(first.end)
    bar_s = {kind: (used_s[kind] - each_s[kind] * passed_s) / count for kind in KINDS}
    close_s = [
        bar.out.since(bar.before)["daemon"] - each_s["daemon"] * (bar.out.at_s - bar.before.at_s) for bar in counted
    ]
    redis_mib, stream_bytes = memory
    took = {
        "daemon_close_s": sum(close_s) / count,
        "daemon_bar_s": bar_s["daemon"],
        "daemon_idle_s": each_s["daemon"] * MINUTE_S,
        "daemon_mib": sum(map(memory_mib, pids)),
        "redis_bar_s": bar_s["redis"],
        "redis_idle_s": each_s["redis"] * MINUTE_S,
        "redis_mib": redis_mib,
        **{name: (last.server[name] - first.server[name]) / count for name in last.server},
        "subscriber_bar_s": bar_s["subscriber"],
        "venue_bar_s": bar_s["venue"],
    }
    last_ms = sorted((bar.moments["last"] - bar.moments["received"]) * 1e3 for bar in counted)[count // 2]
    looked = idle_s / (_IDLE_S * count)
    return Use(symbols, processes, updates, count, looked, last_ms, used_s["daemon"] / count, speed, stream_bytes, took)
