"""Which commit of Gaze this is."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

UNKNOWN: Final = "unknown"
HOUSE: Final = Path(__file__).resolve().parents[1]


def commit(house: Path = HOUSE) -> str:
    """The commit of the checkout that `house` is the root of, or "unknown": installed, or no git here."""
    git = shutil.which("git")
    if git is None:
        return UNKNOWN
    asked = [git, "-C", str(house), "rev-parse", "--show-toplevel", "HEAD"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command
    root, _, found = told.stdout.strip().partition("\n")
    # An environment inside some other project's checkout would answer with that project's commit.
    return found if told.returncode == 0 and Path(root) == house else UNKNOWN
