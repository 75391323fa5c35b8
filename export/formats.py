"""The formats a model can be exported to.

To add one: write `export/to_x.py` with `convert` and `run`, and add its line to FORMATS.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from torch import nn

from core.bundle import Manifest
from core.errors import UsageError
from core.golden import Arrays
from export import to_onnx


class Format(msgspec.Struct, frozen=True):
    """One form of a model. `tolerance`: how far from PyTorch it may be, as a share of each output's largest value."""

    file: str
    tolerance: float
    convert: Callable[[nn.Module, Manifest, Arrays], bytes]
    run: Callable[[bytes, Arrays], dict[str, npt.NDArray[np.float32]]]


FORMATS: Final[dict[str, Format]] = {
    # float32 in another order of operations is off by 2e-7 to 2e-6; a layer that is wrong by 1 % by 2e-5 and more.
    "onnx": Format("model.onnx", 1e-5, to_onnx.convert, to_onnx.run),
}


def known(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, if every one is in FORMATS.

    Raises: UsageError: one is not.
    """
    for name in names:
        if name not in FORMATS:
            raise UsageError(f"no format is called {name!r}; there are: {', '.join(FORMATS)}. try: --to onnx")
    return names
