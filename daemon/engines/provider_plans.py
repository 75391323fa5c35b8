"""What ONNX Runtime's TensorRT provider is told, and where the plans that it builds are kept.

As plans of our own (daemon/engines/plans.py): by bundle, GPU, driver and library, in a folder for each, and what was
timed beside them, for the next bundle's build to begin with. Never run by its authors on a GPU.
"""

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from daemon.engines.plans import announce, log

_EVERY_S: Final = 10.0
"""How often a build says that it goes on: the provider tells nothing of how far it is."""


def options(plans: Path, timings: Path, *, half: bool) -> dict[str, str]:
    """What the provider is told. `half`: it may compute in half precision, as the graph does; sums stay in float32."""
    told = {
        "device_id": "0",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(plans),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(timings),
    }
    return told | ({"trt_fp16_enable": "1", "trt_layer_norm_fp32_fallback": "1"} if half else {})


def places(root: Path, digest: str, device: str, file: str) -> tuple[Path, Path]:
    """The folders of this graph's plans, and of what was timed on this device, in words as in plans.py."""
    name = re.sub(r"[^\w.]+", "-", device)
    return root / f"{digest}-{name}" / file, root / f"{name}.timed"


@contextlib.contextmanager
def watched(plans: Path, timings: Path, digest: str, device: str) -> Iterator[None]:
    """Say whether a plan is there, that one is being built and why, and where one that was kept was not taken."""
    told = {"device": device, "bundle": digest, "folder": str(plans)}
    before = _kept(plans)
    others = sorted({path.parent.name for path in plans.parents[1].glob(f"{digest}-*/{plans.name}") if path != plans})
    announce(told, kept=bool(before), others=others)
    try:
        for folder in (plans, timings):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        log.warning("what is built cannot be kept, every start builds it anew", extra=told | {"reason": str(error)})
    begun = time.monotonic()
    with ticking(_EVERY_S, lambda: log.info("building the plan", extra={"took_s": round(time.monotonic() - begun)})):
        yield
    after = _kept(plans)
    if before and after != before:
        log.warning("TensorRT did not take the plan that was kept, and built it anew", extra=told)
    elif after != before:
        log.info("the plan is built", extra=told | {"took_s": round(time.monotonic() - begun)})


@contextlib.contextmanager
def ticking(every_s: float, tell: Callable[[], None]) -> Iterator[None]:
    """Call this every so often, from a thread of its own, until the block ends."""
    over = threading.Event()

    def tick() -> None:
        while not over.wait(every_s):
            tell()

    thread = threading.Thread(target=tick, name="ticking", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _kept(plans: Path) -> dict[str, int]:
    """The plans that are there, and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in plans.glob("*.engine")}
