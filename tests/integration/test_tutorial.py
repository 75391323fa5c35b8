"""The tutorial's blocks, run one after another in one shell with an empty home: what it says is what works."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.running.ports import free_port

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
TAKEN = ("9001", "9464")


def script() -> str:
    """The blocks as one script that stops at the first failure and ends what it left running."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return "\n".join(["set -eumo pipefail", "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT", *blocks])


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_every_block_of_the_tutorial_runs(tmp_path: Path):
    told = script()
    port = {taken: str(free_port()) for taken in TAKEN}
    for taken, free in port.items():
        told = told.replace(taken, free)
    # How long a daemon takes to start is the machine's business.
    told = told.replace("gaze watch", "gaze watch --wait 600")
    # The ports of a new project's settings are those of the page.
    told = told.replace("cd first", f"cd first\nsed -i 's/:9001/:{port['9001']}/' gaze.toml", 1)
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GAZE_HTTP__PORT": port["9464"],
    }
    done = subprocess.run(
        ["bash", "-c", told], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=1_700, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    for shown in ("no errors", "better than forecasting zero", "golden rows", "return_1=", "gaze_predictions_total"):
        assert shown in done.stdout, shown
