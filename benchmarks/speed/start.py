"""How long a daemon takes to have its windows back, and what they cost in memory.

    gaze bench start [--symbols 10000] [--bars 720] [--json]

A server of the daemon's own is filled with rings as a daemon leaves them, killed, and started again: it reads its file;
then the daemon reads the rings. Both are what stands between a restart and the first bar.
"""

import argparse
import asyncio
import json
import os
import signal
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
import redis.asyncio as redis

from benchmarks.house import conditions
from core.bars import Interval
from core.windows import Windows
from daemon.stores import ring
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore

HOUR = Interval.parse("1h")
KEYS = Keys("start")
FIRST = 480_000
_RINGS_A_CALL = 100


class Report(msgspec.Struct, frozen=True):
    """What was measured. Memory per symbol: in Redis, and of the daemon's mirror."""

    symbols: int
    bars: int
    server_s: float
    windows_s: float
    redis_bytes: float
    mirror_bytes: float
    machine: str
    python: str
    date: str
    commit: str

    def table(self) -> str:
        """For people."""
        return (
            f"{self.symbols:,} symbols x {self.bars} bars; {self.date}, commit {self.commit}, {self.machine}\n"
            f"the server has read its file  {self.server_s:6.2f} s\n"
            f"the windows are back          {self.windows_s:6.2f} s\n"
            f"memory of a symbol in Redis   {self.redis_bytes:6,.0f} bytes, bars are {ring.size_bytes(self.bars):,}\n"
            f"memory of a symbol in memory  {self.mirror_bytes:6,.0f} bytes"
        )


async def fill(url: str, names: list[str], bars: int) -> None:
    """Rings as full as they get, every bar of them published."""
    rows = np.zeros(bars, ring.ROW)
    numbers = FIRST + np.arange(bars)
    rows["opened_at_ms"], rows["written"], rows["published"] = numbers * HOUR.ms, 1, 1
    rows["bar"] = np.random.default_rng(1).uniform(1, 2, (bars, 5))
    told = rows[np.argsort(numbers % bars)].tobytes()
    async with redis.Redis.from_url(url) as client:
        for first in range(0, len(names), _RINGS_A_CALL):
            some = names[first : first + _RINGS_A_CALL]
            await client.mset({KEYS.ring(HOUR.name, bars, name): told for name in some})


async def used(url: str) -> int:
    """Bytes that the server holds."""
    async with redis.Redis.from_url(url) as client:
        return int((await client.info("memory"))["used_memory"])


async def measure(symbols: int, bars: int) -> Report:
    names = [f"S{number:05}USDT" for number in range(symbols)]
    with tempfile.TemporaryDirectory(prefix="gaze-start-") as folder:
        async with EmbeddedServer(Path(folder)) as server:
            empty = await used(server.url)
            await fill(server.url, names, bars)
            held = await used(server.url) - empty
            pid = server.pid
            assert pid
            os.kill(pid, signal.SIGKILL)
            await asyncio.to_thread(os.waitid, os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            begun = time.monotonic()
            await server.start()
            started = time.monotonic()
            windows = Windows(HOUR, names, bars)
            store = RedisStore(server.url, KEYS, HOUR, bars)
            await store.open()
            there = await store.load(windows)
            loaded = time.monotonic()
            await store.close()
    assert there == symbols * bars, f"{there} bars came back, expected {symbols * bars}"
    mirror = sum(value.nbytes for value in vars(windows).values() if isinstance(value, np.ndarray))
    per_symbol = held / symbols, mirror / symbols
    return Report(symbols, bars, started - begun, loaded - started, *per_symbol, **conditions())


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=10_000)
    parser.add_argument("--bars", type=int, default=720, help="bars of one ring: the window, its lookback and 64 more")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    report = asyncio.run(measure(asked.symbols, asked.bars))
    print(json.dumps(msgspec.to_builtins(report), indent=2) if asked.json else report.table())


if __name__ == "__main__":
    main()
