"""Which engine is fastest on this machine? Measured once with the shapes of the bundle, then remembered in a file."""

import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from core import golden
from core.bundle import GOLDEN, Bundle
from core.errors import EngineError
from core.golden import INPUT

if TYPE_CHECKING:
    from daemon.engines import Kind, OpenEngine

ROWS: Final = 64
"""What is measured: a batch of so many windows, the size in which bursts are run."""
_REPEATS: Final = 5


class Choice(msgspec.Struct, frozen=True):
    """What was chosen, and how long each engine took, in milliseconds; it holds while the same engines open."""

    engine: str
    took_ms: dict[str, float]


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where measurements are kept: systemd's CacheDirectory=, or the user's cache."""
    given = environment.get("CACHE_DIRECTORY") or environment.get("XDG_CACHE_HOME")
    return (Path(given) if given else Path.home() / ".cache") / "gaze"


def fastest(
    bundle: Bundle,
    kinds: Mapping[str, "Kind"],
    cache: Path,
    clock_s: Callable[[], float] = time.perf_counter,
) -> "OpenEngine":
    """Open every engine that can run here, and keep the fastest.

    Raises: EngineError: none can.
    """
    against: list[tuple[str, str]] = []
    engines: dict[str, OpenEngine] = {}
    for name, kind in kinds.items():
        try:
            engines[name] = kind.open(bundle)
        except EngineError as error:
            against.append((name, str(error)))
    if not engines:
        refused = [f"{name}: {error}" for name, error in against]
        raise EngineError("no engine can run this bundle here: " + "; ".join(refused or ["it holds nothing to run"]))
    # Nobody asked for those that cannot, so there is nothing to mend either.
    passed = [f"not {name}: {_why(name, error)}" for name, error in against]
    if len(engines) == 1:
        (only,) = engines.values()
        only.reason = "; ".join(("auto, the only one that runs here", *passed))
        return only
    key = f"{bundle.digest} on {platform.node()}: {', '.join(sorted(engines))}"
    remembered = _read(cache)
    choice = remembered.get(key)
    how = "as measured before"
    if choice is None or choice.engine not in engines:
        how = "measured now"
        took_ms = {name: _took_ms(engine, bundle, clock_s) for name, engine in engines.items()}
        choice = Choice(min(took_ms, key=lambda name: took_ms[name]), took_ms)
        _write(cache, remembered | {key: choice})
    took = ", ".join(f"{name} {ms:.2f} ms" for name, ms in sorted(choice.took_ms.items(), key=lambda one: one[1]))
    chosen = engines[choice.engine]
    chosen.reason = "; ".join((f"auto, {how}: {took} for {ROWS} windows", *passed))
    return chosen


def _took_ms(engine: "OpenEngine", bundle: Bundle, clock_s: Callable[[], float]) -> float:
    """The best of some runs after one to warm up."""
    inputs = golden.named(INPUT, bundle.arrays(GOLDEN))
    # The golden windows over and over: those that expand lack as many rows as usual.
    inputs = {name: np.resize(values, (ROWS, *values.shape[1:])) for name, values in inputs.items()}
    engine.run(inputs)
    taken = []
    for _ in range(_REPEATS):
        begun = clock_s()
        engine.run(inputs)
        taken.append(clock_s() - begun)
    return min(taken) * 1_000


def _read(cache: Path) -> dict[str, Choice]:
    try:
        return msgspec.json.decode(cache.read_bytes(), type=dict[str, Choice])
    except (OSError, msgspec.MsgspecError):
        return {}


def _write(cache: Path, choices: dict[str, Choice]) -> None:
    """Remember, where there is a place to: a read-only system measures at every start."""
    beside = cache.with_suffix(".writing")
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(choices), indent=2))
        beside.replace(cache)
    except OSError:
        return


def _why(name: str, error: str) -> str:
    return error.partition("; try: ")[0].removeprefix(f"{name} was asked for, but ")
