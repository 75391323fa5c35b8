"""Two machines as Ray sees them: network namespaces with an address each, a cable between, and no folder in common."""

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from runs import cut_parquet

from core.errors import ConfigError
from training.many.sweep import Tried

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

GAZE, RAY = (Path(sys.executable).with_name(name) for name in ("gaze", "ray"))
SWEEP = ("demo", "--trials", "8", "--at-once", "4", "--json")
CHANGES = ("optimiser.epochs=3", "optimiser.batch=64", "window.length=8", "model.options.hidden=8")
SPACE = '"model.options.hidden" = [4, 8, 16]\n"optimiser.learning_rate" = { low = 1e-4, high = 1e-1, log = true }\n'


class Machine:
    """A namespace with one address; what it runs sees the other machine alone."""

    def __init__(self, name: str, address: str, token: str) -> None:
        self.name = name
        self.address = address
        self.env = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "RAY_USAGE_STATS_ENABLED": "0"}
        self._running: list[subprocess.Popen[str]] = []

    def start(self, *command: object, **more: str) -> subprocess.Popen[str]:
        """Run a command on it; what it says comes through pipes."""
        pipe = subprocess.PIPE
        words = ["ip", "netns", "exec", self.name, *map(str, command)]
        process = subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, env=self.env | more)
        self._running.append(process)
        return process

    def join(self, *words: object, before: str = "true") -> None:
        """Start Ray on it, after this command."""
        told = ("start", "--block", "--node-ip-address", self.address, "--num-cpus", 1, *words)
        command = " ".join(map(str, (RAY, *told)))
        process = self.start("sh", "-c", f"{before} && exec {command} 2>&1")
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ray runtime started" in line:
                return
        pytest.fail("".join(said))

    def pids(self) -> list[int]:
        told = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True, check=False)
        return [int(pid) for pid in told.stdout.split()]

    def works(self) -> bool:
        """Whether a task of ours runs on it."""
        return any(b"ray::_attempt" in command_of(pid) for pid in self.pids())

    def kill(self) -> None:
        """All that runs on it, at once."""
        while pids := self.pids():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for process in self._running:
            process.communicate()


def command_of(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def ip(*words: str) -> bool:
    return subprocess.run(["ip", *words], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def machines() -> Iterator[list[Machine]]:
    """A head and another, of one core each, that form a cluster; to be joined from the head."""
    token = secrets.token_hex(32)
    head, other = (Machine(f"gaze-{os.getpid()}-{name}", f"10.77.0.{name}", token) for name in (1, 2))
    if not shutil.which("ip") or not ip("netns", "add", head.name):
        pytest.skip("no right to make network namespaces")
    folder = Path(tempfile.mkdtemp(prefix="gz"))  # short: sockets lie in it
    try:
        assert ip("netns", "add", other.name)
        assert ip(
            "link", "add", "eth0", "netns", head.name, "type", "veth", "peer", "name", "eth0", "netns", other.name
        )
        for one, beyond in ((head, other), (other, head)):
            assert ip("-n", one.name, "address", "add", f"{one.address}/24", "dev", "eth0")
            assert ip("-n", one.name, "link", "set", "eth0", "up")
            assert ip("-n", one.name, "link", "set", "lo", "up")
            # Ray finds its own address by the way out.
            assert ip("-n", one.name, "route", "add", "default", "via", beyond.address)
        head.join("--head", "--port", 6379, "--include-dashboard=false", "--temp-dir", folder)
        # The other one has a folder of its own under that name.
        other.join("--address", f"{head.address}:6379", before=f"mount -t tmpfs tmpfs {folder}")
        yield [head, other]
    finally:
        for one in (head, other):
            one.kill()
            ip("netns", "delete", one.name)
        shutil.rmtree(folder)


def trials(said: str) -> list[Tried]:
    """All but how long they took."""
    return [msgspec.structs.replace(one, seconds=0.0) for one in msgspec.json.decode(said, type=list[Tried])]


@pytest.fixture(scope="module")
def sweep(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The words of a sweep on real hours, but for where it writes."""
    folder = tmp_path_factory.mktemp("sweep")
    hours = shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet"
    bars = cut_parquet(hours, folder / "bars.parquet", ("BTCUSDT", "ETHUSDT"), 600)
    (folder / "space.toml").write_text(SPACE)
    changes = [word for change in CHANGES for word in ("--set", change)]
    return [str(GAZE), "sweep", *SWEEP, "--bars", str(bars), "--space", str(folder / "space.toml"), *changes]


def test_a_machine_is_lost_during_a_sweep_and_every_trial_is_what_one_process_gives(
    machines: list[Machine], sweep: list[str], tmp_path: Path
):
    head, other = machines
    spread = head.start(*sweep, "--out", tmp_path / "spread", "--on", f"{head.address}:6379")
    while not other.works():
        assert spread.poll() is None, spread.communicate()
    other.kill()
    said, lines = spread.communicate()
    assert spread.returncode == 0, lines
    alone = subprocess.run([*sweep, "--out", tmp_path / "alone"], capture_output=True, text=True, check=True)
    assert trials(said) == trials(alone.stdout)
    assert sorted(map(int, re.findall(r"trial +(\d+) of 8", lines))) == list(range(1, 9))


def test_a_cluster_that_does_not_know_us_says_so(machines: list[Machine], sweep: list[str], tmp_path: Path):
    stranger = machines[0].start(
        *sweep,
        *("--out", tmp_path / "sweep", "--on", "10.77.0.1:6379"),
        RAY_AUTH_MODE="disabled",
        RAY_NUM_REDIS_GET_RETRIES="1",
    )
    _, lines = stranger.communicate()
    assert stranger.returncode == ConfigError.exit_code
    assert "asks for a token; try: RAY_AUTH_MODE=token" in lines.replace("\n", " ")
