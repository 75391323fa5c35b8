"""What every format is made of."""

from functools import cached_property

import numpy as np
import numpy.typing as npt
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

    @cached_property
    def onnx(self) -> bytes:
        """The content of model.onnx, which other formats begin with."""
        return to_onnx.convert(self.model, self.manifest, self.inputs)
