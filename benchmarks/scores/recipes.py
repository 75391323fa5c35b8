"""Every recipe trained and judged on real bars, one after the other; then docs/results.md from what is there.

    gaze bench results --data ../shared/data --work build/results
    gaze bench results --only winner_daily

What is done already in the work folder is not done again: stopped at any time, the same command goes on. What has no
result is listed as not run. `--page` writes the page from the results that are kept in benchmarks/results/scores.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from benchmarks.house import GAZE, HOUSE, RESULTS
from benchmarks.scores import page, published
from benchmarks.scores.tasks import TASKS, Task
from export.commit import commit

COST_BPS: Final = "5"
"""Of what is bought or sold: a taker's fee on a large venue, and less than most pay."""
KEPT: Final = RESULTS / "scores"


def main() -> None:
    """Do what is not done, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=HOUSE.parent / "shared" / "data", help="bars/ and published/")
    parser.add_argument("--work", type=Path, default=HOUSE / "build" / "results", help="where runs are kept")
    parser.add_argument("--only", action="append", help="a task by name; may be given again")
    parser.add_argument("--page", action="store_true", help="write the page and do nothing else")
    asked = parser.parse_args()
    known = (*TASKS, *published.PROTOCOLS)
    if unknown := sorted(set(asked.only or ()) - set(known)):
        sys.exit(f"no task is called {', '.join(unknown)}; try: {', '.join(known)}")
    if not asked.page:
        for name in asked.only or known:
            do(name, asked.data, asked.work)
    page.write(KEPT, HOUSE / "docs" / "results.md")
    print(f"{HOUSE / 'docs' / 'results.md'} written")


def do(name: str, data: Path, work: Path) -> None:
    """One task, up to its result in KEPT."""
    work.mkdir(parents=True, exist_ok=True)
    print(f"{name}: begun {datetime.now(UTC):%H:%M:%S} UTC, load {os.getloadavg()[0]:.1f}", flush=True)
    started = time.perf_counter()
    if name in TASKS:
        trained = train(TASKS[name], data, work)
        judged = {"judged_with": commit(HOUSE)[:12], "evaluation": evaluate(TASKS[name], work)}
        told = {"recipe": name, **trained, **judged, **compare(TASKS[name], work)}
    else:
        told = {"protocol": name, **machine(), "found": published.PROTOCOLS[name](data / "published", data / "bars")}
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    print(f"{name}: done after {time.perf_counter() - started:.0f} s", flush=True)


def train(task: Task, data: Path, work: Path) -> dict[str, Any]:
    """Train the task's recipe unless its run is there; the command, and what it took."""
    said = work / f"{task.name}.json"
    if said.is_file():
        return dict(json.loads(said.read_text("utf-8")))
    bars = bars_of(task, data, work)
    words = ["train", task.recipe, "--bars", str(bars), "--out", str(work / task.name), *changes(task, data)]
    before = machine()
    started = time.perf_counter()
    gaze(*words, "--replace", "--json", out=work / f"{task.name}.trained.json")
    seconds = time.perf_counter() - started
    shown = [word.replace(str(work), "runs").replace(str(bars), bars.name) for word in words]
    told = {"command": " ".join(["gaze", *shown]), "seconds": round(seconds), **before}
    said.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    return told


def evaluate(task: Task, work: Path) -> Any:
    """What `gaze evaluate` says of the run on the same bars."""
    out = work / f"{task.name}.evaluated.json"
    bars = str(work / f"{task.bars}.parquet")
    gaze("evaluate", str(work / task.name), "--bars", bars, "--by", "regime", "--cost-bps", COST_BPS, "--json", out=out)
    return json.loads(out.read_text("utf-8"))


def compare(task: Task, work: Path) -> dict[str, Any]:
    """What `gaze compare` says of the run beside another task's; nothing where there is no such task, or no run yet."""
    if not task.beside or not (work / task.beside).is_dir():
        return {}
    out = work / f"{task.name}.compared.json"
    runs = [str(work / name) for name in (task.beside, task.name)]
    gaze("compare", *runs, "--bars", str(work / f"{task.bars}.parquet"), "--json", out=out)
    return {"compared": json.loads(out.read_text("utf-8"))}


def bars_of(task: Task, data: Path, work: Path) -> Path:
    """The file of bars that the task reads: simulated, or imported from its sources."""
    path = work / f"{task.bars}.parquet"
    if not path.is_file():
        sources = [str(data / "bars" / f"{source}.parquet") for source in task.sources]
        gaze(*(["bars", "import", *sources] if sources else ["bars", "simulate"]), "--out", str(path))
    return path


def changes(task: Task, data: Path) -> list[str]:
    """The task's profile and changes; of several sources only the first one's symbols are foretold."""
    words = ["--profile", task.profile] if task.profile else []
    told = list(task.changes)
    if len(task.sources) > 1:
        symbols = pl.read_parquet(data / "bars" / f"{task.sources[0]}.parquet")["symbol"].unique().sort().to_list()
        told.append(f"data.symbols={json.dumps(symbols)}")
    return [*words, *(word for change in told for word in ("--set", change))]


def gaze(*words: str, out: Path | None = None) -> None:
    """Run a command of ours; what it prints goes to a file where one is named."""
    done = subprocess.run([*GAZE, *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"gaze {' '.join(words)} ended with {done.returncode}")
    if out is not None:
        out.write_text(done.stdout, "utf-8")


def machine() -> dict[str, Any]:
    """What it runs on, and how busy that is before it begins."""
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_before": round(os.getloadavg()[0], 1),
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": commit(HOUSE)[:12],
    }


if __name__ == "__main__":
    main()
