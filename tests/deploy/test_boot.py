"""docs/how-to/systemd.md, word for word, under a booted systemd; then the daemon is killed, wedged and stopped."""

import re
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from core.prediction import Message

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "systemd.md"
SYSTEM = "systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates"
# What pip needs to reach this machine's package index from inside.
SEEN_INSIDE = ("/etc/ssl/certs", "/etc/pip.conf", "/usr/local/share/ca-certificates")
HOUR_MS = 3_600_000
PORT = 9464


class Machine:
    """A booted Debian in a folder, on this machine's network. `pid`: its systemd, seen from outside."""

    def __init__(self, root: Path, pid: int) -> None:
        self.root = root
        self._enter = ["nsenter", "--target", str(pid), "--mount", "--pid", "--uts", "--ipc", "--cgroup"]

    def do(self, script: str) -> str:
        """Run a script as root, in the folder that holds what a user has."""
        inside = ("sh", "-ec", f"cd /root/user; export PIP_FIND_LINKS=/root/wheels; {script}")
        done = subprocess.run([*self._enter, "--", *inside], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def shows(self, name: str) -> str:
        """A property of the service."""
        return self.do(f"systemctl show --value -p {name} gazed")


def words_of_the_page() -> str:
    """The commands that install, as the page has them."""
    block = re.search(r"As root:\n\n((?:    .+\n)+)", PAGE.read_text())
    assert block
    return block[1]


def settings_of_the_page() -> str:
    """The settings file, as the page has it."""
    return re.findall(r"```toml\n(.+?)```", PAGE.read_text(), re.DOTALL)[0]


@pytest.fixture(scope="module")
def machine(
    tmp_path_factory: pytest.TempPathFactory, until: Callable[..., None], exchange: Mapping[str, str]
) -> Iterator[Machine]:
    """A machine on which nothing is installed but Debian, with a user's bundle, settings and the project's files."""
    from bundles import a_bundle

    nspawn, mmdebstrap = shutil.which("systemd-nspawn"), shutil.which("mmdebstrap")
    if nspawn is None or mmdebstrap is None:
        pytest.skip("systemd-nspawn or mmdebstrap is not installed")
    root = tmp_path_factory.mktemp("machine") / "root"
    subprocess.run([mmdebstrap, "--quiet", "--variant=minbase", f"--include={SYSTEM}", "bookworm", root], check=True)
    user = root / "root" / "user"
    user.mkdir(parents=True)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        root / "root" / "wheels",
        ROOT,
    ]
    subprocess.run(build, check=True)
    a_bundle(user / "bundle")
    shutil.copytree(ROOT / "deploy" / "systemd", user / "deploy" / "systemd")
    venue = f'websocket_url = "{exchange["websocket"]}"\nrest_url = "{exchange["rest"]}"\n'
    settings = settings_of_the_page().replace('"BTCUSDT", "ETHUSDT"', '"SIM01USDT", "SIM02USDT"')
    (user / "gazed.toml").write_text(settings.replace("[feed]\n", f"[feed]\n{venue}"))
    patience = root / "etc" / "systemd" / "system" / "gazed.service.d" / "test.conf"
    patience.parent.mkdir()
    patience.write_text("[Service]\nWatchdogSec=5s\nRestartSec=1s\n")
    seen = [f"--bind-ro={path}" for path in SEEN_INSIDE if Path(path).exists()]
    booted = ("--quiet", f"--directory={root}", "--boot", "--register=no", "--keep-unit", "--console=pipe", *seen)
    with subprocess.Popen([nspawn, *booted], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: bool(children.read_text().split()), 30, "the machine boots")
        init = int(children.read_text().split()[0])
        until(lambda: (root / "run").is_dir() and _is_up(init), 60, "systemd answers")
        yield Machine(root, init)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=90)


def _is_up(init: int) -> bool:
    asked = ["nsenter", "--target", str(init), "--mount", "--pid", "--", "systemctl", "is-system-running"]
    said = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False).stdout.strip()
    return said in {"running", "degraded"}


def times(machine: Machine, folder: Path) -> dict[str, list[int]]:
    """When the bars of all published predictions opened, by symbol, in the order of publishing."""
    # The path of a socket must be short.
    near = folder / "s"
    near.unlink(missing_ok=True)
    near.symlink_to(machine.root / "var" / "lib" / "private" / "gazed" / "store" / "redis.sock")
    found: dict[str, list[int]] = defaultdict(list)
    with redis.Redis(unix_socket_path=str(near)) as client:
        entries: Any = client.xrange("gaze:{0}:predictions:demo")
    for _, fields in entries:
        prediction = msgspec.json.decode(fields[b"message"], type=Message).prediction
        found[prediction.symbol].append(prediction.opened_at_ms)
    return found


def test_the_page_installs_a_daemon_that_survives_being_killed_and_wedged_without_a_hole(
    machine: Machine, until: Callable[..., None], answers: Callable[[str], bool], tmp_path: Path
):
    machine.do(words_of_the_page())
    assert machine.shows("SubState") == "running", "systemctl start ends when it is ready"
    until(lambda: answers(f"http://127.0.0.1:{PORT}/readyz"), 10, "the windows that were joined are full")
    assert "serving" in machine.shows("StatusText")
    for number, harm in enumerate(("KILL", "STOP"), start=1):
        before = machine.shows("MainPID")
        machine.do(f"systemctl kill --kill-whom=main --signal=SIG{harm} gazed")
        until(lambda so_many=number: machine.shows("NRestarts") == str(so_many), 30, f"it starts again after {harm}")
        until(lambda: machine.shows("SubState") == "running", 60, f"it is ready again after {harm}")
        assert machine.shows("MainPID") != before
    assert "watchdog" in machine.do("journalctl -u gazed -o cat --no-pager").lower()
    until(lambda: min(map(len, times(machine, tmp_path).values())) > 20, 60, "predictions after the last start")
    for symbol, opened_at_ms in times(machine, tmp_path).items():
        assert len(set(opened_at_ms)) == len(opened_at_ms), f"{symbol} was predicted twice"
        ordered = sorted(opened_at_ms)
        steps = {later - earlier for earlier, later in pairwise(ordered)}
        assert steps == {HOUR_MS}, f"{symbol} has a hole"


def test_a_wrong_setting_is_not_started_again_and_stop_ends_in_order(machine: Machine, until: Callable[..., None]):
    machine.do("systemctl stop gazed")
    assert machine.shows("Result") == "success"
    machine.do("sed -i 's/symbols/symbol/' /etc/gaze/gazed.toml; systemctl start gazed || true")
    until(lambda: machine.shows("ActiveState") == "failed", 30, "it gives up")
    assert machine.shows("ExecMainStatus") == "78"
    assert machine.shows("NRestarts") == "0"
    assert "did you mean 'symbols'?" in machine.do("journalctl -u gazed -o cat --no-pager")
