"""Debian's tools, and the configuration that is deployed."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


@pytest.fixture(scope="session")
def deploy() -> Path:
    """The folder of everything that is deployed."""
    return DEPLOY


@pytest.fixture(scope="session")
def tool() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program of the system to its end; the test is skipped where it is not installed."""

    def run(name: str, *arguments: str | Path, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not installed")
        return subprocess.run(
            [found, *map(str, arguments)], capture_output=True, text=True, timeout=seconds, check=False
        )

    return run


@pytest.fixture(scope="session")
def rules() -> dict[str, dict[str, Any]]:
    """Every rule by its name, an alert's or a record's."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((DEPLOY / "prometheus" / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                found[rule.get("alert") or rule["record"]] = rule
    return found
