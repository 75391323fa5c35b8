"""Compose itself reads deploy/compose.yaml; then ours start as processes, by the commands that stand there."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from daemon.stores.embedded import server_binary

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy" / "compose.yaml"
GAZE = Path(sys.executable).with_name("gaze")


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """The services as Compose understands them."""
    compose = Path(sys.executable).with_name("docker-compose")
    done = subprocess.run(
        [compose, "--file", FILE, "config", "--format", "json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    return found


def test_the_services_are_all_that_a_living_dashboard_needs(services: dict[str, Any]):
    assert set(services) == {"exchange", "redis", "gaze", "prometheus", "alertmanager", "grafana"}


def test_a_service_starts_only_when_what_it_needs_is_healthy(services: dict[str, Any]):
    for service in services.values():
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy"
            assert "healthcheck" in services[needed] or services[needed]["image"].startswith("gazed")
    assert set(services["gaze"]["depends_on"]) == {"exchange", "redis"}


def test_nothing_listens_beyond_this_machine(services: dict[str, Any]):
    assert {port["host_ip"] for service in services.values() for port in service.get("ports", [])} == {"127.0.0.1"}
    assert "ports" not in services["redis"]


def test_what_is_ours_has_a_read_only_root_and_no_rights(services: dict[str, Any]):
    for name in ("gaze", "exchange"):
        assert services[name]["read_only"]
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]


def test_every_file_that_is_mounted_is_there_or_made_by_the_demo(services: dict[str, Any]):
    mounts = [mount for service in services.values() for mount in service.get("volumes", []) if mount["type"] == "bind"]
    for source in (Path(mount["source"]) for mount in mounts):
        assert source.exists() or source.parent == ROOT / "demo", source


def test_every_image_has_a_version(services: dict[str, Any]):
    assert all(":" in service["image"] and not service["image"].endswith(":latest") for service in services.values())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.slow
def test_the_services_commands_run_together_as_processes(
    services: dict[str, Any],
    tmp_path: Path,
    running: Callable[..., AbstractContextManager[Any]],
    until: Callable[..., None],
    answers: Callable[[str], bool],
):
    from bundles import a_bundle

    a_bundle(tmp_path / "bundle")
    shutil.copy(ROOT / "deploy" / "compose" / "gaze.toml", tmp_path / "gaze.toml")
    simulate = ("bars", "simulate", "--out", "bars.parquet", "--symbols", "12", "--bars", "2000")
    subprocess.run([GAZE, *simulate], cwd=tmp_path, check=True, capture_output=True)
    venue_port, redis_port, port = free_port(), free_port(), free_port()
    here = {"/demo/bars.parquet": "bars.parquet", "0.0.0.0": "127.0.0.1", "9443": str(venue_port)}
    exchange = [here.get(word, word) for word in services["exchange"]["command"]]
    where = {
        "feed.websocket_url": f"ws://127.0.0.1:{venue_port}",
        "feed.rest_url": f"http://127.0.0.1:{venue_port}",
        "store.url": f"redis://127.0.0.1:{redis_port}/0",
        "http.host": "127.0.0.1",
        "http.port": str(port),
    }
    changes = [word for key, value in where.items() for word in ("--set", f"{key}={value}")]
    store = [server_binary(), *services["redis"]["command"][1:], "--port", str(redis_port), "--dir", tmp_path]
    with running(tmp_path, GAZE, *exchange), running(tmp_path, *store):
        until(lambda: answers(f"http://127.0.0.1:{venue_port}/api/v3/time"), 30, "the exchange is healthy")
        with running(tmp_path, GAZE, "run", "gaze.toml", *changes) as daemon:
            until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), 60, "the daemon is ready")
        assert daemon.returncode == 0
