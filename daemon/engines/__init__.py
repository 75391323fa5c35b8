"""The engines a model can run on. Each is imported when it is opened, so a daemon needs only the one it uses.

To add one: write its file in this folder and add its function and its line to ENGINES.
"""

import difflib
from collections.abc import Callable
from typing import Final, Protocol

from core.bundle import Artefact, Bundle
from core.errors import EngineError
from daemon.ports import Engine


class OpenEngine(Engine, Protocol):
    """An engine that has loaded an artefact of a bundle."""

    artefact: Artefact
    reason: str
    """Why this one: it was asked for, or what stood against the others."""


def _onnxruntime(bundle: Bundle) -> OpenEngine:
    from daemon.engines.onnxruntime import OnnxRuntime  # noqa: PLC0415 - see the top

    return OnnxRuntime(bundle, "cpu")


def _onnxruntime_cuda(bundle: Bundle) -> OpenEngine:
    from daemon.engines.onnxruntime import OnnxRuntime  # noqa: PLC0415 - see the top

    return OnnxRuntime(bundle, "cuda")


ENGINES: Final[dict[str, Callable[[Bundle], OpenEngine]]] = {
    "onnxruntime": _onnxruntime,
    "onnxruntime-cuda": _onnxruntime_cuda,
}
AUTO: Final = "auto"
_PREFERRED: Final = ("onnxruntime-cuda", "onnxruntime")


def open_engine(name: str, bundle: Bundle) -> OpenEngine:
    """Open the engine of this name; "auto" opens the first that works here, a GPU before the CPU, and gives its reason.

    Raises: EngineError: no such engine, or it cannot run here. BundleError: it cannot load what the bundle holds.
    """
    if name == AUTO:
        return _first_that_works(bundle)
    if name not in ENGINES:
        near = difflib.get_close_matches(name, ENGINES, n=1)
        raise EngineError(
            f"no engine is called {name!r}; there are: {', '.join((AUTO, *ENGINES))}. try: {near[0] if near else AUTO}"
        )
    return ENGINES[name](bundle)


def _first_that_works(bundle: Bundle) -> OpenEngine:
    against: list[str] = []
    for name in _PREFERRED:
        try:
            engine = ENGINES[name](bundle)
        except EngineError as error:
            if name == _PREFERRED[-1]:
                raise
            against.append(f"{name}: {error}")
        else:
            engine.reason = "; ".join(("auto", *against))
            return engine
    raise AssertionError(_PREFERRED)
