import shutil
import subprocess
from pathlib import Path

import pytest

from core import errors

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "gazed.service"
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


def test_numba_may_write_code_and_has_a_folder_to_keep_it():
    assert settings()["MemoryDenyWriteExecute"] == ["no"]
    (cache,) = settings()["CacheDirectory"]
    assert f"NUMBA_CACHE_DIR=/var/cache/{cache}/numba" in settings()["Environment"]


@pytest.mark.slow
@with_systemd
def test_systemd_understands_every_line(tmp_path: Path):
    here = tmp_path / UNIT.name
    here.write_text(UNIT.read_text().replace("/opt/gaze/bin/gaze", "/bin/true"))
    verified = analyzed("verify", "--man=no", "--recursive-errors=no", str(here))
    assert verified.returncode == 0, verified.stderr
    assert verified.stderr == ""


@pytest.mark.slow
@with_systemd
def test_the_service_is_exposed_to_at_most_one_and_a_half_of_ten():
    judged = analyzed("security", "--offline=true", "--threshold=15", "--no-pager", str(UNIT))
    assert judged.returncode == 0, judged.stdout + judged.stderr
