"""A step of CI: a test that fails once and passes alone is named and forgiven; one that fails again is not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

STEP = Path(__file__).resolve().parents[1] / ".ci" / "step"
FLAKY = """
from pathlib import Path

def test_{name}():
    seen = Path("{name}.seen")
    try:
        assert seen.exists()
    finally:
        seen.touch()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose tests are one that passes, and those that a test of this file adds."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (tmp_path / "Makefile").write_text("test:\n\t.venv/bin/python -m pytest\nbroken:\n\tfalse\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_sound.py").write_text("def test_sound():\n    pass\n")
    return tmp_path


def step(project: Path, target: str = "test") -> subprocess.CompletedProcess[str]:
    assert shutil.which("make")
    return subprocess.run([STEP, "250", target], cwd=project, capture_output=True, text=True, timeout=280, check=False)


def test_a_test_that_fails_once_is_named_and_forgiven(project: Path):
    (project / "test_flaky.py").write_text(FLAKY.format(name="stalled"))
    done = step(project)
    assert done.returncode == 0
    assert "PASSED ALONE test_flaky.py::test_stalled" in done.stdout.splitlines()
    assert "PASSED ALONE" not in step(project).stdout


def test_a_test_that_fails_again_fails_the_step(project: Path):
    (project / "test_wrong.py").write_text("def test_wrong():\n    raise AssertionError\n")
    done = step(project)
    assert done.returncode == 1
    assert "PASSED ALONE" not in done.stdout


def test_three_tests_that_fail_are_not_asked_again(project: Path):
    (project / "test_flaky.py").write_text("".join(FLAKY.format(name=name) for name in ("one", "two", "three")))
    assert step(project).returncode == 1
    assert "again, alone" not in step(project).stdout


def test_what_fails_without_a_test_fails_the_step(project: Path):
    assert step(project, "broken").returncode == 1
