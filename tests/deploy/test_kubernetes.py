"""The manifests are Kubernetes's, and the daemon takes the settings that stand in them."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from daemon import config
from daemon.following import follow

HOME = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
VERSION = "1.31"


def manifests(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((HOME / name).read_text()))


def the(kind: str) -> dict[str, Any]:
    (found,) = [one for one in manifests("gaze.yaml") if one["kind"] == kind]
    return found


@pytest.fixture(scope="module")
def pod() -> dict[str, Any]:
    found: dict[str, Any] = the("StatefulSet")["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize(
    "manifest", manifests("gaze.yaml") + manifests("secret.example.yaml"), ids=lambda one: one["kind"]
)
def test_kubernetes_knows_every_field(manifest: dict[str, Any]):
    kubernetes_validate.validate(manifest, VERSION, strict=True)


def test_a_field_that_it_does_not_know_is_refused():
    broken = the("StatefulSet")
    broken["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSION, strict=True)


def test_the_replicas_share_the_symbols_out_by_settings_that_the_daemon_takes(tmp_path: Path, pod: dict[str, Any]):
    [(name, text)] = the("ConfigMap")["data"].items()
    (url,) = manifests("secret.example.yaml")[0]["stringData"].values()
    (tmp_path / "redis-url").write_text(url)
    (tmp_path / name).write_text(text.replace("/run/secrets/gaze/redis-url", str(tmp_path / "redis-url")))
    (container,) = pod["containers"]
    (number,) = container["env"]
    replicas = the("StatefulSet")["spec"]["replicas"]
    shares = []
    for shard in range(replicas):
        read = config.read(tmp_path / name, environment={number["name"]: str(shard)})
        assert (read.store.url, read.http.host) == (url, "0.0.0.0")
        assert read.store.shards == replicas
        shares.append(follow(read).symbols)
    assert all(shares)
    assert sorted(symbol for some in shares for symbol in some) == sorted(read.feed.symbols)


def test_the_pod_has_no_root_no_rights_and_a_read_only_root(pod: dict[str, Any]):
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_what_the_image_writes_to_is_mounted(pod: dict[str, Any]):
    (container,) = pod["containers"]
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    recipe = (HOME.parent / "container" / "Dockerfile").read_text()
    (cache,) = [line.split("=")[1].split()[0] for line in recipe.splitlines() if "NUMBA_CACHE_DIR=" in line]
    assert {cache, "/tmp"} == writable


def test_alive_and_ready_are_asked_at_their_own_addresses(pod: dict[str, Any]):
    (container,) = pod["containers"]
    asked = {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}
    assert asked == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}


def test_the_monitor_finds_the_service_and_the_job_is_that_of_the_alerts():
    (monitor,) = manifests("servicemonitor.yaml")
    service = the("Service")
    labels = service["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert labels[monitor["spec"]["jobLabel"]] == "gaze"
    assert {one["port"] for one in monitor["spec"]["endpoints"]} == {port["name"] for port in service["spec"]["ports"]}
