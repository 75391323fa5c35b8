"""Ports for programs that have to be told one."""

import itertools
import random
import socket

# Below what the kernel gives to whoever asks for any port: nobody is given it before its program takes it.
_CANDIDATES = random.sample(range(12_000, 22_500), 10_500)
_coming = itertools.cycle(_CANDIDATES)


def free_port() -> int:
    """A port that nobody has, nor the one 10,000 above it, where nodes of a Redis cluster talk; each time another."""
    return next(port for port in _coming if _is_free(port) and _is_free(port + 10_000))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As a server would: a port whose last connection is only just over is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
