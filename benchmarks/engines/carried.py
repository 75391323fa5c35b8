"""What running a window ahead saves at the close: whole windows beside the step, and beside carrying states on.

    gaze bench carried [--models hourly_lstm/48,hybrid_lstm:last/720] [--write]

Times as fast as the whole window, each run in turn with one of the whole graph, one thread, for 1 and 32 rows. The step
is what runs when a bar closes; where windows expand, carrying is what runs behind it and makes the states of the next.
Weights are random, windows are full. --write puts the table into docs/reference/engines.md.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import torch

from benchmarks.engines import matrix
from benchmarks.engines.models import ONE_THREAD, in_turn, inputs_of, source_of
from benchmarks.house import conditions
from core import bundle
from core.bundle import GOLDEN, REFERENCE, Artefact, Bundle
from daemon.engines.onnxruntime import OnnxRuntime, OnnxRuntimeStream
from export.bundle import npz
from export.formats import FORMATS
from export.source import Source

MODELS = "attention_lstm/48,hourly_lstm/48,hybrid_lstm:last/48,hybrid_lstm:last/720"
BATCHES = (1, 32)


def rows_of(family: str, window: int, batches: tuple[int, ...] = BATCHES) -> Iterator[str]:
    """The row of one model: by so many rows at once."""
    source = source_of(family, window)
    with tempfile.TemporaryDirectory() as folder:
        made = _bundle(Path(folder) / "made", source)
        whole, stream = OnnxRuntime(made), OnnxRuntimeStream(made)
        for rows in batches:
            inputs = inputs_of(source.manifest, rows)
            states = stream.prefix({name: values[:, :-1] for name, values in inputs.items()})
            newest = {name: np.ascontiguousarray(values[:, -1:]) for name, values in inputs.items()}
            recent = {name: np.ascontiguousarray(values[:, -stream.recent :]) for name, values in inputs.items()}

            def full(inputs: dict[str, np.ndarray] = inputs) -> object:
                return whole.run(inputs)

            ratios = [_told(lambda: stream.step(states, newest), full)]  # noqa: B023 - run at once
            ratios.append(_told(lambda: stream.carry(states, recent), full) if stream.recent else "-")  # noqa: B023
            yield f"| {family} | {window} | {rows} | {' | '.join(ratios)} |"


def _told(run: Callable[[], object], full: Callable[[], object]) -> str:
    times, us = in_turn(run, full)
    return f"{times:.1f} x, {us:,.0f} us"


def _bundle(folder: Path, source: Source) -> Bundle:
    files = {GOLDEN: npz({}), REFERENCE: npz({})}
    artefacts = []
    for kind in ("onnx", "stream"):
        made = FORMATS[kind].named(FORMATS[kind].convert(source))
        artefacts.append(Artefact(kind, tuple(made), FORMATS[kind].tolerance, {}))
        files |= made
    return bundle.write(folder, msgspec.structs.replace(source.manifest, artefacts=tuple(artefacts)), files)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=MODELS, help="FAMILY/WINDOW, with commas between")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reference/engines.md")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    lines = ["| family | window | rows | the step | carrying on |", "|---|---|---|---|---|"]
    for model in asked.models.split(","):
        family, _, window = model.partition("/")
        for row in rows_of(family, int(window)):
            print(row, file=sys.stderr, flush=True)
            lines.append(row)
    now = conditions()
    told = "\n".join([*lines, "", f"{', '.join(ONE_THREAD.values())}, {now['date']}, {now['commit']}."]) + "\n"
    print(told)
    if asked.write:
        matrix.write(told, "carried")


if __name__ == "__main__":
    main()
