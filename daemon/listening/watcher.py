"""What is told of sockets and history, for metrics."""

from typing import Protocol

from daemon.listening import listener, seam


class Watcher(listener.Watcher, seam.Watcher, Protocol):
    """All of it."""
