"""What `gaze explain` leaves on disk, written whole or not at all.

index.html           from the summary to the single prediction; opens with no network
report.txt           the same in words; report.json as data, cases.csv as a table of the single predictions
outputs.png          forecasts, confidence, calibration; losses.png where the subject is a run
ATTENTION/*.png      one folder for each attention
cases/CASE/          one folder for each prediction: its pictures, its report.txt, its interactive.html
"""

import shutil
from pathlib import Path

import msgspec
from plotly.offline import get_plotlyjs

from core.errors import UsageError
from training.explain import text
from training.explain.explaining import Explained, Stage
from training.explain.page import SCRIPT, page, single
from training.explain.pictures import album, style

REPORT = "report.json"


def refuse_taken(out: Path) -> None:
    """Refuse to write over what is there, unless it is an explanation.

    Raises: UsageError: the folder holds something else.
    """
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / REPORT).is_file())):
        raise UsageError(f"{out} is there and holds no explanation; try: another --out")


def write(of: Explained, out: Path, stage: Stage) -> dict[Path, Path]:
    """Draw every picture, write every report, and move the folder into its place; gives where each picture lies."""
    out = out.resolve()
    beside = out.with_name(f".{out.name}.writing")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    drawn: dict[Path, Path] = {}
    watch, album_ = stage("draw"), album.pictures(of)
    with style.styled():
        for done, (name, draw) in enumerate(album_.items(), 1):
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            drawn[name] = style.save(style.marked(draw(), of.report.mark), beside / name)
            watch(done / len(album_))
    reports = {case.folder: text.case(case, of.report) for case in of.report.cases}
    for folder, told in reports.items():
        (beside / "cases" / folder / "report.txt").write_text(told, "utf-8")
    for case in of.report.cases:
        (beside / "cases" / case.folder / "interactive.html").write_text(
            single(of, case, reports[case.folder]), "utf-8"
        )
    (beside / SCRIPT).write_text(get_plotlyjs(), "utf-8")
    (beside / "report.txt").write_text(text.whole(of.report), "utf-8")
    report = msgspec.structs.replace(of.report, pictures=tuple(str(name) for name in drawn))
    (beside / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2))
    (beside / "cases.csv").write_text(text.table(of.report), "utf-8")
    (beside / "index.html").write_text(page(of, drawn, reports), "utf-8")
    shutil.rmtree(out, ignore_errors=True)
    beside.rename(out)
    return {name: out / name for name in drawn}
