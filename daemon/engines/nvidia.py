"""What ONNX Runtime needs of NVIDIA's before it runs anything on a GPU; where that is lacking, an error that says what.

ONNX Runtime itself would go on without a word on the CPU.
"""

import contextlib
import ctypes
import importlib.util
import io
import os
import re
from pathlib import Path
from typing import Final

from core.errors import EngineError
from daemon.engines.driver import Driver
from daemon.engines.runtime import BAD_DEVICE, BAD_GRAPH, ort

CUDA: Final = "CUDAExecutionProvider"
TENSORRT: Final = "TensorrtExecutionProvider"
OR_CPU: Final = 'engine = "onnxruntime", which runs on the CPU'
_WORDS: Final = {CUDA: "CUDA", TENSORRT: "TensorRT"}
_CAPI: Final = Path(ort.__file__).parent / "capi"
# The smallest ONNX model there is, y = Identity(x) of one float: only a session tells what really runs a model.
IDENTITY: Final = bytes.fromhex(
    "080712003a370a100a017812017922084964656e746974791201675a0f0a0178120a"
    "0a08080112040a020801620f0a0179120a0a08080112040a02080142040a00100d"
)


def ready(provider: str) -> Driver:
    """The driver, once this provider has run a model of nothing on its GPU.

    Raises: EngineError: it cannot, and why.
    """
    words = _WORDS[provider]
    if provider not in ort.get_available_providers():
        raise EngineError(
            f"this onnxruntime {ort.__version__} is built without {words}; "
            f"try: pip uninstall onnxruntime, then pip install 'gazed[gpu]', or {OR_CPU}"
        )
    driver = Driver()
    # It prints what it does not find; the session tells whether that mattered.
    with contextlib.redirect_stdout(io.StringIO()):
        ort.preload_dlls()
    if provider == TENSORRT:
        # TensorRT may keep 10 bits of 23 (TF32) unless the environment forbids it before it is loaded.
        os.environ["NVIDIA_TF32_OVERRIDE"] = "0"
        _load_tensorrt()
    told = ""
    try:
        runs_on = ort.InferenceSession(IDENTITY, providers=[provider], enable_fallback=0).get_providers()[0]
    except (*BAD_GRAPH, *BAD_DEVICE) as error:
        runs_on, told = "", f" ({error})"
    if runs_on != provider:
        raise EngineError(f"{words} does not start a session{told}: {_why_not(provider)}, or {OR_CPU}")
    return driver


def tensorrt_version() -> str:
    """The TensorRT that ONNX Runtime was built for, as "tensorrt 101301", once it is loaded."""
    return f"tensorrt {_load_tensorrt()}"


def _load_tensorrt() -> int:
    """Load TensorRT's libraries from its wheel or the system, and say which version they are."""
    provider = _CAPI / "libonnxruntime_providers_tensorrt.so"
    names = sorted({name.decode() for name in re.findall(rb"libnvinfer\w*\.so\.\d+", provider.read_bytes())})
    wheel = importlib.util.find_spec("tensorrt_libs")
    folders = [Path(one) for one in (wheel.submodule_search_locations or [])] if wheel else []
    version = 0
    for name in names:
        near = next((folder / name for folder in folders if (folder / name).is_file()), None)
        try:
            library = ctypes.CDLL(str(near or name), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            major = int(name.rpartition(".")[2])
            raise EngineError(
                f"onnxruntime {ort.__version__} is built for {name}, which does not load here ({error}); "
                f"try: pip install 'tensorrt>={major},<{major + 1}', or engine = \"onnxruntime-cuda\""
            ) from error
        if hasattr(library, "getInferLibVersion"):
            version = int(library.getInferLibVersion())
    return version


def _why_not(provider: str) -> str:
    """The reason ONNX Runtime does not give: which library cannot be loaded, and what to do about it."""
    library = _CAPI / f"libonnxruntime_providers_{_WORDS[provider].lower()}.so"
    try:
        ctypes.CDLL(str(library), mode=os.RTLD_LAZY)
    except OSError as error:
        return f"its libraries do not load here ({error}); try: pip install 'onnxruntime-gpu[cuda,cudnn]'"
    return "it gives no reason; try: nvidia-smi, to see whether the GPU is free"
