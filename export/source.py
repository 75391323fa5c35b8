"""What every format is made of."""

from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from core import golden
from core.bundle import Manifest
from core.golden import INPUT, OUTPUT, Arrays
from export import to_onnx

Outputs = dict[str, npt.NDArray[np.float32]]


class Source:
    """A model, its manifest, and its golden inputs (N, T, F) and outputs (N, ...)."""

    def __init__(self, model: nn.Module, manifest: Manifest, arrays: Arrays) -> None:
        self.model = model
        self.manifest = manifest
        self.inputs = golden.named(INPUT, arrays)
        self.outputs = golden.named(OUTPUT, arrays)
        self.rows = len(arrays["bars"])

    def said(self, inputs: Arrays) -> Outputs:
        """What PyTorch makes of other inputs (N, T, F)."""
        with torch.inference_mode():
            told = self.model.eval()(*(torch.from_numpy(inputs[one.name]) for one in self.manifest.inputs))
        return {name: told[name].numpy() for name in self.manifest.graph_outputs}

    @cached_property
    def onnx(self) -> bytes:
        """The content of model.onnx, which other formats begin with."""
        return to_onnx.convert(self.model, self.manifest, self.inputs)
