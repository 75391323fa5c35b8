"""A bundle says which commit of Gaze made it, never that of another project."""

import subprocess
from pathlib import Path

import pytest

from export.commit import UNKNOWN, commit


def git(folder: Path, *words: str) -> str:
    told = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", folder, *words],
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "one")
    return tmp_path


def test_a_checkout_says_its_commit(checkout: Path):
    assert commit(checkout) == git(checkout, "rev-parse", "HEAD")


def test_a_folder_inside_another_checkout_is_unknown(checkout: Path):
    (checkout / "site-packages").mkdir()
    assert commit(checkout / "site-packages") == UNKNOWN


def test_a_folder_without_git_is_unknown(tmp_path: Path):
    assert commit(tmp_path) == UNKNOWN


def test_a_machine_without_git_is_unknown(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    assert commit(checkout) == UNKNOWN
