"""What must come back of a file of bars, told to a daemon that is killed in the middle, and what came."""

import json
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
from redis.asyncio import Redis
from websockets.asyncio.client import connect

from benchmarks.running.commands import Command
from core import barfile
from core.barfile import BarFile
from core.bars import Interval
from core.prediction import Message

STREAM: Final = "gaze:{0}:predictions:mirror"
_LISTED: Final = 20
_SILENCE_S: Final = 240.0
"""After so long nothing more will come."""
Rows = npt.NDArray[np.float32]
Bar = tuple[str, int]


class Counts(msgspec.Struct, frozen=True):
    """What came of one file. `live_before`, `live_after`: rows that came live, each side of the kill."""

    file: str
    symbols: int
    rows: int
    values: int
    live_before: int
    live_after: int
    lost: int
    doubled: int
    differing: int
    seconds: float
    first_lost: tuple[Bar, ...]
    """Some of those, by symbol and opening time."""

    @property
    def clean(self) -> bool:
        """Whether every row came once, in the very bits."""
        return not (self.lost or self.doubled or self.differing)


def settings(listens: dict[str, str], symbols: Iterable[str], feed: str) -> str:
    """Of a daemon with a bundle beside it, that keeps all it says; `feed`: more lines of that section."""
    return f"""
[bundle]
path = "bundle"
[store]
directory = "state"
stream_maxlen = 10000000
[http]
port = 0
[feed]
websocket_url = "{listens["websocket"]}"
rest_url = "{listens["rest"]}"
symbols = {json.dumps(list(symbols))}
{feed}"""


class Said:
    """Follows the stream of predictions, over the end of its server."""

    def __init__(self, expected: dict[Bar, Rows], url: str) -> None:
        self.there = 0
        self.live = 0
        self.doubled = 0
        self.unknown = 0
        self.differing = 0
        self.newest_ms = 0
        self.left = dict(expected)
        self._until_ms = max(at_ms for _, at_ms in expected)
        self._seen: set[Bar] = set()
        self._decoder = msgspec.json.Decoder(Message)
        self._client: Any = Redis.from_url(url, socket_timeout=None, protocol=2)
        self._last = b"0"

    async def until(self, count: int) -> None:
        """Read until there are so many, or until nothing more comes."""
        while self.there < count:
            answer = await self._client.xread({STREAM: self._last}, count=1_000, block=int(_SILENCE_S * 1_000))
            if not answer:
                return
            self._last = answer[0][1][-1][0]
            for _, fields in answer[0][1]:
                self._take(self._decoder.decode(fields[b"message"]))

    def _take(self, message: Message) -> None:
        prediction = message.prediction
        bar = prediction.symbol, prediction.opened_at_ms
        if prediction.opened_at_ms > self._until_ms:
            return
        self.there += 1
        self.live += message.context.origin == "live"
        self.newest_ms = max(self.newest_ms, prediction.opened_at_ms)
        self.doubled += bar in self._seen
        self._seen.add(bar)
        row_F = self.left.pop(bar, None)
        if row_F is None:
            self.unknown += 1
            return
        said_F = np.array(prediction.outputs["quantiles_1"], np.float32)
        self.differing += int((said_F.view(np.uint32) != row_F.view(np.uint32)).sum())

    async def close(self) -> None:
        """Let go of the server."""
        await self._client.aclose()


class Told(Protocol):
    """A file of bars in a folder with its bundle, and what must come back: Mirror, or that of a recipe."""

    folder: Path
    bars: BarFile
    interval: Interval
    expected: dict[Bar, Rows]
    names: tuple[str, ...]
    start_ms: int
    late_ms: int

    def records(self, *, late: bool) -> None:
        """Write the external records that are known by `late_ms`, or append the others."""

    def settings(self, listens: dict[str, str]) -> str:
        """The daemon's."""


async def serve(mirror: Told, file: str) -> Counts:
    """Serve what is told, and hold what was said against what was expected."""
    begun = time.monotonic()
    folder, bars = mirror.folder, mirror.bars
    said = Said(mirror.expected, f"unix://{folder / 'state' / 'redis.sock'}")
    rows = len(mirror.expected)
    # The clock stands until two have subscribed: the daemon and, once that has its history, we ourselves. Within a bar
    # history has the last one: none has to be asked for again, at a time that a leaping clock cannot know.
    start = datetime.fromtimestamp((mirror.start_ms + mirror.interval.ms // 2) / 1_000, UTC)
    begin = ("--start", start.strftime("%Y-%m-%dT%H:%M:%S"), "--subscribers", "2", "--updates", "1")
    told = ("--bars", "bars.parquet", *begin, "--speed", "max", "--hold", "--json")
    async with Command.serving(folder, "exchange", *told) as exchange:
        (folder / "gaze.toml").write_text(mirror.settings(exchange.listens))
        symbol = next(iter(bars.symbols)).lower()
        beside = f"{exchange.listens['websocket']}/ws/{symbol}@kline_{mirror.interval.name}"
        async with Command.serving(folder, "run", "gaze.toml", "--json") as daemon:
            await daemon.said("ready")
            async with connect(beside, max_queue=None):
                await said.until(rows // 2)
                daemon.kill()
                await daemon.ended()
        live_before = said.live
        assert said.newest_ms < mirror.late_ms, "the kill came after a record that was not written yet"
        mirror.records(late=True)
        async with Command.serving(folder, "run", "gaze.toml", "--json") as daemon:
            await daemon.said("ready")
            async with connect(beside, max_queue=None):
                await said.until(rows)
            await said.close()
    return Counts(
        file,
        len(bars.symbols),
        rows,
        rows * len(mirror.names),
        live_before,
        said.live - live_before,
        len(said.left),
        said.doubled + said.unknown,
        said.differing,
        time.monotonic() - begun,
        tuple(sorted(said.left, key=lambda bar: (bar[1], bar[0]))[:_LISTED]),
    )


def read(folder: Path, file: Path, interval: str | None, from_time: str = "") -> BarFile:
    """A file's bars of one interval, copied to `bars.parquet`, the venue's file."""
    import polars as pl  # noqa: PLC0415 - read where a scene is made

    table = barfile.frame(file)
    if "interval" in table.columns and interval:
        table = table.filter(pl.col("interval") == interval)
    if from_time:
        table = table.filter(pl.col("ts") >= datetime.fromisoformat(from_time).replace(tzinfo=UTC))
    table.write_parquet(folder / "bars.parquet")
    return barfile.read(folder / "bars.parquet", interval)


def table(all_counts: Sequence[Counts]) -> str:
    """For people."""
    lines = [
        "| file | symbols | rows | numbers | live before / after the kill | lost | doubled | differing | seconds |"
    ]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    lines += [
        f"| {one.file} | {one.symbols} | {one.rows:,} | {one.values:,} | {one.live_before:,} / {one.live_after:,} | "
        f"{one.lost} | {one.doubled} | {one.differing} | {one.seconds:.0f} |"
        for one in all_counts
    ]
    lines += [f"lost: {symbol} at {at_ms}" for one in all_counts for symbol, at_ms in one.first_lost]
    rows, values = sum(one.rows for one in all_counts), sum(one.values for one in all_counts)
    differing = sum(one.differing for one in all_counts)
    return "\n".join([*lines, "", f"{rows:,} rows, {values:,} numbers, {differing} differing"])
