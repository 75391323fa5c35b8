"""Every way to run a model on a GPU: does it give the golden values, and how fast? For a machine with an NVIDIA GPU.

    gaze bench gpu [--family hourly_lstm] [--window 48] [--bundle FOLDER] [--out FILE] [--write] [--device cpu --runs 3]

Latencies are milliseconds a batch, p50 and p99 of up to 200 runs, for 1, 32, 1,000 and 10,000 rows, copies to and from
the device included. Golden values are those of PyTorch on the CPU; a way that is off by more than its tolerance makes
the exit status 1. Each way runs in a process of its own, so that one that crashes, hangs or lacks a library says so and
the rest go on; what was found is written to --out after each, with device, date and commit.

The model is exported first. --bundle takes one that was exported elsewhere (`--prepare FOLDER` writes it), where the
machine with the GPU lacks what export needs. --write puts what --out holds into docs/reference/engines.md. --device cpu
is a rehearsal: the ways of PyTorch run on the CPU, and what needs a GPU says that there is none.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.engines import matrix
from benchmarks.engines.models import inputs_of, sample_of, source_of
from benchmarks.engines.ways import WAYS, Way
from benchmarks.house import HOUSE, RESULTS, conditions
from core import bundle, golden
from core.bundle import GOLDEN
from core.errors import GazeError
from core.golden import INPUT, OUTPUT
from export.bundle import make_bundle, npz
from export.source import Source

BATCHES = (1, 32, 1_000, 10_000)
RUNS = 200
_FEWEST_RUNS = 20
_ENOUGH_S = 6.0
"""Of one batch size; slower ways get fewer runs."""
_LONGEST_S = 300
Report = dict[str, Any]


def measure(way: Way, source: Source, folder: Path, device: str, batches: tuple[int, ...], most: int = RUNS) -> Report:
    """What one way gives and takes, in so many runs at most. Raises whatever keeps it from running."""
    arrays = bundle.read(folder / "plain").arrays(GOLDEN)
    run, told = way.opened(source, folder, device)
    off = golden.differences(golden.named(OUTPUT, arrays), run(golden.named(INPUT, arrays)), way.name)
    worst = max(off.values())
    latency = {rows: _latency_ms(run, inputs_of(source.manifest, rows), most) for rows in batches}
    return {
        "way": way.name,
        "told": told,
        "off": worst,
        "allowed": way.tolerance,
        "golden": bool(worst <= way.tolerance),
        "ms": {rows: {"p50": p50, "p99": p99, "runs": runs} for rows, (p50, p99, runs) in latency.items()},
    }


def prepared(family: str, window: int, folder: Path) -> Path:
    """The bundles that the engines are opened from, exported into this folder."""
    source = source_of(family, window)
    sample = sample_of(source.manifest)
    for name, formats in (("plain", ("onnx", "fp16-gpu")), ("planned", ("onnx", "tensorrt"))):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / f"{name}.txt").unlink(missing_ok=True)
        try:
            make_bundle(folder / name, source.model, source.manifest, sample, npz({}), formats)
        except GazeError as error:
            (folder / f"{name}.txt").write_text(str(error))
            print(f"no {name} bundle: {error}", file=sys.stderr)
    return folder


def in_its_own_process(way: Way, asked: argparse.Namespace, folder: Path) -> Report:
    """As measure(); what keeps it from running, a crash or a hang too, is in "refused"."""
    again = ["--family", asked.family, "--window", str(asked.window), "--device", asked.device]
    again += ["--runs", str(asked.runs), "--batches", asked.batches, "--bundle", str(folder), "--only", way.name]
    command = [sys.executable, "-m", "benchmarks.engines.gpu", *again]
    try:
        ended = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, timeout=_LONGEST_S, check=False)
    except subprocess.TimeoutExpired:
        return {"way": way.name, "refused": f"not done after {_LONGEST_S} s"}
    if ended.returncode:
        last = [line for line in ended.stderr.splitlines() if line.strip()][-1:] or ["without a word"]
        return {"way": way.name, "refused": f"status {ended.returncode}: {last[0]}"}
    report: Report = json.loads(ended.stdout.splitlines()[-1])
    return report


def off_from_golden(results: list[Report]) -> list[str]:
    """The ways that ran and gave something else."""
    return [one["way"] for one in results if not one.get("golden", True)]


def where(asked: str) -> str:
    """The GPU and its driver, as nvidia-smi tells them."""
    if asked == "cpu":
        return "a rehearsal without a GPU"
    told = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(told, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]
    except (OSError, subprocess.SubprocessError):
        return torch.cuda.get_device_name()


def page(reports: list[Report]) -> str:
    """What was found, as Markdown."""
    told = []
    for report in reports:
        model = f"`{report['family']}` over {report['window']} bars"
        told += [
            f"{report['device']}, {model}, {report['date']}, {report['commit']}:",
            "",
            f"| way | off | p50 / p99, ms: {' | '.join(f'{int(rows):,}' for rows in report['batches'])} |",
            f"|---|---|{'---|' * len(report['batches'])}",
        ]
        for one in report["results"]:
            if "refused" in one:
                told.append(f"| {one['way']} | no: {one['refused']} |{' |' * len(report['batches'])}")
                continue
            cells = [f"{ms['p50']:.2f} / {ms['p99']:.2f}" for ms in one["ms"].values()]
            off = f"{one['off']:.0e}" + ("" if one["golden"] else ", **past its tolerance**")
            name = f"{one['way']} ({one['told']})" if one["told"] else one["way"]
            told.append(f"| {name} | {off} | {' | '.join(cells)} |")
        told.append("")
    return "\n".join(told)


def _latency_ms(run: Callable[[Any], Any], inputs: Any, most: int) -> tuple[float, float, int]:
    for _ in range(min(5, most)):
        run(inputs)
    taken: list[float] = []
    while len(taken) < most and (len(taken) < _FEWEST_RUNS or sum(taken) < _ENOUGH_S * 1e3):
        begun = time.perf_counter()
        run(inputs)
        taken.append((time.perf_counter() - begun) * 1e3)
    return float(np.percentile(taken, 50)), float(np.percentile(taken, 99)), len(taken)


def main(arguments: list[str] | None = None) -> None:
    asked = _parsed(arguments)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    if asked.device == "cpu":
        torch.set_num_threads(1)
    batches = tuple(int(rows) for rows in asked.batches.split(","))
    if asked.prepare:
        print(prepared(asked.family, asked.window, Path(asked.prepare).resolve()))
        return
    if asked.only:
        way = next(one for one in WAYS if one.name == asked.only)
        print(
            json.dumps(measure(way, source_of(asked.family, asked.window), Path(asked.bundle), asked.device, batches))
        )
        return
    if asked.device == "cuda" and not torch.cuda.is_available():
        sys.exit("this measures GPUs, and PyTorch finds none here; try: a machine with an NVIDIA GPU, or --device cpu")
    out = Path(asked.out)
    kept = [one for one in _read(out) if (one["device"], one["family"]) != (where(asked.device), asked.family)]
    report: Report = {"device": where(asked.device), "family": asked.family, "window": asked.window}
    report |= {**conditions(torch=str(torch.__version__)), "batches": batches, "results": []}
    with tempfile.TemporaryDirectory() as own:
        folder = Path(asked.bundle).resolve() if asked.bundle else prepared(asked.family, asked.window, Path(own))
        for way in WAYS:
            report["results"].append(in_its_own_process(way, asked, folder))
            print(json.dumps(report["results"][-1]), flush=True)
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps([*kept, report], indent=2) + "\n")
    print(page([report]))
    if asked.write:
        matrix.write(page(_read(out)), "gpu")
    if wrong := off_from_golden(report["results"]):
        sys.exit(f"off from the golden values by more than allowed: {', '.join(wrong)}")


def _read(out: Path) -> list[Report]:
    return json.loads(out.read_text()) if out.is_file() else []


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="hourly_lstm")
    parser.add_argument("--window", type=int, default=48)
    parser.add_argument("--bundle", help="a folder that --prepare wrote")
    parser.add_argument("--prepare", metavar="FOLDER", help="only export, into this folder")
    parser.add_argument("--batches", default=",".join(map(str, BATCHES)))
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--out", default=str(RESULTS / "gpu.json"))
    parser.add_argument("--write", action="store_true", help="put what --out holds into docs/reference/engines.md")
    parser.add_argument("--only", metavar="WAY", help="one way, in this process; its report goes to stdout")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
