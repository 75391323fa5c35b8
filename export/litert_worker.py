"""Runs in the environment of LiteRT's converter, never in that of Gaze: `python litert_worker.py TASK FOLDER`.

convert   model.pt2 -> model.tflite
run       model.tflite and inputs.npz (every input (N, ...), by name) -> outputs.npz, by name
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np


def convert(folder: Path) -> None:
    """Trace in, TFLite out, for one row."""
    import litert_torch  # noqa: PLC0415 - slow, and not needed to run
    import torch  # noqa: PLC0415

    traced = torch.export.load(folder / "model.pt2")
    _, named = traced.example_inputs
    litert_torch.convert(traced.module(), sample_kwargs=named).export(str(folder / "model.tflite"))


def run(folder: Path) -> None:
    """One row after the other."""
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415

    interpreter = Interpreter(model_content=(folder / "model.tflite").read_bytes(), num_threads=1)
    interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner()
    with np.load(folder / "inputs.npz", allow_pickle=False) as stored:
        inputs = {name: stored[name] for name in stored.files}
    count = len(next(iter(inputs.values())))
    rows = [runner(**{name: values[row : row + 1] for name, values in inputs.items()}) for row in range(count)]
    outputs: dict[str, Any] = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    np.savez(folder / "outputs.npz", allow_pickle=False, **outputs)


if __name__ == "__main__":
    {"convert": convert, "run": run}[sys.argv[1]](Path(sys.argv[2]))
