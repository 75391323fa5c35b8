"""What `gaze compare --out` leaves on disk: compare.json, report.txt, scores.png, trainings.png."""

from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from core.errors import UsageError
from training.explain.pictures import compared, style
from training.fitting.history import Epoch
from training.many.comparing import Compared
from training.telling import side_by_side

REPORT: Final = "compare.json"
WIDTH: Final = 160


def refuse_taken(out: Path) -> None:
    """Refuse to write over what is there, unless it is a comparison.

    Raises: UsageError: the folder holds something else.
    """
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / REPORT).is_file())):
        raise UsageError(f"{out} is there and holds no comparison; try: another --out")


def write(of: Compared, histories: dict[str, tuple[Epoch, ...]], out: Path) -> None:
    """Write all of it, over a comparison that is there."""
    out.mkdir(parents=True, exist_ok=True)
    (out / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(of), indent=2))
    with (out / "report.txt").open("w", encoding="utf-8") as file:
        console = Console(file=file, width=WIDTH)
        console.print(side_by_side.runs(of), side_by_side.scores(of))
        for sentence in side_by_side.sentences(of):
            console.print(sentence, highlight=False, soft_wrap=True)
    with style.styled():
        style.save(compared.scores(of), out / "scores.png")
        style.save(compared.trainings(histories), out / "trainings.png")
