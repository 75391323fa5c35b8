"""docs/how-to/systemd.md, word for word, under a booted systemd, in which the daemon is killed, wedged and reloaded."""

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

from benchmarks.running.ports import free_port
from core.prediction import Message

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "systemd.md"
SECURITY = ROOT / "docs" / "how-to" / "security.md"
RIGHTS = ROOT / "docs" / "reference" / "redis.md"
SYSTEM = "systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates,redis-server,curl,jq,iproute2"
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
        inside = ("sh", "-ec", f"cd /root/user; export PIP_FIND_LINKS=/root/wheels\n{script}")
        done = subprocess.run([*self._enter, "--", *inside], capture_output=True, text=True, timeout=900, check=False)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def journal(self) -> str:
        """All that the service has said, and systemd of it."""
        return self.do("journalctl --sync; journalctl -u gazed -o cat --no-pager")

    def shows(self, name: str) -> str:
        """A property of the service."""
        return self.do(f"systemctl show --value -p {name} gazed")


def words(page: Path, before: str, number: int = 0) -> str:
    """The commands of a page: of the blocks that come after some words, the one with this number."""
    rest = page.read_text().split(before, 1)[1]
    return re.findall(r"\n\n((?:    .+\n)+)", rest)[number]


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
    # Long enough for a daemon that only waits for its turn.
    patience.write_text("[Service]\nTimeoutStopSec=5min\nWatchdogSec=15s\nRestartSec=1s\n")
    seen = [f"--bind-ro={path}" for path in SEEN_INSIDE if Path(path).exists()]
    booted = ("--quiet", f"--directory={root}", "--boot", "--register=no", "--keep-unit", "--console=pipe", *seen)
    with subprocess.Popen([nspawn, *booted], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            until(lambda: any(map(_is_up, _children(process.pid))), "systemd answers")
            yield Machine(root, next(filter(_is_up, _children(process.pid))))
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=240)
        finally:
            process.kill()


def _children(pid: int) -> list[int]:
    """The first child of nspawn only makes the machine's rooms, and ends; the next one is its systemd."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_up(init: int) -> bool:
    asked = ["nsenter", "--target", str(init), "--mount", "--pid", "--", "systemctl", "is-system-running"]
    said = subprocess.run(asked, capture_output=True, text=True, timeout=240, check=False).stdout.strip()
    return said in {"running", "degraded"}


def times(machine: Machine, folder: Path) -> dict[str, list[int]]:
    """When the bars of all published predictions opened, by symbol, in the order of publishing."""
    # The path of a socket must be short.
    near = folder / "s"
    near.unlink(missing_ok=True)
    near.symlink_to(machine.root / "var" / "lib" / "private" / "gazed" / "store" / "redis.sock")
    found: dict[str, list[int]] = defaultdict(list)
    with redis.Redis(unix_socket_path=str(near)) as client:
        try:
            entries: Any = client.xrange("gaze:{0}:predictions:demo")
        except redis.ConnectionError:  # it starts
            return {}
    for _, fields in entries:
        prediction = msgspec.json.decode(fields[b"message"], type=Message).prediction
        found[prediction.symbol].append(prediction.opened_at_ms)
    return found


class Stream:
    """What a daemon has published to its own store."""

    def __init__(self, machine: Machine, folder: Path, until: Callable[..., None]) -> None:
        self._machine, self.folder, self._until = machine, folder, until

    def newest_ms(self) -> int:
        """The newest bar that every symbol was predicted at."""
        return min(map(max, times(self._machine, self.folder).values()), default=0)

    def goes_on(self) -> None:
        """Wait until bars that closed after now have been predicted: their windows reach over what was before."""
        self._until(lambda: self.newest_ms() > 0, "the store answers")
        since_ms = self.newest_ms()
        self._until(lambda: self.newest_ms() > since_ms + 4 * HOUR_MS, "predictions go on")

    def is_whole(self) -> None:
        """Wait until no bar between the first and the last is missing; none was predicted twice."""
        self._until(self._has_no_hole, "no symbol has a hole")

    def _has_no_hole(self) -> bool:
        said = times(self._machine, self.folder)
        for symbol, opened_at_ms in said.items():
            assert len(set(opened_at_ms)) == len(opened_at_ms), f"{symbol} was predicted twice"
        steps = [later - earlier for one in said.values() for earlier, later in pairwise(sorted(one))]
        return set(steps) == {HOUR_MS}


@pytest.fixture(scope="module")
def installed(machine: Machine) -> Machine:
    """The machine on which the page's first commands have been run."""
    machine.do(words(PAGE, "As root:"))
    assert machine.shows("SubState") == "running", "systemctl start ends when it is ready"
    return machine


@pytest.fixture
def stream(installed: Machine, tmp_path: Path, until: Callable[..., None]) -> Stream:
    return Stream(installed, tmp_path, until)


def test_the_page_installs_a_daemon_that_survives_being_killed_and_wedged_without_a_hole(
    installed: Machine, stream: Stream, until: Callable[..., None], answers: Callable[[str], bool]
):
    machine = installed
    until(lambda: answers(f"http://127.0.0.1:{PORT}/readyz"), "the windows that were joined are full")
    until(lambda: "serving" in machine.shows("StatusText"), "it says that it serves")
    stream.goes_on()
    for harm in ("KILL", "STOP"):
        before, starts = machine.shows("MainPID"), machine.shows("NRestarts")
        machine.do(f"systemctl kill --kill-whom=main --signal=SIG{harm} gazed")
        until(lambda starts=starts: machine.shows("NRestarts") != starts, f"it starts again after {harm}")
        until(lambda: machine.shows("SubState") == "running", f"it is ready again after {harm}")
        assert machine.shows("MainPID") != before
        stream.goes_on()
        stream.is_whole()
    assert "watchdog" in machine.journal().lower()


def test_reload_takes_what_needs_no_restart_and_a_wrong_file_changes_nothing(
    installed: Machine, stream: Stream, until: Callable[..., None]
):
    machine = installed
    before, settings = machine.shows("MainPID"), "/etc/gaze/gazed.toml"
    reload = words(PAGE, "## Change settings while it runs")
    machine.do(f"cp {settings} kept.toml; printf '[log]\\nlevel = \"debug\"\\n' >> {settings}\n{reload}")
    until(lambda: "settings read again" in machine.shows("StatusText"), "the level of the log is taken")
    machine.do(f"sed -i 's/symbols/symbol/' {settings}\n{reload}")
    until(lambda: "settings are wrong" in machine.shows("StatusText"), "the wrong file is refused")
    machine.do(f"cp kept.toml {settings}\n{reload}")
    until(lambda: "settings read again" in machine.shows("StatusText"), "the right one is taken")
    assert (machine.shows("MainPID"), machine.shows("SubState")) == (before, "running")
    stream.goes_on()
    stream.is_whole()


def test_the_store_is_backed_up_and_restored_without_a_hole(installed: Machine, stream: Stream):
    machine = installed
    stream.goes_on()
    machine.do(words(PAGE, "## Back up and restore the store"))
    stream.goes_on()
    first_ms = min(map(min, times(machine, stream.folder).values()))
    machine.do(words(PAGE, "## Back up and restore the store", 1))
    stream.goes_on()
    stream.is_whole()
    assert min(map(min, times(machine, stream.folder).values())) == first_ms, "what was before the backup is there"


def test_an_upgrade_and_its_rollback_leave_no_hole(installed: Machine, stream: Stream):
    machine = installed
    version = machine.do("/opt/gaze/bin/python -c 'import core; print(core.__version__)'")
    for number, gone_to in enumerate(("NEW", "OLD")):
        step = words(PAGE, "## Upgrade and roll back", number)
        machine.do(step.replace("==NEW", f"=={version}"))
        assert machine.do("readlink /opt/gaze") == f"/opt/gaze-{gone_to}"
        assert machine.shows("SubState") == "running"
        stream.goes_on()
        stream.is_whole()


def test_every_command_that_looks_into_it_runs(installed: Machine):
    """What the runbooks, the page and the security page have one look at; a search may find nothing."""
    looks = [words(PAGE, "Then:"), words(SECURITY, "## Check an installation")]
    for page in (ROOT / "docs" / "runbooks").glob("*.md"):
        looks += re.findall(r"\n\n((?:    .+\n)+)", page.read_text())
    lines = {line.strip() for block in looks for line in block.splitlines()}
    assert len(lines) > 8
    for line in sorted(lines):
        installed.do(f"({line}\n) || [ $? = 1 ]")


EDITOR = """#!/bin/sh
echo "redis://gaze:$(cat /root/user/password)@127.0.0.1:{port}/0" > "$1"
"""


def test_a_redis_with_a_password_is_used_and_the_password_is_changed(installed: Machine, until: Callable[..., None]):
    machine, port = installed, free_port()
    editor = machine.root / "usr" / "local" / "bin" / "editor"
    editor.write_text(EDITOR.format(port=port))
    editor.chmod(0o755)
    machine.do(f"redis-server --port {port} --daemonize yes --dir /tmp --save '' --maxmemory-policy noeviction")
    cli = f"redis-cli -p {port}"
    until(lambda: machine.do(f"{cli} ping 2>&1 || true") == "PONG", "the Redis answers")
    rights = " ".join(words(RIGHTS, "## Least rights").split()).replace(">PASSWORD", ">OLD")
    machine.do(f"{cli} {rights.replace('>', chr(92) + '>').replace('|', chr(92) + '|').replace('&', chr(92) + '&')}")
    machine.do(f"printf OLD > password\n{words(PAGE, '## A Redis with a password')}")

    def length() -> int:
        return int(machine.do(f"{cli} xlen 'gaze:{{0}}:predictions:demo'"))

    until(lambda: length() > 0, "predictions reach the Redis")
    changed = words(SECURITY, "## Rotate the Redis password").replace("redis-cli", cli)
    machine.do(f"printf NEW > password\n{changed}")
    said = length()
    until(lambda: length() > said, "predictions go on with the new password")
    assert "WRONGPASS" in machine.do(f"{cli} --user gaze --pass OLD ping 2>&1")
    for secret in ("OLD", "NEW"):
        assert f"gaze:{secret}@" not in machine.journal()
    machine.do("rm /etc/systemd/system/gazed.service.d/redis.conf; systemctl daemon-reload")
    machine.do(f"{cli} shutdown nosave")


def test_a_wrong_setting_is_not_started_again_and_stop_ends_in_order(installed: Machine, until: Callable[..., None]):
    machine = installed
    machine.do("systemctl stop gazed")
    assert machine.shows("Result") == "success"
    machine.do("sed -i 's/symbols/symbol/' /etc/gaze/gazed.toml; systemctl start gazed || true")
    until(lambda: machine.shows("ActiveState") == "failed", "it gives up")
    assert machine.shows("ExecMainStatus") == "78"
    assert machine.shows("NRestarts") == "0"
    assert "did you mean 'symbols'?" in machine.journal()
