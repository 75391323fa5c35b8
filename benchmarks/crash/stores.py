"""Where a run of the crash test keeps its record, and how that is struck: killed or paused, and brought back."""

import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

from benchmarks.running.redises import Service, cluster
from daemon.stores.embedded import EmbeddedServer, socket_in
from daemon.stores.keys import Keys

KINDS: Final = ("embedded", "external", "cluster")
KILL: Final = "kill-store"


class Store(Protocol):
    """One Redis, or several."""

    url: str
    """Where readers find it."""
    flags: tuple[str, ...]
    """What the daemon is told of it."""

    async def strike(self, kind: str, pid: int) -> None:
        """Kill it, or stop it: the server of this process, or the one that leads."""

    async def relieve(self, kind: str, pid: int) -> None:
        """Bring it back, once the daemon has noticed."""


class Own:
    """The server that the daemon starts for itself, and starts again."""

    def __init__(self, state: Path) -> None:
        self.url = f"unix://{socket_in(state)}"
        self.flags = ()

    async def strike(self, kind: str, pid: int) -> None:
        """Kill or stop it."""
        os.kill(pid, signal.SIGKILL if kind == KILL else signal.SIGSTOP)

    async def relieve(self, kind: str, pid: int) -> None:
        """Let it go on where it was stopped."""
        if kind != KILL:
            os.kill(pid, signal.SIGCONT)


class Beside:
    """A server beside the daemon: Debian's where it is installed, else the one that comes with the package."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.url = server.url
        self.flags = ("--store", server.url)
        self._server = server

    async def strike(self, kind: str, pid: int) -> None:
        """Kill or stop it."""
        os.kill(pid, signal.SIGKILL if kind == KILL else signal.SIGSTOP)

    async def relieve(self, kind: str, pid: int) -> None:
        """Start it again, or let it go on."""
        if kind == KILL:
            await self._server.start()
        else:
            os.kill(pid, signal.SIGCONT)


class Clustered:
    """Three primaries; the one that has the record has a replica, which takes its place whenever it is struck."""

    def __init__(self, service: Service) -> None:
        self.url = service.url
        self.flags = ("--store", service.url)
        self._service = service

    async def strike(self, kind: str, pid: int) -> None:  # noqa: ARG002 - who leads is known here
        """Kill or stop the one that leads."""
        self._service.primary.kill(signal.SIGKILL if kind == KILL else signal.SIGSTOP)

    async def relieve(self, kind: str, pid: int) -> None:  # noqa: ARG002
        """Wait until the replica leads; the other comes back behind it."""
        await self._service.replica.until(self._service.replica.leads)
        if kind != KILL:
            self._service.primary.kill(signal.SIGCONT)
        await self._service.healed()


@asynccontextmanager
async def opened(kind: str, place: Path, model: str) -> AsyncIterator[Store]:
    """The store of a run in this folder."""
    if kind == "embedded":
        yield Own(place / "state")
    elif kind == "external":
        program = shutil.which("redis-server")
        async with EmbeddedServer(place / "redis", binary=Path(program) if program else None) as server:
            yield Beside(server)
    else:
        async with cluster(place / "redis", Keys(model).lease) as service:
            yield Clustered(service)
