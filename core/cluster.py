"""A Ray cluster while a room spreads its work over it: joined, left, and what fails there told as what fails here.

Whoever imports this loads Ray: only the modules that spread work do.
"""

import logging
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, Final

import ray
from ray.exceptions import RayError, RayTaskError

from core.errors import ConfigError, DataError, GazeError

LOCAL: Final = "local"
RETRIES: Final = 5
"""So often a task is given to another machine when the one that had it is lost."""
_PATIENCE_S: Final = 5.0
_UNKNOWN: Final = "InvalidAuthToken"


@contextmanager
def joined(address: str) -> Iterator[None]:
    """A cluster made here of this machine's cores for "local", else the one at the address.

    What is printed meanwhile goes to standard error: Ray prints what it lost on standard output, where JSON may be due.

    Raises: ConfigError: nobody answers there, or does not know us.
    """
    here = address == LOCAL
    own: dict[str, Any] = {"include_dashboard": False} if here else {}
    try:
        if not here:
            # Ray itself would wait for minutes.
            host, _, port = address.removeprefix("ray://").rpartition(":")
            socket.create_connection((host, int(port)), timeout=_PATIENCE_S).close()
        # What is told on the terminal is ours; Ray's own lines are in its log files.
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise _refused(address, error) from error
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        ray.shutdown()


def answer(task: Any, name: str) -> Any:
    """What a task gives. Raises: GazeError: as it would have been raised here, or it was lost too often."""
    try:
        return ray.get(task)
    except RayTaskError as error:
        cause = error.cause
        if isinstance(cause, GazeError):
            raise type(cause)(f"{name}: {cause}") from error
        raise
    except RayError as error:
        raise DataError(f"{name} was lost on the cluster: {error}; try: the same command again") from error


def _refused(address: str, error: Exception) -> ConfigError:
    if _UNKNOWN in f"{error} {error.__cause__}":
        return ConfigError(
            f"the Ray cluster at {address} asks for a token; "
            "try: RAY_AUTH_MODE=token, and its head's ~/.ray/auth_token on every machine"
        )
    return ConfigError(f"no Ray cluster at {address} ({error}); try: ray start --head and its address, or --on local")
