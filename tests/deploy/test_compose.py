"""Compose itself reads deploy/compose.yaml; then ours start as processes, by the commands that stand there."""

import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.running.ports import free_port
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


@pytest.mark.slow
@pytest.mark.timeout(1_200)
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
        until(lambda: answers(f"http://127.0.0.1:{venue_port}/api/v3/time"), "the exchange is healthy")
        with running(tmp_path, GAZE, "run", "gaze.toml", *changes) as daemon:
            until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "the daemon is ready")
            with watching(tmp_path, services, port, running, until, answers) as prometheus:
                until(lambda: up(prometheus) == {"127.0.0.1", "localhost"}, "the daemon is scraped")
        assert daemon.returncode == 0


def up(prometheus: str) -> set[str]:
    """The hosts that Prometheus reaches."""
    targets = answer(f"{prometheus}/api/v1/targets")["data"]["activeTargets"]
    return {one["labels"]["instance"].partition(":")[0] for one in targets if one["health"] == "up"}


@contextmanager
def watching(
    folder: Path,
    services: dict[str, Any],
    port: int,
    running: Callable[..., AbstractContextManager[Any]],
    until: Callable[..., None],
    answers: Callable[[str], bool],
) -> Iterator[str]:
    """Prometheus and Alertmanager by the commands and files of the services, every second; Prometheus' address."""
    prometheus, alertmanager = shutil.which("prometheus"), shutil.which("prometheus-alertmanager")
    if prometheus is None or alertmanager is None:
        pytest.skip("prometheus or prometheus-alertmanager is not installed")
    files, watch_port, alert_port = folder / "etc", free_port(), free_port()
    shutil.copytree(ROOT / "deploy" / "prometheus", files)
    shutil.copytree(ROOT / "deploy" / "compose" / "targets", files / "targets", dirs_exist_ok=True)
    ports = {"gaze:9464": port, "alertmanager:9093": alert_port, "localhost:9090": watch_port}
    for path in (files / "prometheus.yml", *(files / "targets").iterdir()):
        text = path.read_text().replace("interval: 15s", "interval: 1s")
        for name, real in ports.items():
            host = "localhost" if name.startswith("localhost") else "127.0.0.1"
            text = text.replace(name, f"{host}:{real}")
        path.write_text(text)
    here = {"/etc/prometheus": files, "/etc/alertmanager": files, "=/prometheus": "=tsdb", "=/alertmanager": "=alerts"}

    def command(service: str, program: str, at: int) -> list[str]:
        words = services[service]["command"]
        for there, path in here.items():
            words = [word.replace(there, str(path)) for word in words]
        return [program, *words, f"--web.listen-address=127.0.0.1:{at}"]

    quiet = "--cluster.listen-address="  # one alone; it would look for a private address of this machine
    url, alerts = f"http://127.0.0.1:{watch_port}", f"http://127.0.0.1:{alert_port}"
    with (
        running(folder, *command("alertmanager", alertmanager, alert_port), quiet),
        running(folder, *command("prometheus", prometheus, watch_port)),
    ):
        until(lambda: answers(f"{alerts}/-/ready") and answers(f"{url}/-/ready"), "both are ready")
        until(lambda: answer(f"{url}/api/v1/alertmanagers")["data"]["activeAlertmanagers"], "one finds the other")
        yield url


def answer(url: str) -> Any:
    """JSON over HTTP."""
    with urllib.request.urlopen(url, timeout=60) as response:
        return json.load(response)
