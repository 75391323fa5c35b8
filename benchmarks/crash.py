"""The daemon is killed over and over; its record is then compared with that of a run which nothing disturbed.

    gaze bench crash [--kills 200] [--store embedded|external|cluster] [--bars FILE]
                     [--symbols 200] [--keep DIR] [--write]

Both runs hear the same bars of a stand-in exchange, which waits for its subscriber. The disturbed one hears them with
sockets that break, repeats, swaps and silent gaps; its daemon is killed at points drawn by chance, its Redis killed
and paused. Compared are id and bytes of every `prediction` at its latest revision: none may be lost, doubled or
different, and nothing that a reader of the stream has seen may be gone from it. At the end the last daemon's drift,
scores, margins and running profiles must be those of the undisturbed record, folded in the order of time.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.adaptive import differing
from benchmarks.commands import GAZE, Command, Record, Told
from benchmarks.crash_stores import KILL, KINDS, Store, opened
from core import barfile, bundle
from daemon.stores.keys import Keys

HOUSE: Final = Path(__file__).resolve().parents[1]
FAULTS: Final = ("drop:0.004", "repeat:0.03", "reorder:0.03", "silent-gap:0.02")
STARTING: Final = ("the engine reproduces the golden outputs", "windows are back", "socket open", "ready")
"""What a daemon logs as it starts: points at which it may die."""
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


WORDS: Final = {
    "kill": "daemon killed (SIGKILL)",
    "stop": "daemon told to end (SIGTERM)",
    KILL: "Redis killed (SIGKILL)",
    "pause-store": "Redis paused (SIGSTOP)",
}
PAGE: Final = HOUSE / "docs" / "explanation" / "crash.md"
BEGIN, END = "<!-- measured: {} -->\n", "<!-- /measured: {} -->\n"


class Blow(msgspec.Struct, frozen=True):
    """One misfortune: what is done, and when: at so many messages in the stream, or at a word of the daemon's start."""

    kind: str  # kill, by SIGKILL, or stop, by SIGTERM: the daemon. kill-store, pause-store: Redis
    at: int
    word: str = ""


class Counts(msgspec.Struct, frozen=True):
    """What the comparison found, in predictions."""

    expected: int
    lost: int
    unknown: int
    doubled: int
    different: int
    vanished: int
    """Seen by a reader of the stream, and not in it at the end."""
    unlike: int
    """Series of the adaptive state: drift, scores, margins, running profiles."""

    @property
    def clean(self) -> bool:
        """Whether the disturbed record is the undisturbed one."""
        return not (self.lost or self.unknown or self.doubled or self.different or self.vanished or self.unlike)


class Report(msgspec.Struct, frozen=True):
    """What was done, and what came of it."""

    store: str
    server: str
    bars: str
    symbols: int
    blows: dict[str, int]
    counts: Counts
    seconds: float
    date: str
    commit: str
    machine: str

    def table(self) -> str:
        """For people."""
        return "\n".join(f"{name:<30}{told}" for name, told in self._rows())

    def markdown(self) -> str:
        """For the docs."""
        return "\n".join(["| | |", "|---|---|", *(f"| {name} | {told} |" for name, told in self._rows()), ""])

    def _rows(self) -> list[tuple[str, str]]:
        struck = [(WORDS[kind], f"{self.blows.get(kind, 0):,}") for kind in WORDS]
        found = [(name, f"{count:,}") for name, count in msgspec.structs.asdict(self.counts).items()]
        return [
            ("store", f"{self.store}, {self.server}"),
            ("bars", f"{self.bars}, {self.symbols} symbols"),
            *struck,
            *found,
            ("took", f"{self.seconds:,.0f} s"),
            ("when, where", f"{self.date}, {self.commit}, {self.machine}"),
        ]


class Played(msgspec.Struct, frozen=True):
    """A disturbed run: what a reader has seen of it, the record at its end, and how much of the state is unlike."""

    seen: list[bytes]
    record: list[bytes]
    unlike: int
    server: str


class _Parts(msgspec.Struct, frozen=True):
    """A message, its prediction as bytes."""

    prediction: msgspec.Raw


def plan(kills: int, bars: int, seed: int) -> list[Blow]:
    """So many kills and a quarter as many other blows, spread over a run of so many bars.

    A third of the kills hit a daemon that is starting.
    """
    draw = random.Random(seed)
    kinds = ["kill"] * kills + draw.choices(("kill-store", "pause-store", "stop"), (2, 1, 1), k=kills // 4)
    draw.shuffle(kinds)
    points = sorted(int(draw.uniform(0, 0.9) * bars) for _ in kinds)
    words = [draw.choice(STARTING) if kind == "kill" and draw.random() < 1 / 3 else "" for kind in kinds]
    return [Blow(*one) for one in zip(kinds, points, words, strict=True)]


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


def compare(
    undisturbed: Sequence[bytes], seen: Sequence[bytes], record: Sequence[bytes], until_ms: int, unlike: int = 0
) -> Counts:
    """Hold a record against the undisturbed one, bar by bar at its latest revision, up to `until_ms`."""
    expected, _ = _latest(undisturbed, until_ms)
    found, ids = _latest(record, until_ms)
    there = Counter(record)
    return Counts(
        expected=len(expected),
        lost=len(expected.keys() - found.keys()),
        unknown=len(found.keys() - expected.keys()),
        doubled=sum(count - 1 for count in ids.values()),
        different=sum(found[bar] != expected[bar] for bar in expected.keys() & found.keys()),
        vanished=sum(there[message] == 0 for message in seen),
        unlike=unlike,
    )


def _latest(messages: Sequence[bytes], until_ms: int) -> tuple[dict[tuple[str, int], bytes], Counter[str]]:
    """The bytes of every bar's prediction at its latest revision, and how often each id was told."""
    latest: dict[tuple[str, int], tuple[int, bytes]] = {}
    ids: Counter[str] = Counter()
    for message in messages:
        prediction = msgspec.json.decode(message, type=_Parts).prediction
        told = msgspec.json.decode(prediction, type=Told)
        ids[told.id] += 1
        bar = told.symbol, told.opened_at_ms
        if told.opened_at_ms < until_ms and told.revision >= latest.get(bar, (0, b""))[0]:
            latest[bar] = told.revision, bytes(prediction)
    return {bar: prediction for bar, (_, prediction) in latest.items()}, ids


async def measure(folder: Path, kills: int, seed: int, bars: str, store: str) -> Report:
    """Play both runs in a folder with `bundle` and `bars.parquet`, and keep both records there."""
    begun = time.monotonic()
    scene = Scene(folder)
    undisturbed = await scene.undisturbed()
    blows = plan(kills, scene.expected, seed)
    played = await scene.disturbed(blows, undisturbed, store, seed)
    for name, messages in (("undisturbed", undisturbed), ("disturbed", played.record)):
        (folder / f"{name}.jsonl").write_bytes(b"".join(message + b"\n" for message in messages))
    found = compare(undisturbed, played.seen, played.record, scene.until_ms, played.unlike)
    struck = Counter(blow.kind for blow in blows)
    seconds = time.monotonic() - begun
    return Report(store, played.server, bars, len(scene.symbols), dict(struck), found, seconds, **conditions())


def conditions() -> dict[str, str]:
    """When and where."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HOUSE, capture_output=True, text=True, check=False
    )
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": f"commit {commit.stdout.strip() or 'unknown'}",
        "machine": f"{os.cpu_count()} shared {platform.machine()} cores",
    }


def write(report: Report) -> None:
    """Put the report into the docs, in place of the one before for this store."""
    begin, end = BEGIN.format(report.store), END.format(report.store)
    before, rest = PAGE.read_text().split(begin)
    PAGE.write_text(before + begin + report.markdown() + end + rest.split(end)[1])


def make_scene(folder: Path, bars: Path | None, symbols: int, days: int) -> None:
    """A small model in `bundle`, and as `bars.parquet` the last days of a file of bars, or of made-up ones."""
    import polars as pl  # noqa: PLC0415 - only where a scene is made

    def gaze(*arguments: str) -> None:
        subprocess.run([GAZE, *arguments], cwd=folder, check=True, stdout=sys.stderr)

    if bars is None:
        gaze("bars", "simulate", "--out", "all.parquet", "--symbols", str(symbols))
    else:
        shutil.copyfile(bars, folder / "all.parquet")
    small = ("model.options.hidden=16", "optimiser.epochs=1", "data.features=btc_3")
    changes = [word for change in small for word in ("--set", change)]
    gaze("train", "bitcoin_hourly", "--bars", "all.parquet", "--out", "run", *changes)
    gaze("export", "run", "--out", "bundle", "--name", "crash")
    table = pl.read_parquet(folder / "all.parquet")
    recent = table.filter(pl.col("ts") > pl.col("ts").max() - pl.duration(days=days))
    names = recent["symbol"].unique().sort().to_list()
    # Where there are too few symbols, the same bars again under other names.
    asked = pl.DataFrame(
        {
            "symbol": [names[number % len(names)] for number in range(symbols)],
            "name": [names[number % len(names)] + "Z" * (number // len(names)) for number in range(symbols)],
        }
    )
    copies = asked.join(recent, on="symbol").drop("symbol").rename({"name": "symbol"})
    copies.select(recent.columns).sort("symbol", "ts").write_parquet(folder / "bars.parquet")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--kills", type=int, default=200, help="how often the daemon is killed; other blows come on top"
    )
    parser.add_argument("--store", choices=KINDS, default="embedded")
    parser.add_argument("--bars", type=Path, help="Parquet file of real bars; made up without it")
    parser.add_argument("--symbols", type=int, default=200, help="copies under other names where the file has fewer")
    parser.add_argument("--days", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep both streams, logs and states in this new folder")
    parser.add_argument("--write", action="store_true", help="put the result into docs/explanation/crash.md")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="gaze-crash-") as temporary:
        folder = (asked.keep or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        make_scene(folder, asked.bars, asked.symbols, asked.days)
        told = asked.bars.name if asked.bars else "simulated"
        report = asyncio.run(measure(folder, asked.kills, asked.seed, told, asked.store))
    if asked.write:
        write(report)
    print(json.dumps(msgspec.to_builtins(report), indent=2) if asked.json else report.table())
    if not report.counts.clean:
        sys.exit(1)


if __name__ == "__main__":
    main()
