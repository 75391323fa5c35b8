"""Programs side by side as users run them: started, asked what they used, and ended by their own ids."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.house import HOUSE, RESULTS

_LAST_WORDS: Final = 2_000


@contextmanager
def running(command: list[str], folder: Path, log: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A process that first says in one line of JSON where it listens, ended by its own id.

    Where it failed before, its last words go to standard error.
    """
    environment = os.environ | {"PYTHONPATH": str(HOUSE)}
    with (folder / log).open("w") as errors:
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.startswith("{"):
            sys.exit((folder / log).read_text())
        yield process, json.loads(line)
    finally:
        if process.poll():
            print((folder / log).read_text()[-_LAST_WORDS:], file=sys.stderr)
        process.terminate()
        process.wait(timeout=60)
        process.stdout.close()


def see_all_run(processes: Iterable[subprocess.Popen[str]]) -> None:
    """Ends the benchmark where one of them has ended: what it was to say never comes."""
    for process in processes:
        if process.poll() is not None:
            sys.exit(f"{subprocess.list2cmdline(process.args)} has ended, with status {process.returncode}")  # type: ignore[arg-type]


def cpu_seconds(pids: dict[str, int]) -> dict[str, float]:
    """What each process has used of all cores, to the nanosecond; /proc counts in hundredths."""
    # As MAKE_PROCESS_CPUCLOCK of the kernel's posix-timers.h, with CPUCLOCK_SCHED.
    return {name: time.clock_gettime(~pid << 3 | 2) for name, pid in pids.items()}


def memory_mib(pid: int) -> float:
    """The most that a process had in memory."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def child_of(pid: int) -> int:
    """The server that the daemon started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0])


def told(report: Any, name: str, *, as_json: bool, keep: bool) -> bool:
    """Print a report as JSON if asked, and keep it in benchmarks/results; whether it was printed."""
    text = json.dumps(report, indent=2)
    if keep:
        (RESULTS / f"{name}.json").write_text(text + "\n")
    if as_json:
        print(text)
    return as_json
