"""A model as a TensorRT plan, built from its ONNX graph by whichever of TensorRT and TensorRT-RTX is installed.

TensorRT-RTX builds without a GPU, for any it supports; TensorRT on the GPU that will run the plan, for that one alone.
Without a GPU a plan cannot be run, so it goes into the bundle unproven: the daemon proves it before it predicts.
"""

import importlib
from types import ModuleType
from typing import Any, Final

from core.errors import BundleError, UsageError
from export.source import Source

MODULES: Final = ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings")
MOST_ROWS: Final = 256
"""The largest batch a plan takes; the engine cuts larger ones."""
_USUAL_ROWS: Final = 64


def module() -> ModuleType:
    """TensorRT, or TensorRT-RTX.

    Raises: UsageError: neither is installed.
    """
    for name in MODULES:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise UsageError(
        "--to tensorrt needs TensorRT, and none is installed. try: pip install 'gazed[tensorrt-rtx]', "
        "which builds without a GPU, or tensorrt on the machine that will run the model"
    )


def convert(source: Source) -> tuple[bytes]:
    """The plan: batches of 1 to MOST_ROWS, float32 without TF32. Two builds of one graph differ in some bytes.

    Raises: UsageError: no TensorRT. BundleError: it does not know an operator, or cannot build.
    """
    trt = module()
    log = _log(trt)
    builder = trt.Builder(log)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, log)
    if not parser.parse(source.onnx):
        told = "; ".join(parser.get_error(number).desc() for number in range(parser.num_errors))
        raise BundleError(f"TensorRT {trt.__version__} cannot read this model: {told}. try: without --to tensorrt")
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # it would keep 10 bits of 23
    profile = builder.create_optimization_profile()
    for one in source.manifest.inputs:
        profile.set_shape(one.name, *((rows, *one.row) for rows in (1, _USUAL_ROWS, MOST_ROWS)))
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BundleError(
            f"TensorRT {trt.__version__} cannot build: {'; '.join(log.errors)}. try: without --to tensorrt"
        )
    return (bytes(plan),)


def _log(trt: ModuleType) -> Any:
    """A log that prints nothing and keeps what went wrong."""

    class Log(trt.ILogger):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.ERROR:
                self.errors.append(message)

    return Log()
