"""Redis in several processes, on loopback: a primary with its replica under Sentinels, and a cluster of three.

Each is a server of Debian's, in a folder of its own. A replica that is stopped while its primary writes, and goes on
when that one is killed, becomes a primary that lacks what was answered.
"""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.crc import key_slot
from redis.exceptions import RedisError

from benchmarks.running.ports import free_port
from core.errors import StoreError

PROGRAM = shutil.which("redis-server") or ""
PATIENCE_S = 200.0
_LOOK_S = 0.05
_SILENT_MS = 3_000
"""So long a server says nothing before the others count it as gone; one that only waits for its turn is not."""
_SLOTS = 16_384


class Node:
    """One server, started in its folder with these words. `client` asks it."""

    process: asyncio.subprocess.Process

    def __init__(self, port: int, folder: Path, told: Sequence[str], client: Redis) -> None:
        self.port = port
        self.client = client
        self._folder = folder
        self._told = told

    @property
    def url(self) -> str:
        """Where it alone is."""
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Start it, or start it again where it was, and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(PROGRAM, *self._told, stdout=log, stderr=log)
        await self.until(self.client.ping)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal."""
        os.kill(self.process.pid, number)

    async def end(self) -> None:
        """Kill it where it still runs."""
        await self.client.aclose()
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def until(self, so: Callable[[], Awaitable[bool]]) -> None:
        """Wait until something about it is so; while it starts, or is another's, it may not answer."""
        async with asyncio.timeout(PATIENCE_S):
            while not await _is_so(so):  # noqa: ASYNC110 - another program can only be asked
                await asyncio.sleep(_LOOK_S)

    async def leads(self) -> bool:
        """Whether it is a primary."""
        return bool((await self.client.info("replication"))["role"] == "master")

    async def follows(self) -> bool:
        """Whether it is a replica that has all its primary has."""
        told = await self.client.info("replication")
        return bool(told["role"] == "slave" and told["master_link_status"] == "up")


async def _is_so(so: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await so()
    except (RedisError, OSError):
        return False


@asynccontextmanager
async def node(folder: Path, *options: str, config: str | None = None, tls: Path | None = None) -> AsyncIterator[Node]:
    """A server in a new folder. `config`: it is a Sentinel, told by file. `tls`: where its certificates are."""
    if not PROGRAM:
        raise StoreError("redis-server is not on PATH; try: apt install redis-server")
    port = free_port()
    place = folder / str(port)
    place.mkdir(parents=True)
    told = ["--tls-port", str(port), "--port", "0"] if tls else ["--port", str(port)]
    told += ["--bind", "127.0.0.1", "--dir", str(place), "--save", "", *options]
    if config is not None:
        (place / "node.conf").write_text(config)
        told = [str(place / "node.conf"), *told, "--sentinel"]
    files = {"ssl_ca_certs": "authority.pem", "ssl_certfile": "gaze.pem", "ssl_keyfile": "gaze.key"} if tls else {}
    secure = {name: str((tls or folder) / file) for name, file in files.items()}
    retry = Retry(ConstantBackoff(0.1), 5)
    client = Redis(host="127.0.0.1", port=port, ssl=bool(tls), **secure, retry=retry, socket_timeout=5)
    one = Node(port, place, told, client)
    try:
        await one.start()
        yield one
    finally:
        await one.end()


class Service:
    """A primary and its replica, and the URL under which whoever leads is found."""

    def __init__(self, url: str, primary: Node, replica: Node) -> None:
        self.url = url
        self.primary = primary
        self.replica = replica

    async def caught_up(self) -> None:
        """Wait until the replica has all that the primary has now."""
        written = (await self.primary.client.info("replication"))["master_repl_offset"]
        await self.replica.until(lambda: _has(self.replica, written))

    async def fails_over(self) -> None:
        """Kill the primary, and wait until the replica leads."""
        self.primary.kill()
        await self.replica.until(self.replica.leads)

    async def healed(self) -> None:
        """Bring the former primary back, behind the one that leads now: from here on they have changed places."""
        self.primary, self.replica = self.replica, self.primary
        if self.replica.process.returncode is not None:
            await self.replica.start()
        await self.replica.until(self.replica.follows)

    @asynccontextmanager
    async def lagging(self) -> AsyncIterator[None]:
        """Meanwhile the replica hears nothing; then the primary is killed, and the replica leads without it."""
        self.replica.kill(signal.SIGSTOP)
        # What the kernel already holds for it would still reach it.
        await self.primary.client.client_kill_filter(_type="replica")
        try:
            yield
        finally:
            self.primary.kill()
            await self.primary.process.wait()
            self.replica.kill(signal.SIGCONT)
        await self.replica.until(self.replica.leads)


async def _has(replica: Node, written: int) -> bool:
    return int((await replica.client.info("replication"))["slave_repl_offset"]) >= written


@asynccontextmanager
async def sentinels(folder: Path, count: int = 3) -> AsyncIterator[Service]:
    """A primary and a replica, watched by Sentinels."""
    async with AsyncExitStack() as stack:
        primary = await stack.enter_async_context(node(folder))
        replica = await stack.enter_async_context(node(folder, "--replicaof", "127.0.0.1", str(primary.port)))
        await replica.until(replica.follows)
        config = (
            f"sentinel monitor gaze 127.0.0.1 {primary.port} {count // 2 + 1}\n"
            f"sentinel down-after-milliseconds gaze {_SILENT_MS}\n"
            "sentinel failover-timeout gaze 6000\n"
        )
        watchers = [await stack.enter_async_context(node(folder, config=config)) for _ in range(count)]
        for watcher in watchers:
            await watcher.until(lambda watcher=watcher: _knows(watcher, others=count - 1))
        hosts = ",".join(f"127.0.0.1:{watcher.port}" for watcher in watchers)
        yield Service(f"redis+sentinel://{hosts}/gaze/0", primary, replica)


async def _knows(watcher: Node, others: int) -> bool:
    told = (await watcher.client.sentinel_masters())["gaze"]
    return bool(told["num-other-sentinels"] == others and told["num-slaves"] == 1)


@asynccontextmanager
async def cluster(folder: Path, key: str = "gaze:{0}:lease:btc") -> AsyncIterator[Service]:
    """Three primaries; the one that owns the slot of the key has a replica."""
    options = (
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        str(_SILENT_MS),
        "--cluster-replica-validity-factor",
        "0",
    )
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(node(folder, *options)) for _ in range(4)]
        shares = [range(first * _SLOTS // 3, (first + 1) * _SLOTS // 3) for first in range(3)]
        for one, share in zip(nodes, shares, strict=False):
            await one.client.execute_command("CLUSTER", "ADDSLOTS", *share)
        for other in nodes[1:]:
            await nodes[0].client.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port)
        [owner] = [one for one, share in zip(nodes, shares, strict=False) if key_slot(key.encode()) in share]
        replica = nodes[-1]
        for one in nodes:
            await one.until(lambda one=one: _is_whole(one, len(nodes)))
        await replica.client.execute_command(
            "CLUSTER", "REPLICATE", await owner.client.execute_command("CLUSTER", "MYID")
        )
        await replica.until(replica.follows)
        for one in nodes:
            await one.until(lambda one=one: _has_replica(one))
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in nodes)
        yield Service(f"redis+cluster://{hosts}", owner, replica)


async def _is_whole(one: Node, nodes: int) -> bool:
    told: bytes = await one.client.execute_command("CLUSTER", "INFO")
    return "cluster_state:ok" in str(told) and f"cluster_known_nodes:{nodes}" in str(told)


async def _has_replica(one: Node) -> bool:
    slots: Sequence[Sequence[object]] = await one.client.execute_command("CLUSTER", "SLOTS")
    return any(len(share) > 3 for share in slots)
