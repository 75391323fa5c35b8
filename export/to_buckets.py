"""A model of windows that expand as one ONNX file for each of several lengths: a short window is not run as a long one.

Each takes its windows from the left, zeros behind, and beside them how many rows are there. PyTorch freezes the time
axis, which is why there are several; each is tried with two lengths and two batch sizes.
"""

from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from core import buckets, golden
from core.bundle import Input, Manifest
from core.errors import BundleError
from core.golden import Arrays
from export import to_onnx
from export.source import Outputs, Source

_BATCHES: Final = (2, 3)
"""Sizes in which every bucket is tried; one row takes another path, and an engine pads it to two."""


class _FromTheLeft(nn.Module):
    """The model, of whose inputs one is given from the left, with how many of its rows are there."""

    def __init__(self, model: nn.Module, place: int, outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.place = place
        self.outputs = outputs

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        *inputs, length_N = given
        x_NBF = inputs[self.place]
        size = x_NBF.shape[1]
        place_B = torch.arange(size, device=x_NBF.device)
        lacking_N1 = size - length_N.unsqueeze(1)
        from_NB = (place_B - lacking_N1).clamp(min=0)
        moved_NBF = x_NBF.gather(1, from_NB.unsqueeze(-1).expand(-1, -1, x_NBF.shape[2]))
        inputs[self.place] = moved_NBF.masked_fill((place_B < lacking_N1).unsqueeze(-1), torch.nan)
        said = self.model(*inputs)
        return tuple(said[name] for name in self.outputs)


def expanding(manifest: Manifest) -> Input:
    """The one input whose window expands.

    Raises: BundleError: there is none, or there are several.
    """
    those = [one for one in manifest.inputs if one.window.kind == "expanding"]
    if len(those) != 1:
        raise BundleError(
            f"{len(those)} windows of this model expand, expected for buckets of lengths is one; "
            "try: without --to buckets"
        )
    return those[0]


def convert(source: Source) -> tuple[bytes, ...]:
    """The graph of every bucket, the smallest first."""
    manifest, one = source.manifest, expanding(source.manifest)
    module = _FromTheLeft(source.model.eval(), manifest.inputs.index(one), manifest.graph_outputs)
    rows = slice(0, max(_BATCHES))
    files = []
    for size in buckets.buckets_of(one.window.length, one.window.minimum):
        example = {name: torch.from_numpy(values[rows]) for name, values in source.inputs.items()}
        example[one.name] = torch.zeros((len(example[one.name]), size, one.row[1]))
        length_N = torch.full((len(example[one.name]),), size)
        files.append(to_onnx.trace(module, example | {buckets.LENGTHS: length_N}, manifest.graph_outputs))
    return tuple(files)


def run_of(source: Source, files: tuple[bytes, ...], inputs: Arrays) -> Outputs:
    """What the graphs make of windows (N, T, F), each in the smallest bucket that holds it."""
    one = expanding(source.manifest)
    sizes = buckets.buckets_of(one.window.length, one.window.minimum)
    graphs = {size: to_onnx.opened(file) for size, file in zip(sizes, files, strict=True)}
    return buckets.run(graphs, one.name, looks(source.manifest), inputs)


def looks(manifest: Manifest) -> set[str]:
    """The attentions over the steps of the window that expands."""
    return {one.name for one in manifest.attentions if one.axes[-1] == "time"}


def check(files: tuple[bytes, ...], source: Source, tolerance: float) -> None:
    """Try every bucket with the shortest and the longest window it gets, in batches of two sizes, beside PyTorch.

    Raises: BundleError: an output is off by more than the tolerance.
    """
    one = expanding(source.manifest)
    sizes = buckets.buckets_of(one.window.length, one.window.minimum)
    for (before, size), rows in (
        (pair, rows) for pair in pairwise((one.window.minimum - 1, *sizes)) for rows in _BATCHES
    ):
        for length in (before + 1, size):
            inputs = {name: values[:rows] for name, values in source.inputs.items()}
            inputs[one.name] = _with(inputs[one.name], length)
            what = f"the bucket of {size} rows with {rows} windows of {length}"
            golden.check(source.said(inputs), run_of(source, files, inputs), tolerance, what)


def _with(x_NTF: npt.NDArray[np.float32], length: int) -> npt.NDArray[np.float32]:
    """The newest so many rows, where there are so many; zeros fill up what golden windows lack."""
    filled_NTF = np.nan_to_num(x_NTF)
    filled_NTF[:, : x_NTF.shape[1] - length] = np.nan
    return filled_NTF
