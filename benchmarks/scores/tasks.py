"""What recipes.py beside it trains, read from tasks.toml beside it."""

import tomllib
from pathlib import Path
from typing import Final

import msgspec


class Claim(msgspec.Struct, frozen=True):
    """A sentence of a document, and an answer; `<OUTPUT MEASURE PREDICTOR>` in it becomes what was found."""

    said: str
    answer: str


class Task(msgspec.Struct, frozen=True):
    """One recipe on one file of bars. `sources`: files of the shared bars, none for simulated ones.

    `beside`: another task before this one, whose run `gaze compare` puts beside it.
    """

    name: str
    title: str
    recipe: str
    bars: str
    sources: tuple[str, ...]
    profile: str = ""
    changes: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    beside: str = ""


_FILE: Final = Path(__file__).with_name("tasks.toml")
_TOLD: Final = msgspec.convert(tomllib.loads(_FILE.read_text("utf-8"))["task"], tuple[Task, ...])

TASKS: Final[dict[str, Task]] = {task.name: task for task in _TOLD}
