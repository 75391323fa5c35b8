"""Commands as users run them: the installed `gaze`, real sockets, a real server."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from crashes import Stage, a_scene

GAZE = Path(sys.executable).with_name("gaze")
EDGE = Path(os.environ.get("GAZE_TEST_EDGE", GAZE))
"""The `gaze` that does what an edge box does: another Python's, for tests/pythons.py."""


def _program(command: str) -> Path:
    return EDGE if command in {"run", "replay"} else GAZE


class Gaze:
    """Runs commands in one folder."""

    command = GAZE
    edge = EDGE

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str) -> str:
        """A command to its end; its output. A failure fails the test with what it said."""
        done = subprocess.run(
            [_program(arguments[0]), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, f"gaze {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @contextmanager
    def serving(self, *arguments: str) -> Iterator["Serving"]:
        """A command that serves, ended by its own id when the test is done with it."""
        with (self.folder / f"{arguments[0]}.log").open("a") as log:
            process = subprocess.Popen(
                [_program(arguments[0]), *arguments],
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("{"), (self.folder / f"{arguments[0]}.log").read_text()
            yield Serving(process, json.loads(line))
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(timeout=100)
            process.stdout.close()


class Serving:
    """A running command and where it listens."""

    def __init__(self, process: subprocess.Popen[str], listens: dict[str, str]) -> None:
        self.process = process
        self.listens = listens

    def ended(self, seconds: float = 240) -> int:
        """Its exit status, once it ends by itself."""
        return self.process.wait(timeout=seconds)

    def stop(self) -> int:
        """Its exit status after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=200)


def _config(listens: dict[str, str], symbols: Sequence[str], **store: str) -> str:
    """A daemon's settings for a stand-in exchange."""
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in ({"directory": "state"} | store).items())
    return f"""
[bundle]
path = "bundle"
[feed]
websocket_url = "{listens["websocket"]}"
rest_url = "{listens["rest"]}"
symbols = {json.dumps(list(symbols))}
[store]
{lines}
[http]
port = 0
"""


@pytest.fixture
def an_empty_folder(tmp_path: Path) -> Gaze:
    """Commands in a folder where nothing is yet."""
    return Gaze(tmp_path)


@pytest.fixture(scope="session")
def config_for() -> Callable[..., str]:
    """Writes a daemon's settings for a stand-in exchange."""
    return _config


@pytest.fixture(scope="session")
def gaze_in() -> Callable[[Path], Gaze]:
    """Commands run in a folder."""
    return Gaze


@pytest.fixture(scope="session")
def real_bundle(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Gaze:
    """A folder with three months of real hourly bars of 20 symbols and a bundle trained on the first two."""
    from datetime import UTC, datetime

    import polars as pl

    gaze = Gaze(tmp_path_factory.mktemp("real"))
    bars = pl.read_parquet(shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet")
    bars.filter(pl.col("ts") >= datetime(2025, 4, 1, tzinfo=UTC)).write_parquet(gaze.folder / "bars.parquet")
    small = ["model.options.hidden=16", "optimiser.epochs=1", "data.features=btc_3"]
    changes = [word for change in small for word in ("--set", change)]
    gaze.run("train", "bitcoin_hourly", "--bars", "bars.parquet", "--out", "run", *changes)
    gaze.run("export", "run", "--out", "bundle", "--name", "real")
    return gaze


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Stage:
    """Nine days of 20 symbols, and the record of a run over them that nothing disturbed."""
    scene = a_scene(tmp_path_factory.mktemp("crash"), shared_data, days=9)
    return Stage(scene, asyncio.run(scene.undisturbed()))
