"""The images: their packages locked, their recipe linted, and the CPU one built from nothing and started."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "deploy" / "container"
LOCKS = {"cpu": ["cpu"], "cpu-data": ["cpu", "data"], "gpu": ["gpu"]}
BASE = "python3,python3-venv,ca-certificates"
# What pip needs to reach this machine's package index from inside.
SEEN_INSIDE = ("/etc/ssl/certs", "/etc/pip.conf", "/usr/local/share/ca-certificates")


def locked(name: str) -> dict[str, str]:
    """The version of every package in a lock file; every one has hashes."""
    entries = (HOME / f"{name}.lock").read_text().replace("\\\n", " ").splitlines()
    found: dict[str, str] = {}
    for entry in entries:
        if not entry.startswith("#"):
            assert "--hash=sha256:" in entry, entry
            package, version = entry.split(";")[0].split("--hash")[0].strip().split("==")
            found[canonicalize_name(package)] = version.strip()
    return found


def asked(extras: list[str]) -> Iterator[Requirement]:
    """What pyproject.toml asks for on Linux."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    of_extras = [line for extra in extras for line in project["optional-dependencies"][extra]]
    for line in [*project["dependencies"], *of_extras]:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_what_the_project_asks_for_in_the_versions_it_allows(name: str):
    has = locked(name)
    for requirement in asked(LOCKS[name]):
        version = has[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} is {version}; try: deploy/container/lock"


@pytest.mark.parametrize("name", LOCKS)
def test_no_image_has_what_trains_or_two_engines(name: str):
    has = set(locked(name))
    assert not has & {"torch", "onnx", "matplotlib", "pandas", "pytest"}
    assert len(has & {"onnxruntime", "onnxruntime-gpu"}) == 1


def test_the_gpu_image_brings_cuda_and_needs_only_the_driver():
    assert {"nvidia-cuda-runtime", "nvidia-cudnn-cu13", "nvidia-cufft"} <= set(locked("gpu"))


def test_the_recipe_is_clean():
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, HOME / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_is_no_root_is_asked_for_its_health_and_ends_by_sigterm():
    recipe = (HOME / "Dockerfile").read_text()
    assert re.search(r"^USER 10001:10001$", recipe, re.MULTILINE)
    assert "/livez" in recipe
    assert 'ENTRYPOINT ["gaze"]' in recipe
    copied = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert copied >= {"core", "daemon", "export", "training", "gaze.py", "pyproject.toml", "README.md", "LICENSE"}


class Images:
    """Images in a folder of their own, built without a registry."""

    def __init__(self, buildah: str, folder: Path) -> None:
        self._buildah = buildah
        self._storage = ("--root", folder / "root", "--runroot", folder / "run", "--storage-driver", "vfs")

    def command(self, *arguments: str | Path) -> list[str]:
        return [self._buildah, *map(str, self._storage), *map(str, arguments)]

    def do(self, *arguments: str | Path) -> str:
        done = subprocess.run(self.command(*arguments), cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{arguments}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout.strip()


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> tuple[Images, str]:
    """A container of the CPU image, built on a fresh Debian."""
    buildah, mmdebstrap = shutil.which("buildah"), shutil.which("mmdebstrap")
    if buildah is None or mmdebstrap is None:
        pytest.skip("buildah or mmdebstrap is not installed")
    folder = tmp_path_factory.mktemp("images")
    subprocess.run(
        [mmdebstrap, "--quiet", "--variant=minbase", f"--include={BASE}", "bookworm", folder / "base.tar"], check=True
    )
    images = Images(buildah, folder)
    empty = images.do("from", "scratch")
    images.do("add", empty, folder / "base.tar", "/")
    images.do("commit", "--quiet", "--rm", empty, "base")
    seen = [word for path in SEEN_INSIDE if Path(path).exists() for word in ("--volume", f"{path}:{path}:ro")]
    recipe = ("--build-arg", "BASE=localhost/base", "--file", HOME / "Dockerfile", "--tag", "gazed")
    images.do("bud", "--isolation", "chroot", *seen, *recipe, ".")
    return images, images.do("from", "localhost/gazed")


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_the_built_image_serves_without_root_and_ends_in_order(
    container: tuple[Images, str],
    tmp_path: Path,
    until: Callable[..., None],
    answers: Callable[[str], bool],
    exchange: dict[str, str],
):
    from bundles import a_bundle

    images, name = container
    inside = ("run", "--isolation", "chroot", "--volume", f"{tmp_path}:/etc/gaze:ro", name, "--")
    a_bundle(tmp_path / "bundle")
    feed = {"websocket_url": exchange["websocket"], "rest_url": exchange["rest"]}
    lines = [f"{key} = {json.dumps(value)}" for key, value in feed.items()]
    settings = ['[bundle]\npath = "bundle"', "[feed]", 'symbols = ["SIM01USDT"]', *lines]
    settings += ['[store]\ndirectory = "/var/lib/gaze/store"', "[http]\nport = 0"]
    (tmp_path / "gaze.toml").write_text("\n".join(settings))
    tmp_path.chmod(0o755)
    assert images.do(*inside, "id", "-u") == "10001"
    assert images.do(*inside, "sh", "-c", "touch /opt/gaze/x 2>&1 || echo refused").endswith("refused")
    command = images.command(*inside, "gaze", "run", "/etc/gaze/gaze.toml", "--json")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["http"]
        try:
            until(lambda: answers(f"{url}/readyz"), "the container is ready")
            asks = re.search(r'CMD \["/opt/gaze/bin/python", "-c", "(.+)"\]', (HOME / "Dockerfile").read_text())
            assert asks
            images.do(*inside, "/opt/gaze/bin/python", "-c", asks[1].replace("http://127.0.0.1:9464", url))
        finally:
            os.kill(daemon_of(process.pid), signal.SIGTERM)
        assert process.wait(timeout=240) == 0


def daemon_of(pid: int) -> int:
    """The process that serves, among those that the builder started."""
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        command = Path(f"/proc/{one}/cmdline").read_bytes().split(b"\0")
        if command[:2] == [b"/opt/gaze/bin/python3", b"/opt/gaze/bin/gaze"]:
            return one
        # A program of several threads starts children from any of them.
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            waiting += map(int, children.read_text().split())
    pytest.fail("no gaze runs in the container")
