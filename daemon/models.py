"""A model folder: NAME/VERSION/ are bundles, and the file NAME/live says which of them serves."""

from pathlib import Path
from typing import Final

from core.errors import BundleError

LIVE: Final = "live"


def located(path: Path) -> Path:
    """The bundle that a path means: itself, or in a model folder the version that its file `live` names.

    Raises: BundleError: `live` names no version that is there.
    """
    alias = path / LIVE
    if not alias.is_file():
        return path
    version = alias.read_text().strip()
    if not version or Path(version).name != version or not (path / version).is_dir():
        there = ", ".join(sorted(one.name for one in path.iterdir() if one.is_dir())) or "none"
        raise BundleError(f"{alias} names version {version!r}, there are: {there}; try: echo VERSION > {alias}")
    return path / version


def promote(folder: Path, version: str) -> None:
    """Let this version serve, in one step. Raises: BundleError: it is not there."""
    if not (folder / version).is_dir():
        raise BundleError(f"{folder} has no version {version!r}; try: gaze export RUN --out {folder / version}")
    beside = folder / f".{LIVE}.writing"
    beside.write_text(version + "\n")
    beside.replace(folder / LIVE)
