"""`gaze exchange` as a process of its own."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import polars as pl
import pytest
import websockets

from core.barfile import BarFile
from core.bars import COLUMNS
from core.errors import UsageError
from daemon.exchange.cli import exchange

ROOT = Path(__file__).resolve().parents[3]
HOUR_MS = 3_600_000


@pytest.fixture
def bars(week: BarFile, tmp_path: Path) -> Path:
    """The week as a file."""
    tables = [
        pl.DataFrame(part.rows, schema=list(COLUMNS)).with_columns(
            pl.lit(symbol).alias("symbol"),
            pl.Series("ts", part.opened_at_ms).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC"),
        )
        for symbol, part in week.symbols.items()
    ]
    path = tmp_path / "bars.parquet"
    pl.concat(tables).write_parquet(path)
    return path


@asynccontextmanager
async def the_command(*arguments: str | Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run it; kill it where the test has not ended it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "gaze.py", "exchange", *map(str, arguments), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(100):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.readline()


async def test_it_says_where_it_is_tells_the_file_and_ends_with_a_summary(bars: Path):
    async with the_command("--bars", bars, "--speed", "max", "--history", 160, "--json") as process:
        where = msgspec.json.decode(await line(process))
        assert where["rest"].partition("://")[2] == where["websocket"].partition("://")[2]
        async with websockets.connect(f"{where['websocket']}/ws/btcusdt@kline_1h") as connection:
            frames = [msgspec.json.decode(frame) async for frame in connection]
        assert sum(frame.get("k", {}).get("x", False) for frame in frames) == 8
        summary = msgspec.json.decode(await line(process))
        assert summary["frames"] == 24
        assert summary["closed_bars"] == 8 * 4
        assert await process.wait() == 0


async def test_held_it_stays_with_its_history_and_sigterm_ends_it_cleanly(bars: Path):
    arguments = ("--bars", bars, "--speed", "max", "--start", "0.99", "--subscribers", 0, "--hold")
    async with the_command(*arguments) as process:
        told = (await line(process)).decode().split()
        async with websockets.connect(f"{told[1]}/ws") as connection:
            process.send_signal(signal.SIGTERM)
            await connection.wait_closed()
            assert connection.close_code == 1001
        assert b"told " in await line(process)
        assert await process.wait() == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": "soon"}, "try: 2025-03-01T00:00 or 0.5"),
        ({"start": "2031-01-01"}, "the bars go from 2023-03-20T00:00 to 2023-03-27T00:00"),
        ({"start": "0.5", "history": 3}, "try: one of them"),
        ({"speed": "fast"}, "try: 3600"),
        ({"speed": "0"}, "try: 3600"),
        ({"close_delay_ms": "a..b"}, "try: 200..2000"),
        ({"fault": ["drip:1"]}, "try: drop:0.01"),
        ({"dialect": "bitstamp"}, "try: --dialect binance"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_some_that_do(bars: Path, changes: dict[str, object], message: str):
    with pytest.raises(UsageError, match=message):
        exchange(bars, **changes)  # type: ignore[arg-type]
