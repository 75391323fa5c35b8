"""What each extra installs, in an environment of its own: how long it takes, how much it is, and whether it works.

    gaze bench extras [--only "cpu;cpu,export"] [--write]

Each is installed by pip into a new virtual environment, in the versions of requirements.txt. Then the commands that the
extra is for are run there. [gpu] and [tensorrt-rtx] are resolved and not installed: what they are for needs a GPU. Each
is kept in benchmarks/results/extras.json as it is done; `--write` puts the table of all into docs/reference/extras.md.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.house import HOUSE, RESULTS, conditions

PAGE = HOUSE / "docs" / "reference" / "extras.md"
PINNED = HOUSE / "requirements.txt"
KEPT = RESULTS / "extras.json"
BEGIN, END = "<!-- extras -->\n", "<!-- /extras -->\n"
SIMULATE = "gaze bars simulate --symbols 2 --bars 1500 --out bars.parquet"
TRAIN = "gaze train demo --bars bars.parquet --out run --set optimiser.epochs=1"
EXPORT = "gaze export run --out bundle"
WORKS: dict[str, list[str]] = {
    "cpu": ["gaze doctor", "gaze init project", "gaze config show project/gaze.toml"],
    "cpu,data": [SIMULATE, "gaze bars check bars.parquet"],
    "cpu,litert": ["python -c 'import ai_edge_litert, onnxruntime'"],
    "cpu,socks": ["python -c 'import aiohttp_socks, onnxruntime'"],
    "cpu,train": [SIMULATE, TRAIN, "gaze evaluate run --bars bars.parquet"],
    "cpu,export": [SIMULATE, TRAIN, EXPORT, "gaze bundle verify bundle"],
    "cpu,explain": [SIMULATE, TRAIN, "gaze explain run --bars bars.parquet --out explained --limit 200"],
    "cpu,sweep": [SIMULATE, "python -c 'import optuna'"],
    "cpu,drift": ["python -c 'import ruptures'"],
    "cpu,cluster": [SIMULATE, "python -c 'import ray'", TRAIN],
    "cpu,ccxt": ["python -c 'import ccxt, onnxruntime'"],
    "cpu,picows": ["python -c 'import picows, onnxruntime'"],
}
RESOLVED = ("gpu", "gpu,tensorrt-rtx")


class Extra(NamedTuple):
    """One environment. `seconds`: by the clock and of the processor, for pip; None where it was only resolved."""

    name: str
    packages: int
    mib: float
    seconds: tuple[float, float] | None
    works: str
    at: str


def said(folder: Path, *words: str | Path) -> str:
    """What a program prints, run in a folder, out of sight of this checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def size_mib(folder: Path) -> float:
    """What lies in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_symlink()) / 2**20


def worked_s() -> float:
    """Processor seconds of all programs that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def installed(name: str, wheel: Path) -> Extra:
    """An environment with an extra, in which what it is for is tried."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "env"
        venv.create(home, with_pip=True)
        empty_mib = size_mib(home)
        began = time.perf_counter(), worked_s()
        said(Path(folder), home / "bin" / "pip", "install", "--quiet", "--constraint", PINNED, f"{wheel}[{name}]")
        seconds = time.perf_counter() - began[0], worked_s() - began[1]
        mib = size_mib(home) - empty_mib
        listed = json.loads(said(Path(folder), home / "bin" / "pip", "list", "--format", "json"))
        for command in WORKS[name]:
            said(Path(folder), "bash", "-c", f"PATH={home / 'bin'}:$PATH HOME={folder} {command}")
        return Extra(name, len(listed) - 2, mib, seconds, "; ".join(f"`{one}`" for one in WORKS[name]), now())


def resolved(name: str, wheel: Path) -> Extra:
    """What pip would install for an extra, and how much it would download."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        words = (
            "-m",
            "pip",
            "install",
            "--quiet",
            "--dry-run",
            "--ignore-installed",
            "--constraint",
            PINNED,
            "--report",
            report,
        )
        said(Path(folder), sys.executable, *words, f"{wheel}[{name}]")
        found = json.loads(report.read_text())["install"]
    return Extra(name, len(found), 0.0, None, "resolved, not installed: no GPU here", now())


def now() -> str:
    """When, and of which commit."""
    where = conditions()
    return f"{where['date']}, {where['commit']}"


def page(extras: Iterable[Extra]) -> str:
    """The table as Markdown."""
    lines = [
        "| `pip install '.[...]'` | packages | on disk | seconds | tried there | when |",
        "|---|---|---|---|---|---|",
    ]
    for one in extras:
        size, seconds = "", ""
        if one.seconds is not None:
            size, seconds = f"{one.mib:,.0f} MiB", f"{one.seconds[0]:,.0f}, of the processor {one.seconds[1]:,.0f}"
        lines.append(f"| `{one.name}` | {one.packages} | {size} | {seconds} | {one.works} | {one.at} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="these environments, with semicolons between")
    parser.add_argument("--write", action="store_true", help="put the table into the docs")
    asked = parser.parse_args()
    kept: dict[str, list[Any]] = json.loads(KEPT.read_text()) if KEPT.is_file() else {}
    with tempfile.TemporaryDirectory() as folder:
        words = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, HOUSE)
        said(Path(folder), sys.executable, *words)
        wheel = next(Path(folder).glob("*.whl"))
        for name in [one for one in asked.only.split(";") if one] or [*WORKS, *RESOLVED]:
            print(name, file=sys.stderr)
            kept[name] = list(resolved(name, wheel) if name in RESOLVED else installed(name, wheel))
            KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    table = page(Extra(*kept[name]) for name in [*WORKS, *RESOLVED] if name in kept)
    print(table, end="")
    if asked.write:
        before, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(before + BEGIN + table + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
