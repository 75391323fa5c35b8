"""The engines a model can run on. Each is imported when it is opened, so a daemon needs only the one it uses.

To add one: write its file in this folder and add its function and its line to ENGINES.
"""

import difflib
import os
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec

from core.bundle import Artefact, Bundle
from core.errors import EngineError
from daemon.ports import Engine, StreamingEngine


class OpenEngine(Engine, Protocol):
    """An engine that has loaded an artefact of a bundle."""

    artefact: Artefact
    reason: str
    """Why this one: it was asked for, or what stood against the others."""


class OpenStream(StreamingEngine, Protocol):
    """A streaming engine that has loaded the streaming graphs of a bundle."""

    artefact: Artefact


class Kind(msgspec.Struct, frozen=True):
    """An engine: the kinds of artefact it runs, any of them, and how it is opened.

    "auto" takes it where the bundle has the first of them, and never where it is lossy.
    """

    artefacts: tuple[str, ...]
    open: Callable[[Bundle], OpenEngine]
    lossy: bool = False


def _onnxruntime(engine: str) -> Callable[[Bundle], OpenEngine]:
    def opened(bundle: Bundle) -> OpenEngine:
        from daemon.engines.onnxruntime import OnnxRuntime  # noqa: PLC0415 - see the top

        return OnnxRuntime(bundle, engine)

    return opened


def _onnxruntime_buckets(bundle: Bundle) -> OpenEngine:
    from daemon.engines.onnxruntime import OnnxRuntimeBuckets  # noqa: PLC0415 - see the top

    return OnnxRuntimeBuckets(bundle)


def _litert(bundle: Bundle) -> OpenEngine:
    from daemon.engines.litert import LiteRt  # noqa: PLC0415 - see the top

    return LiteRt(bundle)


def _tensorrt(kind: str) -> Callable[[Bundle], OpenEngine]:
    def opened(bundle: Bundle) -> OpenEngine:
        from daemon.engines.tensorrt import TensorRt  # noqa: PLC0415 - see the top

        return TensorRt(bundle, kind)

    return opened


ENGINES: Final[dict[str, Kind]] = {
    "onnxruntime": Kind(("onnx",), _onnxruntime("onnxruntime")),
    "onnxruntime-buckets": Kind(("buckets",), _onnxruntime_buckets),
    "onnxruntime-fp16": Kind(("fp16",), _onnxruntime("onnxruntime-fp16"), lossy=True),
    "onnxruntime-int8": Kind(("int8",), _onnxruntime("onnxruntime-int8"), lossy=True),
    "onnxruntime-cuda": Kind(("onnx",), _onnxruntime("onnxruntime-cuda")),
    "onnxruntime-cuda-fp16": Kind(("fp16-gpu",), _onnxruntime("onnxruntime-cuda-fp16"), lossy=True),
    "onnxruntime-tensorrt": Kind(("onnx",), _onnxruntime("onnxruntime-tensorrt")),
    "onnxruntime-tensorrt-fp16": Kind(("fp16-gpu",), _onnxruntime("onnxruntime-tensorrt-fp16"), lossy=True),
    "tensorrt": Kind(("tensorrt", "onnx"), _tensorrt("onnx")),
    "tensorrt-fp16": Kind(("fp16-gpu",), _tensorrt("fp16-gpu"), lossy=True),
    "litert": Kind(("tflite",), _litert),
}
AUTO: Final = "auto"


def open_engine(name: str, bundle: Bundle, environment: Mapping[str, str] = os.environ) -> OpenEngine:
    """Open the engine of this name; "auto" opens the one that is fastest here, as measured now or remembered.

    Raises: EngineError: no such engine, or it cannot run here. BundleError: it cannot load what the bundle holds.
    """
    if name == AUTO:
        from daemon.engines.auto import cache_folder, fastest  # noqa: PLC0415 - it measures with numpy

        kinds = {artefact.kind for artefact in bundle.manifest.artefacts}
        able = {name: kind for name, kind in ENGINES.items() if kind.artefacts[0] in kinds and not kind.lossy}
        return fastest(bundle, able, cache_folder(environment) / "engines.json")
    if name not in ENGINES:
        near = [one for one in ENGINES if name in one] or difflib.get_close_matches(name, ENGINES, n=1)
        raise EngineError(
            f"no engine is called {name!r}; there are: {', '.join((AUTO, *ENGINES))}. try: {near[0] if near else AUTO}"
        )
    return ENGINES[name].open(bundle)


def open_stream(engine: OpenEngine, bundle: Bundle) -> OpenStream | None:
    """The streaming graphs on what this engine runs on; None where the bundle has none, or the engine cannot."""
    manifest = bundle.manifest
    if engine.name != "onnxruntime" or not any(one.kind == "stream" for one in manifest.artefacts):
        return None
    # What others tell may still come: only of a symbol's own bars is it known that no more will.
    if any(one.source == "market" or one.external for one in manifest.inputs):
        return None
    from daemon.engines.onnxruntime import OnnxRuntimeStream  # noqa: PLC0415 - see the top

    return OnnxRuntimeStream(bundle)
