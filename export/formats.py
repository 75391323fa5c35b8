"""The formats a model can be exported to.

To add one: write `export/to_x.py` with `convert` and `run`, and add its line to FORMATS.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from core.errors import UsageError
from core.golden import Arrays
from export import to_buckets, to_fp16, to_int8, to_onnx, to_stream, to_tensorrt, to_tflite
from export.source import Outputs, Source

Files = tuple[bytes, ...]


class Format(msgspec.Struct, frozen=True):
    """One form of a model: the contents of its files, the first of these, and what they make of inputs (N, T, F).

    `tolerance`: how far from PyTorch it may be, as a share of each output's largest value.
    """

    files: tuple[str, ...]
    tolerance: float
    convert: Callable[[Source], Files]
    run: Callable[[Source, Files, Arrays], Outputs] | None
    """None where only a GPU can: the daemon proves it where it is run."""
    lossy: bool = False
    """It is not meant to give what PyTorch gives: what it gives is kept beside it, and its cost is measured."""
    check: Callable[[Files, Source, float], None] | None = None
    """What golden rows alone cannot show: raises BundleError where the files are off by more than the tolerance."""
    twin: Callable[[Source, Arrays], Outputs] | None = None
    """Of a lossy form that only a GPU can run: what says in its place, where it is made, what it costs."""

    def named(self, contents: Files) -> dict[str, bytes]:
        """Contents by the names of their files."""
        return dict(zip(self.files, contents, strict=False))


def _alone(run: Callable[[Files, Arrays], Outputs]) -> Callable[[Source, Files, Arrays], Outputs]:
    """Of a form whose files say all there is to say."""
    return lambda _, files, inputs: run(files, inputs)


FORMATS: Final[dict[str, Format]] = {
    # float32 in another order of operations is off by 2e-7 to 2e-6; a layer that is wrong by 1 % by 2e-5 and more.
    "onnx": Format(
        ("model.onnx",),
        1e-5,
        lambda source: (source.onnx,),
        _alone(lambda files, inputs: to_onnx.run(files[0], inputs)),
    ),
    "stream": Format(
        ("model.prefix.onnx", "model.step.onnx", "model.carry.onnx"),
        1e-5,
        to_stream.convert,
        _alone(to_stream.run),
        check=to_stream.check,
    ),
    "buckets": Format(
        tuple(f"model.bucket{number}.onnx" for number in range(1, 5)),
        1e-5,
        to_buckets.convert,
        to_buckets.run_of,
        check=to_buckets.check,
    ),
    "fp16": Format(("model.fp16.onnx",), 5e-3, to_fp16.convert, _alone(to_fp16.run), lossy=True),
    "fp16-gpu": Format(
        ("model.fp16.gpu.onnx",), 5e-3, to_fp16.convert_for_gpu, None, lossy=True, twin=to_fp16.run_twin
    ),
    "int8": Format(("model.int8.onnx",), 5e-2, to_int8.convert, _alone(to_int8.run), lossy=True),
    "tflite": Format(("model.tflite",), 1e-5, to_tflite.convert, _alone(to_tflite.run)),
    "tensorrt": Format(("model.tensorrt.engine",), 1e-5, to_tensorrt.convert, None),
}


def known(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, if every one is in FORMATS.

    Raises: UsageError: one is not.
    """
    for name in names:
        if name not in FORMATS:
            raise UsageError(f"no format is called {name!r}; there are: {', '.join(FORMATS)}. try: --to onnx")
    return names
