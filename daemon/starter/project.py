"""A folder to begin in: settings, recipe, compose file and a README whose every line works."""

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from core import described
from core.errors import UsageError
from daemon.config import Config

_AS_THEY_ARE: Final = ("README.md", "recipe.toml", "compose.yaml")
_STAND_IN: Final = "127.0.0.1:9001"
_SIMULATED: Final = tuple(f"SIM{number:02d}USDT" for number in range(1, 21))


def contents(venue: str = "", symbols: tuple[str, ...] = ()) -> dict[str, str]:
    """Each file's name and text. No venue means the stand-in exchange of the README, with simulated symbols."""
    given: dict[str, Any] = {"bundle.path": "bundle", "feed.symbols": symbols or _SIMULATED}
    if venue:
        given |= {"feed.venue": venue}
    else:
        given |= {"feed.websocket_url": f"ws://{_STAND_IN}", "feed.rest_url": f"http://{_STAND_IN}"}
    heading = "#:schema gaze.schema.json\n# The daemon's settings; what stands as a comment is the default.\n\n"
    ours = files("daemon.starter")
    return {
        "gaze.toml": heading + described.commented(Config, given),
        "gaze.schema.json": json.dumps(described.schema(Config), indent=2) + "\n",
    } | {name: ours.joinpath(name).read_text() for name in _AS_THEY_ARE}


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write the files; nothing that is there is touched. Raises: UsageError: one of them is there already."""
    taken = [name for name in texts if (folder / name).exists()]
    if taken:
        raise UsageError(f"{folder} has {', '.join(taken)} already; try: gaze init in an empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
