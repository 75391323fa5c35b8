"""The README's walk, run word for word on the real file it names: every line it shows is printed, in that order."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

if TYPE_CHECKING:
    from conftest import Gaze

README = Path(__file__).resolve().parents[2] / "README.md"
BARS = "binance_usdm_1h_2023_2025h1.parquet"
# What training finds depends in its last digits on the CPU; everything else must be as shown.
TRAINED = ("train", "export")


def walk() -> list[tuple[str, list[str]]]:
    """Each command with the lines shown under it; a line of dots stands for any number of lines."""
    block = README.read_text().split("<!-- walk", 1)[1].split("```console\n", 1)[1].split("```", 1)[0]
    steps: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ gaze "):
            steps.append((line.removeprefix("$ gaze "), []))
        elif line != "...":
            steps[-1][1].append(line)
    return steps


def masked(line: str) -> str:
    return re.sub(r"[-+]?\d[\d.,e-]*", "#", line)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_walk_prints_what_the_readme_shows(an_empty_folder: "Gaze", shared_data: Path):
    (an_empty_folder.folder / BARS).symlink_to(shared_data / "bars" / BARS)
    steps = walk()
    assert [command.split()[0] for command, _ in steps] == ["bars", "bars", "train", "export", "bundle"]
    for command, shown in steps:
        printed = [line.rstrip() for line in an_empty_folder.run(*shlex.split(command)).splitlines()]
        plain = masked if command.startswith(TRAINED) else str
        rest = iter([plain(line) for line in printed])
        for line in shown:
            assert plain(line.rstrip()) in rest, f"gaze {command}: {line!r} is not among\n" + "\n".join(printed)


@pytest.mark.timeout(1_200)
def test_a_daemon_serves_from_the_readmes_settings(real_bundle: "Gaze"):
    """The settings as shown, but for ports that are free here."""
    settings = README.read_text().split("```toml\n", 1)[1].split("```", 1)[0]
    replay = ("--bars", "bars.parquet", "--start", "2025-06-01T00:00", "--speed", "max", "--hold", "--json")
    with real_bundle.serving("exchange", *replay) as exchange:
        for address in ("ws://127.0.0.1:9001", "http://127.0.0.1:9001"):
            told = exchange.listens["websocket" if address.startswith("ws") else "rest"]
            settings = settings.replace(address, told)
        (real_bundle.folder / "readme.toml").write_text(settings)
        words = ("run", "readme.toml", "--metrics-port", "0", "--set", "store.directory=readme", "--json")
        with real_bundle.serving(*words) as daemon:
            server = str(real_bundle.folder / "readme" / "redis.sock")
            with redis.Redis(unix_socket_path=server, socket_timeout=None) as client:
                assert client.xread({"gaze:{0}:predictions:real": "0"}, count=1, block=200_000)
            watched = real_bundle.run("watch", "--embedded", "readme", "--once")
            assert re.match(r"BTCUSDT 2025-\S+ return_1=\S+bp entropy=[01]\.\d+ attention=\S{24} drift=0\.\d+", watched)
            assert daemon.stop() == 0


def test_every_file_the_readme_links_to_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text()):
        assert (README.parent / target).exists(), target


def test_every_command_the_readme_shows_is_one(an_empty_folder: "Gaze"):
    shown = set(re.findall(r"^\$ gaze (bars \w+|bundle \w+|\w+)", README.read_text(), re.MULTILINE))
    assert {"train", "run", "watch", "bars import"} <= shown
    for command in shown:
        done = subprocess.run(
            [an_empty_folder.command, *command.split(), "--help"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "Example:" in done.stdout
