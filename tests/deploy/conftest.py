"""Debian's tools, the configuration that is deployed, and a daemon on a stand-in exchange to try it on."""

import json
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.running.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PATIENCE_S = 240
"""What takes longer hangs."""


@pytest.fixture(scope="session")
def deploy() -> Path:
    """The folder of everything that is deployed."""
    return DEPLOY


@pytest.fixture(scope="session")
def tool() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program of the system to its end; the test is skipped where it is not installed."""

    def run(name: str, *arguments: str | Path, seconds: float = PATIENCE_S) -> subprocess.CompletedProcess[str]:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not installed")
        return subprocess.run(
            [found, *map(str, arguments)], capture_output=True, text=True, timeout=seconds, check=False
        )

    return run


@pytest.fixture(scope="session")
def rules() -> dict[str, dict[str, Any]]:
    """Every rule by its name, an alert's or a record's."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((DEPLOY / "prometheus" / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                found[rule.get("alert") or rule["record"]] = rule
    return found


SYMBOLS = ("SIM01USDT", "SIM02USDT", "SIM03USDT")
GAZE = Path(sys.executable).with_name("gaze")


def until(met: Callable[[], bool], what: str | Callable[[], str]) -> None:
    """Ask again until it is so. Other programs' readiness can only be asked for."""
    pause, deadline = threading.Event(), time.monotonic() + PATIENCE_S
    while not met():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what if isinstance(what, str) else what()}"
        pause.wait(0.2)


def answer(url: str) -> Any:
    """JSON over HTTP."""
    with urllib.request.urlopen(url, timeout=60) as response:
        return json.load(response)


def answers(url: str) -> bool:
    """Whether there is a good answer."""
    try:
        with urllib.request.urlopen(url, timeout=60):
            return True
    except OSError:
        return False


@contextmanager
def running(folder: Path, *command: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A program that serves, ended by its own id."""
    with (folder / f"{Path(command[0]).name}-{command[1]}.log".replace("/", "_")).open("w") as log:
        process = subprocess.Popen(list(map(str, command)), cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)
        assert process.stdout is not None
        process.stdout.close()


def where(process: subprocess.Popen[str]) -> dict[str, str]:
    """Where a command of ours listens, as it says with --json."""
    assert process.stdout is not None
    told: dict[str, str] = json.loads(process.stdout.readline())
    return told


@pytest.fixture(scope="session", name="until")
def _until() -> Callable[..., None]:
    """Ask again until it is so."""
    return until


@pytest.fixture(scope="session", name="running")
def _running() -> Callable[..., Any]:
    """A program that serves, ended by its own id."""
    return running


@pytest.fixture(scope="session", name="answers")
def _answers() -> Callable[[str], bool]:
    """Whether there is a good answer."""
    return answers


@pytest.fixture(scope="session")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where a stand-in exchange listens that plays three simulated symbols, two hours a second."""
    folder = tmp_path_factory.mktemp("exchange")
    simulate = ("bars", "simulate", "--out", "bars.parquet", "--symbols", str(len(SYMBOLS)), "--bars", "20000")
    subprocess.run([GAZE, *simulate], cwd=folder, check=True, capture_output=True)
    replay = ("--bars", "bars.parquet", "--history", "400", "--speed", "7200", "--hold", "--json")
    with running(folder, GAZE, "exchange", *replay) as process:
        yield where(process)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)


@pytest.fixture(scope="session")
def served(exchange: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a daemon that serves a small watched model and a challenger on the stand-in exchange."""
    from bundles import WINDOW, a_bundle, rewritten
    from watched import reference_of, said

    from core.bundle import REFERENCE
    from core.reference import arrays
    from export.bundle import npz

    folder = tmp_path_factory.mktemp("served")
    small = a_bundle(folder / "small")
    reference = small.arrays(REFERENCE) | arrays(reference_of(small.manifest, said(24 * 30, steps=WINDOW)))
    for name, version in (("bundle", "1"), ("challenger", "2")):
        rewritten(small, folder / name, REFERENCE, lambda _: npz(reference), version=version)
    told: dict[str, dict[str, Any]] = {
        "bundle": {"path": "bundle", "challengers": ["challenger"]},
        "watch": {"groups": {"all": list(SYMBOLS)}},
        "feed": {"websocket_url": exchange["websocket"], "rest_url": exchange["rest"], "symbols": list(SYMBOLS)},
        "http": {"port": 0},
    }
    lines = [
        f"[{part}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in of.items()) for part, of in told.items()
    ]
    (folder / "gaze.toml").write_text("".join(lines))
    with running(folder, GAZE, "run", "gaze.toml", "--json") as process:
        url = where(process)["http"]
        until(lambda: answers(f"{url}/readyz"), "the daemon is ready")
        until(lambda: bool(answer(f"{url}/predictions.json")["predictions"]), "a prediction is out")
        yield url


class Prometheus:
    """A Prometheus that scrapes the daemon each second by our rules."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str) -> Any:
        """The data of an answer of its API."""
        return answer(self.url + path)["data"]

    def ask(self, query: str) -> list[Any]:
        """The series that a query has now."""
        found: list[Any] = self.get(f"/api/v1/query?{urllib.parse.urlencode({'query': query})}")["result"]
        return found


@pytest.fixture(scope="session")
def scraped(served: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A real Prometheus with our rules, once it has scraped the daemon for a while."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("prometheus is not installed")
    folder = tmp_path_factory.mktemp("prometheus")
    shutil.copytree(DEPLOY / "prometheus", folder, dirs_exist_ok=True)
    config = (folder / "prometheus.yml").read_text().replace("interval: 15s", "interval: 1s")
    (folder / "prometheus.yml").write_text(config)
    target = [{"targets": [served.removeprefix("http://")], "labels": {"clock": "replayed"}}]
    (folder / "targets" / "gaze.yml").write_text(yaml.safe_dump(target))
    port = free_port()
    storage = ("--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{port}")
    with running(folder, binary, *storage):
        prometheus = Prometheus(f"http://127.0.0.1:{port}")
        until(lambda: answers(f"{prometheus.url}/-/ready"), "Prometheus is ready")
        until(lambda: bool(prometheus.ask("rate(gaze_predictions_total[1m]) > 0")), "predictions were scraped twice")
        until(lambda: bool(prometheus.ask("gaze_challenger_closes > 1")), "a challenger was compared")
        # Everything is a rate of something: two turns of the rules after that.
        until(lambda: bool(prometheus.ask("gaze:attention_share_ratio:mean_2h >= 0")), "the rules ran")
        yield prometheus
