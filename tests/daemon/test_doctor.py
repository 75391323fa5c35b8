import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import redis.asyncio
from typer import Typer
from typer.testing import CliRunner

from benchmarks.running.ports import free_port
from daemon import clock, doctor
from daemon.clock import Clock
from daemon.doctor import Verdict
from daemon.doctor_cli import doctor as command
from daemon.stores.embedded import EmbeddedServer


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with EmbeddedServer(tmp_path / "state") as running:
        yield running


def invoked(*arguments: str) -> tuple[int, str]:
    app = Typer()
    app.command()(command)
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def distribution(folder: Path, name: str, version: str) -> None:
    """A distribution that is installed as far as its metadata goes."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_here_the_daemon_can_run_and_every_check_is_in_the_report(tmp_path: Path):
    status, told = invoked("--json", "--port", "0", "--state", str(tmp_path / "state"))
    checks = {check["name"]: check for check in json.loads(told)}
    assert status == 0, told
    assert set(checks) >= {"python", "package core", "package daemon", "engine", "GPU", "own store", "port", "disk"}
    assert {"clock", "processor"} <= set(checks)
    assert checks["own store"]["found"]
    assert {check["verdict"] for check in checks.values()} <= set(Verdict)


def test_for_people_it_is_a_table_with_marks(tmp_path: Path):
    status, told = invoked("--port", "0", "--state", str(tmp_path))
    assert status == 0
    assert "✓" in told
    assert "package daemon" in told


def test_both_engines_together_are_found_out_and_fail_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    distribution(tmp_path, "onnxruntime-gpu", "1.31.1")
    monkeypatch.syspath_prepend(str(tmp_path))
    check = doctor.engine()
    assert check.verdict is Verdict.MISSING
    assert "overwrite each other" in check.found
    assert "pip uninstall" in check.fix
    assert invoked("--port", "0")[0] == 1


def test_without_an_engine_it_says_which_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(PackageNotFoundError):
        doctor.importlib.metadata.version("onnxruntime")
    check = doctor.engine()
    assert check.verdict is Verdict.MISSING
    assert "gazed[cpu]" in check.fix


def test_a_foreign_package_of_our_name_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "export"]:
        monkeypatch.delitem(sys.modules, name)
    checks = {check.name: check for check in doctor.rooms()}
    assert checks["package export"].verdict is Verdict.MISSING
    assert checks["package export"].found == str(tmp_path / "export")
    assert "another package is called export" in checks["package export"].fix
    assert checks["package core"].verdict is Verdict.GOOD


def test_a_taken_port_is_found_and_a_free_one_too():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = taken.getsockname()[1]
        assert doctor.http_port("127.0.0.1", port).verdict is Verdict.ABSENT
    assert doctor.http_port("127.0.0.1", port).verdict is Verdict.GOOD


def test_a_folder_for_compiled_features_is_judged_by_whether_it_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "still" / "to" / "come"))
    assert doctor.numba_cache().verdict is Verdict.GOOD
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/proc/self/nothing")
    check = doctor.numba_cache()
    assert check.verdict is Verdict.ABSENT
    assert "NUMBA_CACHE_DIR" in check.fix


def looked_at(url: str) -> list[doctor.Check]:
    return list(doctor.answering(url, "0"))


async def test_a_redis_that_answers_is_told_with_its_version(server: EmbeddedServer):
    check, *_ = await asyncio.to_thread(looked_at, server.url)
    assert check.verdict is Verdict.GOOD
    assert "answers, version " in check.found


def test_a_redis_that_is_away_fails_it_without_telling_its_password(tmp_path: Path):
    status, told = invoked("--json", "--port", "0", "--redis", f"unix://gaze:hunter2@{tmp_path}/none.sock")
    assert status == 1
    assert "hunter2" not in told
    checks = {check["name"]: check for check in json.loads(told)}
    assert checks["store"]["verdict"] == "missing"
    assert "redis-cli" in checks["store"]["fix"]


async def test_a_store_that_evicts_fails_it_and_one_that_forgets_is_said(server: EmbeddedServer):
    assert [check.verdict for check in await asyncio.to_thread(looked_at, server.url)] == [Verdict.GOOD] * 3
    async with redis.asyncio.Redis.from_url(server.url) as client:
        await client.config_set("maxmemory-policy", "allkeys-lru")
        await client.config_set("appendonly", "no")
    _, evicts, keeps = await asyncio.to_thread(looked_at, server.url)
    assert (evicts.verdict, keeps.verdict) == (Verdict.MISSING, Verdict.ABSENT)
    assert "noeviction" in evicts.fix


def test_a_clock_that_nothing_keeps_right_is_said():
    assert doctor.right_time(Clock(synchronised=True, error_s=0.02)).verdict is Verdict.GOOD
    assert doctor.right_time(Clock(synchronised=False, error_s=16.0)).verdict is Verdict.ABSENT
    assert doctor.right_time(None).verdict is Verdict.UNCHECKED


def test_the_kernel_tells_of_its_clock_or_nothing():
    told = clock.read()
    assert told is None or told.error_s >= 0


@pytest.mark.parametrize(
    ("cpuinfo", "verdict"),
    [
        ("flags : fpu avx avx2 fma\n", Verdict.GOOD),
        ("flags : fpu avx\n", Verdict.ABSENT),
        ("Features : asimd\n", Verdict.UNCHECKED),
    ],
)
def test_a_processor_without_avx2_is_said(tmp_path: Path, cpuinfo: str, verdict: Verdict):
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert doctor.processor(tmp_path / "cpuinfo").verdict is verdict


def test_what_settings_need_is_looked_at(tmp_path: Path):
    text = '[bundle]\npath = "none"\n[feed]\nsymbols = ["BTCUSDT"]\n[http]\nport = 0\n'
    (tmp_path / "gaze.toml").write_text(text)
    status, told = invoked(str(tmp_path / "gaze.toml"), "--json")
    assert status == 1
    checks = {check["name"]: check for check in json.loads(told)}
    assert checks["bundle"]["verdict"] == "missing"
    assert str(tmp_path / "none") in checks["bundle"]["found"]
    assert str(tmp_path) in checks["disk"]["found"]


def test_disk_space_is_that_of_where_the_state_will_be(tmp_path: Path):
    check = doctor.disk(tmp_path / "not" / "there" / "yet")
    assert str(tmp_path) in check.found
    assert check.verdict in (Verdict.GOOD, Verdict.MISSING)


def test_no_graphics_driver_is_no_failure():
    if Path("/proc/driver/nvidia/version").exists():
        pytest.skip("this machine has an NVIDIA driver")
    assert doctor.gpu().verdict is Verdict.ABSENT
