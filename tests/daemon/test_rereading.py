"""SIGHUP to a daemon that runs: settings are read again, a wrong file changes nothing, and systemd hears of both."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bundles import a_bundle
from venues import Venue

GAZE = Path(sys.executable).with_name("gaze")
PATIENCE_S = 100


class Manager:
    """The end of the socket that systemd holds."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(0)

    async def until(self, word: str) -> str:
        """The first thing said that begins so, from now on."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                said = (await asyncio.get_running_loop().sock_recv(self.socket, 4096)).decode()
                if said.startswith(word):
                    return said


class Daemon:
    """A daemon as a process, and its settings."""

    def __init__(self, settings: Path, manager: Manager, process: asyncio.subprocess.Process) -> None:
        self.settings = settings
        self.manager = manager
        self.process = process

    async def rereads(self, **changes: str) -> str:
        """Its status after the settings were changed and SIGHUP was sent."""
        text = self.settings.read_text()
        for before, after in changes.items():
            assert before in text
            text = text.replace(before, after)
        self.settings.write_text(text)
        self.process.send_signal(signal.SIGHUP)
        reloading = await self.manager.until("RELOADING=1")
        assert int(reloading.split("MONOTONIC_USEC=")[1]) > 0
        return (await self.manager.until("READY=1")).split("STATUS=")[1]


@pytest.fixture
async def daemon(venue: Venue, tmp_path: Path) -> AsyncIterator[Daemon]:
    a_bundle(tmp_path / "bundle")
    settings = tmp_path / "gaze.toml"
    settings.write_text(f"""
[bundle]
path = "bundle"
[feed]
symbols = ["BTCUSDT"]
websocket_url = "{venue.websocket_url}"
rest_url = "{venue.rest_url}"
[http]
port = 0
[log]
level = "warning"
""")
    manager = Manager(tmp_path / "notify")
    with (tmp_path / "log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            GAZE,
            "run",
            settings,
            env=os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=log,
        )
    try:
        await manager.until("READY=1")
        yield Daemon(settings, manager, process)
        process.terminate()
        async with asyncio.timeout(PATIENCE_S):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        manager.socket.close()


def logged(folder: Path) -> list[str]:
    return [json.loads(line)["message"] for line in (folder / "log").read_text().splitlines()]


async def test_sighup_takes_the_log_s_level_names_what_waits_for_a_restart_and_refuses_a_wrong_file(
    daemon: Daemon, tmp_path: Path
):
    assert (await daemon.rereads(warning="info")).endswith("; settings read again")
    assert "the settings were read again" in logged(tmp_path)
    assert (await daemon.rereads(BTCUSDT="ETHUSDT")).endswith("read again; feed.symbols wait for a restart")
    assert (await daemon.rereads(symbols="symbol")).endswith("the settings are wrong, those before hold")
    assert "did you mean 'symbols'?" in (tmp_path / "log").read_text()
    assert (await daemon.rereads(symbol="symbols", ETHUSDT="BTCUSDT")).endswith("; settings read again")
