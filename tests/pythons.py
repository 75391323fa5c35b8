"""Serve on other Pythons what this one trained: `python tests/pythons.py python3.13 ...`, or make test-pythons.

Each gets an environment of its own, with what an edge box installs, at the versions pinned here. The daemon and the
replay of the integration tests run there; what they say is held, bit by bit, beside what is computed here.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOLD = ("tests/integration/test_month.py", "tests/integration/test_replay.py")


def installed(python: str, folder: Path) -> Path:
    """The `gaze` of a Python, in an environment in a folder."""
    subprocess.run([python, "-m", "venv", folder], check=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--constraint", ROOT / "requirements.txt"]
    subprocess.run([*pip, f"{ROOT}[cpu,data]"], check=True)
    return folder / "bin" / "gaze"


def main(pythons: list[str]) -> int:
    status = 0
    for python in pythons:
        subprocess.run([python, "--version"], check=True)
        with tempfile.TemporaryDirectory() as folder:
            edge = installed(python, Path(folder))
            told = [sys.executable, "-m", "pytest", "-m", "slow or not slow", *TOLD]
            done = subprocess.run(told, check=False, cwd=ROOT, env=os.environ | {"GAZE_TEST_EDGE": str(edge)})
            status = status or done.returncode
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
