"""Plans of TensorRT, built on the device that runs them and kept: by bundle, GPU, driver and library.

A plan fits all four. Where one of them is another, it is built anew, and the log says so and why: that takes minutes.
"""

import hashlib
import logging
import re
from pathlib import Path
from types import ModuleType
from typing import Final

from core import plan
from core.bundle import Bundle
from core.errors import BundleError, EngineError

log = logging.getLogger("gaze.plans")

_DIGEST: Final = 64
_SHARES_TOLD: Final = 4


def announce(told: dict[str, str], *, kept: bool, others: list[str]) -> None:
    """Say whether a plan was kept, and if none was for this device, that one is built, and whether others were."""
    if kept:
        log.info("the plan of this device was built before", extra=told)
    elif others:
        log.warning("the plans that were kept are for other devices, one is built", extra=told | {"others": others})
    else:
        log.warning("a plan is built for this device, once: that takes minutes", extra=told)


def kept_or_built(bundle: Bundle, trt: ModuleType, device: str, folder: Path, kind: str = "onnx") -> bytes:
    """The plan of a graph for this device: the one in the folder, or a new one, which is then kept there.

    `device`: GPU, driver and library in words, all that a plan depends on but the bundle. `kind`: of the artefact.

    Raises: EngineError: it cannot be built.
    """
    name = re.sub(r"[^\w.]+", "-", device)
    of = bundle.digest if kind == "onnx" else f"{bundle.digest}.{kind}"
    path = folder / f"{of}-{name}.plan"
    told = {"device": device, "bundle": bundle.digest, "file": str(path)}
    kept = _read(path)
    if kept is None and path.is_file():
        log.warning("the plan that was kept is damaged and built anew", extra=told)
    else:
        others = sorted(other.stem for other in folder.glob(f"{of}-*.plan"))
        announce(told, kept=kept is not None, others=others)
    if kept is not None:
        return kept
    timings = folder / f"{name}.timings"
    rows = {one.name: one.row for one in bundle.manifest.inputs}
    graph = bundle.path(bundle.manifest.artefact(kind).file).read_bytes()
    try:
        made, timed = plan.build(trt, graph, rows, _read(timings) or b"", _progress())
    except BundleError as error:
        raise EngineError(f'tensorrt was asked for, but {error}, or engine = "onnxruntime-cuda"') from error
    _keep(path, made)
    _keep(timings, timed)
    return made


def _progress() -> plan.Told:
    shares: dict[str, int] = {}

    def tell(phase: str, done: int, of: int) -> None:
        share = done * _SHARES_TOLD // max(of, 1)
        if shares.get(phase) != share:
            shares[phase] = share
            log.info("building the plan", extra={"phase": phase, "done": done, "of": of})

    return tell


def _read(path: Path) -> bytes | None:
    """What was kept, behind its digest; None where it is not there, or not whole."""
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    digest, content = raw[:_DIGEST], raw[_DIGEST:]
    return content if hashlib.sha256(content).hexdigest().encode() == digest else None


def _keep(path: Path, content: bytes) -> None:
    beside = path.with_suffix(".writing")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(hashlib.sha256(content).hexdigest().encode() + content)
        beside.replace(path)
    except OSError as error:
        log.warning("what was built cannot be kept, every start builds it anew", extra={"reason": str(error)})
