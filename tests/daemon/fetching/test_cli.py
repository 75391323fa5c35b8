"""`gaze bars fetch` as a process of its own, at a stand-in exchange."""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
from venues import Venue

from core import barfile
from core.barfile import BarFile
from daemon.exchange.clock import VenueClock
from daemon.exchange.dialects import dialect
from daemon.exchange.market import Market
from daemon.exchange.server import Exchange

ROOT = Path(__file__).resolve().parents[3]


async def fetch(*arguments: str | Path, out: Path) -> tuple[int | None, str, str]:
    command = (sys.executable, "gaze.py", "bars", "fetch", *map(str, arguments), "--out", str(out))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(100):
        told, complained = await process.communicate()
    return process.returncode, told.decode(), complained.decode()


async def test_it_fetches_extends_and_says_so(span: Callable[[str], BarFile], tmp_path: Path):
    market = Market(span("binance"))
    clock = VenueClock(market.first_ms + 100 * market.interval.ms)
    out = tmp_path / "bars.parquet"
    async with Exchange(market, dialect("binance", market), clock) as exchange:
        asked = ("--venue", "binance", "--rest-url", exchange.rest_url, "--symbols", "btcusdt,ETHUSDT")
        status, told, complained = await fetch(*asked, "--since", "2d", out=out)
        assert (status, complained) == (0, "")
        assert told.startswith(f"{out}: 96 bars, 96 of them fetched now in 2 requests\nnext: gaze bars check")
        await clock.reach(market.first_ms + 103 * market.interval.ms)
        status, told, _ = await fetch(*asked, "--since", "2023-03-22", "--json", out=out)
        assert status == 0
        report = msgspec.json.decode(told)
        assert (report["bars"], report["fetched"]["bars"]) == (102 + 6, 6 + 6)
        status, _, complained = await fetch(*asked, "--since", "soon", out=out)
        assert (status, "try: 2025-03-01" in complained) == (64, True)
        status, _, complained = await fetch(*asked, "--interval", "7m", "--since", "2d", out=tmp_path / "none")
        assert (status, "has no bars of 7m" in complained) == (78, True)
        asked = ("--venue", "binance", "--rest-url", exchange.rest_url, "--symbols", "NOPE,ETHUSDT")
        status, _, complained = await fetch(*asked, "--since", "2023-03-22", out=out)
        assert (status, "Invalid symbol" in complained) == (65, True)
    fetched = barfile.read(out)
    assert {symbol: len(part.rows) for symbol, part in fetched.symbols.items()} == {"BTCUSDT": 54, "ETHUSDT": 54}


async def test_interrupted_it_says_how_to_go_on(venue: Venue, tmp_path: Path):
    venue.turn_to(100)
    venue.history_open.clear()
    asked = ("--venue", "binance", "--symbols", "BTCUSDT", "--since", "2d", "--rest-url", venue.rest_url)
    command = (sys.executable, "gaze.py", "bars", "fetch", *asked, "--out", str(tmp_path / "bars.parquet"))
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=asyncio.subprocess.PIPE)
    await venue.next_question()
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(100):
        _, complained = await process.communicate()
    assert process.returncode == 130
    assert b"try: the same command, which goes on from there" in complained
