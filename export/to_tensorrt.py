"""A model as a TensorRT plan, built from its ONNX graph by whichever of TensorRT and TensorRT-RTX is installed.

TensorRT-RTX builds without a GPU, for any it supports; TensorRT on the GPU that will run the plan, for that one alone.
Without a GPU a plan cannot be run, so it goes into the bundle unproven: the daemon proves it before it predicts.
"""

from core import plan
from core.errors import UsageError
from export.source import Source


def convert(source: Source) -> tuple[bytes]:
    """The plan: batches of 1 to 256, float32 without TF32. Two builds of one graph differ in some bytes.

    Raises: UsageError: no TensorRT. BundleError: it does not know an operator, or cannot build.
    """
    trt = plan.installed()
    if trt is None:
        raise UsageError(
            "--to tensorrt needs TensorRT, and none is installed. try: pip install 'gazed[tensorrt-rtx]', "
            "which builds without a GPU, or tensorrt on the machine that will run the model"
        )
    made, _ = plan.build(trt, source.onnx, {one.name: one.row for one in source.manifest.inputs})
    return (made,)
