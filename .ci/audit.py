#!/usr/bin/env python3
"""Asks the package index whether an advisory names a package that the images lock.

    .ci/audit.py [LOCK ...]

pip-audit does the asking, in an environment of its own. Ends with status 1 where an advisory names one. Where the index
serves no advisories, as mirrors seldom do, it says how many packages could not be asked about, and that is no failure.
"""

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

PROGRAM = "pip-audit==2.10.1"
LOCKS = Path(__file__).resolve().parents[1] / "deploy" / "container"


def judged(report: dict[str, Any]) -> tuple[list[str], int, int]:
    """What advisories name, of how many packages, and how many could not be asked about."""
    told = report["dependencies"]
    named = [
        f"{one['name']} {one['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'nothing yet'}"
        for one in told
        for found in one.get("vulns", [])
    ]
    return named, len(told), sum("skip_reason" in one for one in told)


def audit(program: Path, lock: Path) -> dict[str, Any] | None:
    """What pip-audit says of a lock; None where it cannot say anything."""
    words = [program, "--requirement", lock, "--require-hashes", "--disable-pip", "--format", "json", "--timeout", "20"]
    try:
        told: dict[str, Any] = json.loads(said(*words)[1])
    except json.JSONDecodeError:
        return None
    return told


def said(*words: str | Path) -> tuple[int, str]:
    """The status and the output of a program; one that has not ended after five minutes has failed."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603 - ours
    except subprocess.TimeoutExpired:
        return 1, ""
    return done.returncode, done.stdout


def main() -> int:
    """The status to end with."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        program = Path(folder) / "bin" / "pip-audit"
        if said(program.with_name("python"), "-m", "pip", "install", "--quiet", PROGRAM)[0]:
            print(f"audit: {PROGRAM} cannot be installed here; nothing was asked")
            return 0
        status = 0
        for lock in [Path(one) for one in sys.argv[1:]] or sorted(LOCKS.glob("*.lock")):
            report = audit(program, lock)
            if report is None:
                print(f"audit: {lock.name}: no answer; nothing was asked")
                continue
            named, packages, unasked = judged(report)
            asked = f"{packages} packages, {unasked} of which could not be asked about"
            print(f"audit: {lock.name}: {asked}; {len(named)} advisories")
            print("".join(f"  {one}\n" for one in named), end="")
            status |= bool(named)
        return status


if __name__ == "__main__":
    sys.exit(main())
