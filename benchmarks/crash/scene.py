"""A venue with its faults, a daemon on it, and the runs of both: undisturbed, and under blows."""

import json
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.crash.adaptive import differing
from benchmarks.crash.blows import Blow
from benchmarks.crash.record import Record
from benchmarks.crash.stores import Store, opened
from benchmarks.running.commands import Command
from core import barfile, bundle
from daemon.stores.keys import Keys

FAULTS: Final = ("drop:0.004", "repeat:0.03", "reorder:0.03", "silent-gap:0.02")
NOTICED: Final = "the store does not answer; bars are kept until it does"
RECOVERED: Final = "the store answers again"
RUN: Final = ("run", "gaze.toml", "--json")
SOCKET: Final = Path("state", "redis.sock")
SPEED: Final = "18000"
"""Five hours a second: while the daemon is down and starts, the venue goes on."""
WARMED_UP: Final = 130
"""Bars of history before the first live one."""
_WATCHED_S: Final = 600.0
"""The record is read again for what came late, in a tenth of the time."""
_UNSETTLED: Final = 2
"""The last bars of the file: nothing comes after them that would show that one is missing."""


class Played(msgspec.Struct, frozen=True):
    """A disturbed run: what a reader has seen of it, the record at its end, and how much of the state is unlike."""

    seen: list[bytes]
    record: list[bytes]
    unlike: int
    server: str


class Scene:
    """A folder with `bundle` and `bars.parquet`, in which runs are played; only symbols without gaps take part."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.bundle = bundle.read(folder / "bundle")
        bars = barfile.read(folder / "bars.parquet")
        longest = max(bars.symbols.values(), key=lambda one: len(one.opened_at_ms)).opened_at_ms
        times = range(int(longest[0]), int(longest[-1]) + 1, bars.interval.ms)
        self.symbols = [name for name, one in bars.symbols.items() if len(one.opened_at_ms) == len(times)]
        self.stream = Keys(self.bundle.manifest.name).stream
        self.step_ms = bars.interval.ms
        self.until_ms = times[-_UNSETTLED]
        """The opening time of the first bar that is not compared."""
        self.expected = len(self.symbols) * (len(times) - WARMED_UP + 1 - _UNSETTLED)
        """Bars that both runs must have predicted before then."""

    async def undisturbed(self) -> list[bytes]:
        """The record of a run that nothing disturbs."""
        async with self.exchange("undisturbed", "max") as place, AsyncExitStack() as stack:
            record = self.record(f"unix://{place / SOCKET}")
            stack.push_async_callback(record.close)
            await stack.enter_async_context(Command.serving(place, *RUN))
            assert await record.grow_to(self.expected), f"only {len(record.bars)} of {self.expected} came"
            # The last bars show what the state was at the close before them.
            ends = Record(f"unix://{place / SOCKET}", self.stream, self.until_ms + _UNSETTLED * self.step_ms)
            stack.push_async_callback(ends.close)
            assert await ends.grow_to(self.expected + _UNSETTLED * len(self.symbols)), "the last bars did not come"
            return ends.messages

    async def disturbed(self, blows: Sequence[Blow], undisturbed: Sequence[bytes], kind: str, seed: int = 0) -> Played:
        """A run with these blows, on a store of this kind."""
        async with self.exchange("disturbed", SPEED, FAULTS, seed) as place, AsyncExitStack() as stack:
            store = await stack.enter_async_context(opened(kind, place, self.bundle.manifest.name))
            record = self.record(store.url)
            stack.push_async_callback(record.close)
            coming = iter(blows)
            while True:
                async with Command.serving(place, *RUN, *store.flags) as daemon:
                    if await _struck(coming, daemon, record, store):
                        continue
                    await record.grow_to(self.expected)
                    url = daemon.listens["http"]
                    unlike = await differing(url, self.bundle, undisturbed, self.until_ms, _WATCHED_S)
                    _, server = await record.server()
                    return Played(record.messages, await record.whole(), unlike, server)

    def record(self, url: str) -> Record:
        """What daemons have published in the store at this address."""
        return Record(url, self.stream, self.until_ms)

    @asynccontextmanager
    async def exchange(
        self, name: str, speed: str, faults: Sequence[str] = (), seed: int = 0, subscribers: int = 1
    ) -> AsyncIterator[Path]:
        """The venue of one run, which waits for so many; gives its folder, with the settings of a daemon on it."""
        place = self._folder / name
        place.mkdir()
        told = [word for fault in faults for word in ("--fault", fault)]
        pace = ("--history", str(WARMED_UP), "--speed", speed, "--hold", "--json", "--seed", str(seed))
        pace += ("--subscribers", str(subscribers))
        chosen = ("--bars", "../bars.parquet", "--symbols", ",".join(self.symbols))
        async with Command.serving(place, "exchange", *chosen, *pace, *told) as venue:
            (place / "gaze.toml").write_text(self._config(venue.listens["websocket"], venue.listens["rest"]))
            yield place

    def _config(self, websocket: str, rest: str) -> str:
        # A short inbox keeps the exchange from running ahead: kills hit bars that come live, not all from history.
        return f"""
[bundle]
path = "../bundle"
[feed]
websocket_url = "{websocket}"
rest_url = "{rest}"
symbols = {json.dumps(self.symbols)}
inbox = {4 * len(self.symbols)}
[store]
directory = "state"
[http]
port = 0
[log]
format = "json"
"""


async def _struck(coming: Iterator[Blow], daemon: Command, record: Record, store: Store) -> bool:
    """Strike this daemon until it ends, which is True, or no blow is left."""
    for blow in coming:
        if blow.word:
            await daemon.said(blow.word)
        elif not await record.grow_to(blow.at):
            raise AssertionError(f"no message after {len(record.bars)} bars, waiting for {blow}; {daemon.log[-5:]}")
        if blow.kind in ("kill", "stop"):
            number = signal.SIGKILL if blow.kind == "kill" else signal.SIGTERM
            daemon.kill(number)
            status = await daemon.ended()
            assert status in (-number, 0), f"it ended with {status}: {daemon.log[-5:]}"
            return True
        await _strike_store(blow, daemon, record, store)
    return False


async def _strike_store(blow: Blow, daemon: Command, record: Record, store: Store) -> None:
    """Kill or pause Redis, until the daemon has noticed; then wait until it has recovered."""
    pid, _ = await record.server()
    noticed = daemon.count(NOTICED) + 1
    await store.strike(blow.kind, pid)
    await daemon.said(NOTICED, noticed)
    await store.relieve(blow.kind, pid)
    await daemon.said(RECOVERED, noticed)
