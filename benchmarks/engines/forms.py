"""Every family in every form: whether it converts, how far it is from PyTorch, how large it is, and how fast it runs.

    gaze bench engines [--window 48] [--families hourly_lstm,tcn] [--formats onnx,stream] [--write] [--json]

Latencies are microseconds a row for 1, 32 and 1,000 rows, through the engines of the daemon, beside PyTorch in eager
mode in the same run: best of one second each, one thread. Of the streaming graphs the step is timed, which is what runs
when a bar closes; of buckets windows that are there to an eighth. --write puts the table into the page.
Weights are random, bars are made up.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from benchmarks.engines.models import ONE_THREAD, OPTIONS, best_us, inputs_of, source_of
from benchmarks.house import HOUSE, conditions
from core import bundle
from core.bundle import GOLDEN, REFERENCE, Bundle
from core.errors import GazeError
from daemon.engines import ENGINES, open_engine
from daemon.engines.onnxruntime import OnnxRuntimeStream
from export import to_stream
from export.bundle import npz
from export.formats import FORMATS
from export.prove import prove
from export.source import Source
from training.families import FAMILIES

PAGE = HOUSE / "docs" / "reference" / "engines.md"
BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"
BATCHES = (1, 32, 1_000)
Inputs = dict[str, npt.NDArray[np.float32]]


def measure(family: str, window: int, formats: list[str]) -> list[dict[str, Any]]:
    """One entry for PyTorch and one for each format."""
    source = source_of(family, window)
    batches = {rows: inputs_of(source.manifest, rows) for rows in BATCHES}

    def eager(inputs: Inputs) -> None:
        with torch.inference_mode():
            source.model(*(torch.from_numpy(inputs[one.name]) for one in source.manifest.inputs))

    said = [{"family": family, "form": "PyTorch", **_timed(lambda inputs: lambda: eager(inputs), batches)}]
    for kind in formats:
        if kind == "buckets" and all(one.window.kind == "rolling" for one in source.manifest.inputs):
            continue
        if kind == "stream" and to_stream.why_not(source):
            said.append({"family": family, "form": kind, "refused": to_stream.why_not(source)})
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                made = _bundle(Path(folder) / "bundle", kind, source)
                said.append({"family": family, "form": kind, **_described(made), **_speed(kind, made, batches)})
            except GazeError as error:
                said.append({"family": family, "form": kind, "refused": str(error).partition(" try: ")[0]})
    return said


def _bundle(folder: Path, kind: str, source: Source) -> Bundle:
    contents = FORMATS[kind].convert(source)
    artefact, kept = prove(kind, contents, source, FORMATS[kind].tolerance)
    files = dict(zip(artefact.files, contents, strict=True)) | {GOLDEN: npz(dict(kept)), REFERENCE: npz({})}
    return bundle.write(folder, msgspec.structs.replace(source.manifest, artefacts=(artefact,)), files)


def _described(made: Bundle) -> dict[str, Any]:
    (artefact,) = made.manifest.artefacts
    shares = artefact.cost or artefact.measured
    looks = {one.name for one in made.manifest.attentions}
    return {
        "kib": sum(made.path(file).stat().st_size for file in artefact.files) / 1024,
        "predictions": max((share for name, share in shares.items() if name not in looks), default=None),
        "attention": max((share for name, share in shares.items() if name in looks), default=None),
        "same_bits": artefact.same_bits,
    }


def _speed(kind: str, made: Bundle, batches: dict[int, Inputs]) -> dict[str, Any]:
    if kind == "stream":
        return _timed(lambda inputs: _step(OnnxRuntimeStream(made), inputs), batches)
    for name, known in ENGINES.items():
        if kind in known.artefacts:
            try:
                engine = open_engine(name, made)
            except GazeError as error:
                return {"not_run": str(error).partition("; try: ")[0]}
            if kind == "buckets":
                batches = {rows: _an_eighth(inputs) for rows, inputs in batches.items()}
            return _timed(lambda inputs: lambda: engine.run(inputs), batches)  # noqa: B023 - run before it changes
    raise AssertionError(kind)


def _an_eighth(inputs: Inputs) -> Inputs:
    """The windows, of whose rows seven of eight are lacking."""
    short = {name: values.copy() for name, values in inputs.items()}
    for values in short.values():
        values[:, : values.shape[1] - values.shape[1] // 8] = np.nan
    return short


def _step(stream: OnnxRuntimeStream, inputs: Inputs) -> Callable[[], object]:
    states = stream.prefix({name: values[:, :-1] for name, values in inputs.items()})
    newest = {name: np.ascontiguousarray(values[:, -1:]) for name, values in inputs.items()}
    return lambda: stream.step(states, newest)


def _timed(prepared: Callable[[Inputs], Callable[[], object]], batches: dict[int, Inputs]) -> dict[str, Any]:
    return {"us": {rows: best_us(prepared(inputs)) / rows for rows, inputs in batches.items()}}


def page(rows: list[dict[str, Any]], window: int) -> str:
    """The table as Markdown."""
    told = " · ".join(f"{key} {value}" for key, value in conditions(**ONE_THREAD).items())
    lines = [
        f"Windows of {window} bars; {told}.",
        "",
        "| family | form | predictions off | attention off | KiB | us a row: 1 | 32 | 1,000 | times PyTorch |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    eager: dict[int, float] = {}
    for row in rows:
        if "refused" in row:
            lines.append(f"| {row['family']} | {row['form']} | {row['refused']} | | | | | | |")
            continue
        eager = row["us"] if row["form"] == "PyTorch" else eager
        off = [_share(row.get(name)) for name in ("predictions", "attention")]
        size = f"{row['kib']:,.0f}" if "kib" in row else ""
        speed = [f"{row['us'][count]:,.1f}" for count in BATCHES] if "us" in row else ["not run here", "", ""]
        ratio = " / ".join(f"{eager[count] / row['us'][count]:.1f}" for count in BATCHES) if "us" in row else ""
        bits = ", same bits" if row.get("same_bits") and row["form"] != "onnx" else ""
        lines.append(f"| {' | '.join([row['family'], row['form'] + bits, *off, size, *speed, ratio])} |")
    return "\n".join(lines) + "\n"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0e}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--window", type=int, default=48)
    parser.add_argument("--families", default=",".join(dict.fromkeys((*FAMILIES, *OPTIONS))))
    parser.add_argument("--formats", default="onnx,stream,buckets,fp16,int8")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reference/engines.md")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = []
    for family in asked.families.split(","):
        rows += measure(family, asked.window, asked.formats.split(","))
    if asked.json:
        print(json.dumps({**conditions(**ONE_THREAD), "results": rows}, indent=2))
        return
    table = page(rows, asked.window)
    print(table)
    if asked.write:
        before, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(before + BEGIN + table + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
