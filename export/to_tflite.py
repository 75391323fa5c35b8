"""A model as a TFLite file for LiteRT on small boards: one row at a time, its LSTMs unrolled over the window.

The converter needs packages that fit no other part of Gaze, so it has an environment of its own, made once: 2 GB in the
user's cache. What is exchanged with it are files: the traced model in, the converted one out.
"""

import os
import subprocess
import sys
import tempfile
import venv
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from core.errors import BundleError, UsageError
from core.golden import Arrays
from export.source import Outputs, Source

CONVERTER: Final = "litert-torch==0.10.0"
_WORKER: Final = Path(__file__).with_name("litert_worker.py")
_LONGEST: Final = 120
"""Steps of a window beyond which unrolling takes minutes and more."""


class _Named(nn.Module):
    """The model with its inputs by name, which the file then keeps, and nothing but its outputs."""

    def __init__(self, model: nn.Module, outputs: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.outputs = tuple(outputs)

    def forward(self, **x_NTF: Tensor) -> dict[str, Tensor]:
        said = self.model(*x_NTF.values())
        return {name: said[name] for name in self.outputs}


def convert(source: Source) -> tuple[bytes]:
    """The file, its inputs and outputs by name.

    Raises: UsageError: the converter's environment cannot be made. BundleError: the converter refuses the model.
    """
    steps = max(one.row[0] for one in source.manifest.inputs)
    if steps > _LONGEST:
        raise BundleError(
            f"LiteRT's converter unrolls a window step by step, and {steps} steps are too many for it; "
            f"at most {_LONGEST} are tried. try: without --to tflite"
        )
    python = environment(os.environ)
    example = {one.name: torch.from_numpy(source.inputs[one.name][:1]) for one in source.manifest.inputs}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of weights that an LSTM keeps twice
        traced = torch.export.export(_Named(source.model, source.manifest.graph_outputs).eval(), (), example)
        torch.export.save(traced, Path(folder) / "model.pt2")
        _work(python, "convert", Path(folder))
        return ((Path(folder) / "model.tflite").read_bytes(),)


def run(files: tuple[bytes, ...], inputs: Arrays) -> Outputs:
    """What LiteRT on the CPU makes of these inputs, one row at a time, in the converter's environment."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.tflite").write_bytes(files[0])
        np.savez(Path(folder) / "inputs.npz", allow_pickle=False, **dict(inputs))
        _work(environment(os.environ), "run", Path(folder))
        with np.load(Path(folder) / "outputs.npz", allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}


def environment(variables: Mapping[str, str]) -> Path:
    """The Python that has the converter; its environment is made where it is not there yet.

    Raises: UsageError: its packages cannot be installed.
    """
    release = torch.__version__.partition("+")[0]
    given = variables.get("XDG_CACHE_HOME")
    cache = (Path(given) if given else Path.home() / ".cache") / "gaze"
    name = f"{CONVERTER}-torch-{release}-python-{sys.version_info.major}.{sys.version_info.minor}".replace("==", "-")
    folder, python = cache / name, cache / name / "bin" / "python"
    if (folder / "ready").exists():
        return python
    print(
        f"making an environment for LiteRT's converter in {folder}: 2 GB, once; pip says what it does",
        file=sys.stderr,
    )
    venv.create(folder, clear=True, with_pip=True)
    # The same PyTorch as here, or it could not read what is traced here.
    install = [
        str(python),
        "-m",
        "pip",
        "install",
        "--no-input",
        "--progress-bar",
        "off",
        CONVERTER,
        f"torch=={release}",
    ]
    # Standard output is for what is asked of it with --json.
    installed = subprocess.run(install, stdout=sys.stderr, check=False)  # noqa: S603 - a fixed command
    if installed.returncode != 0:
        raise UsageError(
            f"{CONVERTER} cannot be installed into {folder}: pip says why above. try: again with a network, "
            "or without --to tflite"
        )
    (folder / "ready").touch()
    return python


def _work(python: Path, task: str, folder: Path) -> None:
    command = [str(python), str(_WORKER), task, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own worker
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["it ended without a word"]
        raise BundleError(f"LiteRT's {task} failed: {lines[-1]}. try: without --to tflite")
