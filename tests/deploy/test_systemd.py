import shutil
import subprocess
from pathlib import Path

import pytest

from core import errors

HOME = Path(__file__).parents[2] / "deploy" / "systemd"
UNIT = HOME / "gazed.service"
ANALYZE = shutil.which("systemd-analyze")

with_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")


def settings() -> dict[str, list[str]]:
    """Every setting of the unit with all its values, in order."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def analyzed(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert ANALYZE
    return subprocess.run([ANALYZE, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_what_starting_again_cannot_help_is_not_started_again():
    (never,) = settings()["RestartPreventExitStatus"]
    codes = set(map(int, never.split()))
    assert codes == {errors.ConfigError.exit_code, errors.FencedError.exit_code}
    assert settings()["Restart"] == ["on-failure"]


def test_systemd_waits_for_ready_and_watches_the_daemon_itself():
    assert settings()["Type"] == ["notify"]
    assert settings()["NotifyAccess"] == ["main"]
    assert settings()["WatchdogSec"]


def test_sighup_reloads_and_a_newer_systemd_waits_for_it():
    assert settings()["ExecReload"] == ["/bin/sh -c 'kill -HUP $MAINPID'"]
    assert (HOME / "reload.conf").read_text().endswith("[Service]\nType=notify-reload\nExecReload=\n")


def test_numba_may_write_code_and_has_a_folder_to_keep_it():
    assert settings()["MemoryDenyWriteExecute"] == ["no"]
    (cache,) = settings()["CacheDirectory"]
    assert f"NUMBA_CACHE_DIR=%C/{cache}/numba" in settings()["Environment"]


def test_each_shard_has_settings_and_files_of_its_own():
    assert settings()["ExecStart"] == ["/opt/gaze/bin/gaze run /etc/gaze/%N.toml"]
    assert {settings()[of][0] for of in ("StateDirectory", "CacheDirectory", "SyslogIdentifier")} == {"%N"}


def test_a_password_reaches_the_daemon_as_a_credential_and_nowhere_else():
    lines = (HOME / "redis.conf").read_text().splitlines()
    assert "LoadCredential=redis-url:/etc/gaze/redis-url" in lines
    assert lines[-1] == settings()["ExecStart"][0].join(("ExecStart=", " --set store.url_file=%d/redis-url"))


def installed(folder: Path, name: str, *drop_ins: str) -> Path:
    """A root in which the unit is installed under this name with these drop-ins."""
    units = folder / "etc" / "systemd" / "system"
    (units / f"{name}.d").mkdir(parents=True)
    (units / name).write_text(UNIT.read_text())
    for drop_in in drop_ins:
        shutil.copy(HOME / drop_in, units / f"{name}.d")
    return folder


@pytest.mark.slow
@with_systemd
@pytest.mark.parametrize("name", ["gazed.service", "gazed@0.service"])
def test_systemd_understands_every_line(name: str, tmp_path: Path):
    root = installed(tmp_path, name)
    here = root / "etc" / "systemd" / "system" / name
    here.write_text(here.read_text().replace("/opt/gaze/bin/gaze", "/bin/true"))
    verified = analyzed("verify", "--man=no", "--recursive-errors=no", str(here))
    assert verified.returncode == 0, verified.stderr
    assert verified.stderr == ""


@pytest.mark.slow
@with_systemd
@pytest.mark.parametrize(("drop_ins", "tenths"), [((), 12), (("redis.conf",), 12), (("redis.conf", "gpu.conf"), 14)])
def test_the_service_is_exposed_no_more_than_it_says(drop_ins: tuple[str, ...], tenths: int, tmp_path: Path):
    root = installed(tmp_path, "gazed.service", *drop_ins)
    judged = analyzed(
        "security", "--offline=true", f"--root={root}", f"--threshold={tenths}", "--no-pager", "gazed.service"
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert "exposure 1.4" in (HOME / "gpu.conf").read_text()
