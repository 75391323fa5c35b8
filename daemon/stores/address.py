"""Where Redis takes writes now: one server, the primary that Sentinels name, or the cluster node that owns a key.

    redis://HOST:6379/0                                    one server; rediss:// with TLS
    unix:///path/redis.sock
    redis+sentinel://HOST:26379,HOST:26379/SERVICE/0       whom the Sentinels call the primary; rediss+sentinel://
    redis+cluster://HOST:6379,HOST:6379                    who owns the shard's slot; rediss+cluster://

USER:PASSWORD@ stands before the first host and is meant for the servers of data. What redis-py knows of TLS stands
behind a question mark (ssl_ca_certs, ssl_certfile, ssl_keyfile), and sentinel_username and sentinel_password too.
"""

import socket
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis.asyncio.connection import Connection, UnixDomainSocketConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import ConnectionError as GoneError
from redis.exceptions import RedisError

from core.errors import ConfigError

_CONNECT_S: Final = 2.0
"""A node that is gone says nothing: the next one is asked after so long."""
_READ_BYTES: Final = 1 << 17
_SENT_BYTES: Final = 1 << 21
"""Two parts of a burst; the system may grant less."""
_SENTINEL_PORT: Final = 26379


class Address(Protocol):
    """Where to connect to."""

    @property
    def name(self) -> str:
        """The place that was found last, without secrets."""

    async def place(self) -> Mapping[str, Any]:
        """Where writes go now, in the words of redis-py's connections. Raises: RedisError, OSError: nobody says."""


def address(url: str, key: str, setting: str = "store.url") -> Address:
    """What a URL means for this key. `setting`: where it was read. Raises: ConfigError: it is no address of Redis."""
    scheme, _, rest = url.partition("://")
    kind, _, how = scheme.partition("+")
    try:
        if not how:
            return Server(_told(url))
        if kind in ("redis", "rediss") and how in ("sentinel", "cluster"):
            nodes, path, asked = _parts(rest)
            if how == "cluster":
                return Cluster([_told(f"{kind}://{node}/0{_query(asked)}") for node in nodes], key)
            return _sentinels(kind, nodes, path, asked)
    except TypeError as error:
        option = str(error).rpartition("argument ")[2]
        raise ConfigError(
            f"{setting}: expected behind the question mark what redis-py knows of TLS, with rediss://, found {option}; "
            "try: leave it out"
        ) from error
    except ValueError:
        pass
    raise ConfigError(
        f"{setting} is not a Redis address; try: redis://host:6379/0, rediss://host:6379/0, unix:///path/redis.sock, "
        "redis+sentinel://host:26379,host:26379/service/0 or redis+cluster://host:6379,host:6379"
    )


class _RoomySocket(UnixDomainSocketConnection):
    """A unix socket that takes what is sent at once: of the rest the server would hear when the loop has time again."""

    async def _connect(self) -> None:
        await super()._connect()  # type: ignore[no-untyped-call] # of redis-py
        assert self._writer is not None, "it is connected"
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT_BYTES)


def connect(place: Mapping[str, Any]) -> Connection:
    """A connection to there, not yet open."""
    rest = dict(place)
    kind = rest.pop("connection_class", Connection)
    if kind is UnixDomainSocketConnection:
        kind = _RoomySocket
    connection: Connection = kind(protocol=2, **rest)
    return connection


class Server:
    """One server, wherever its URL says."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = told

    @property
    def name(self) -> str:
        """Its path or host and port."""
        return _name(self._told)

    async def place(self) -> Mapping[str, Any]:
        """It."""
        return self._told


class Sentinels:
    """Servers that know who the primary of a service is. `asked` are they, `told` is what the primary is told."""

    def __init__(
        self, nodes: Sequence[tuple[str, int]], asked: Mapping[str, Any], service: str, told: Mapping[str, Any]
    ) -> None:
        self._nodes = list(nodes)
        self._asked = asked
        self._service = service
        self._told = dict(told)

    @property
    def name(self) -> str:
        """The service, and the primary that was named last."""
        return f"{self._service} at {_name(self._told)}"

    async def place(self) -> Mapping[str, Any]:
        """Whom they call the primary now."""
        sentinels = Sentinel(self._nodes, sentinel_kwargs=self._asked)  # type: ignore[no-untyped-call]
        try:
            host, port = await sentinels.discover_master(self._service)
        finally:
            for client in sentinels.sentinels:
                await client.aclose()
        # Who was asked first and did not answer is asked last the next time.
        self._nodes = [*self._nodes[1:], self._nodes[0]]
        self._told |= {"host": host, "port": port}
        return self._told


class Cluster:
    """Nodes of which one owns the slot of `key`. `seeds`: those to ask first."""

    def __init__(self, seeds: Sequence[Mapping[str, Any]], key: str) -> None:
        self._told = dict(seeds[0])
        self._slot = key_slot(key.encode())
        self._nodes = [(str(seed["host"]), int(seed["port"])) for seed in seeds]
        self._owner = self._nodes[0]

    @property
    def name(self) -> str:
        """The node that was found last."""
        return "{}:{}".format(*self._owner)

    async def place(self) -> Mapping[str, Any]:
        """The node that owns the slot now, as the first node says that answers."""
        reason: Exception = GoneError("no node of the cluster is known")
        for node in list(self._nodes):
            # Who does not answer, or is cut off from the others, is not always the first to be asked.
            self._nodes = [*self._nodes[1:], self._nodes[0]]
            try:
                self._owner = await self._owner_by(node)
            except (RedisError, OSError) as error:
                reason = error
            else:
                return self._at(self._owner)
        raise reason

    def _at(self, node: tuple[str, int]) -> dict[str, Any]:
        return self._told | {"host": node[0], "port": node[1]}

    async def _owner_by(self, node: tuple[str, int]) -> tuple[str, int]:
        connection = connect(self._at(node))
        try:
            await connection.send_command("CLUSTER", "SLOTS")
            slots = await connection.read_response()
        finally:
            await connection.disconnect(nowait=True)
        owners = {(int(first), int(last)): _node(owner, node) for first, last, owner, *_ in slots}
        replicas = [_node(one, node) for _, _, *some in slots for one in some]
        self._nodes = list(dict.fromkeys([*owners.values(), *replicas, *self._nodes]))
        found = [owner for (first, last), owner in owners.items() if first <= self._slot <= last]
        if not found:
            raise GoneError(f"CLUSTERDOWN nobody owns slot {self._slot}")
        return found[0]


def _sentinels(kind: str, nodes: Sequence[str], path: str, asked: Mapping[str, str]) -> Sentinels:
    service, _, database = path.partition("/")
    if not service:
        raise ValueError("no service is named")
    own = {name.removeprefix("sentinel_"): value for name, value in asked.items() if name.startswith("sentinel_")}
    rest = {name: value for name, value in asked.items() if not name.startswith("sentinel_")}
    told = _told(f"{kind}://{nodes[0]}/{database or 0}{_query(rest)}")
    secure = {name: value for name, value in told.items() if name.startswith("ssl_")}
    hosts = [urlsplit(f"{kind}://{node}") for node in nodes]
    places = [(host.hostname or "localhost", host.port or _SENTINEL_PORT) for host in hosts]
    how = {"socket_timeout": _CONNECT_S, "retry": Retry(NoBackoff(), 0), "ssl": kind == "rediss", **secure, **own}
    return Sentinels(places, how, service, told | {"host": "?", "port": 0})


def _parts(rest: str) -> tuple[list[str], str, dict[str, str]]:
    """The nodes, each with user and password, what stands behind the first slash, and behind the question mark."""
    where, _, query = rest.partition("?")
    hosts, _, path = where.partition("/")
    secrets, at, names = hosts.rpartition("@")
    nodes = [f"{secrets}{at}{name}" for name in names.split(",") if name]
    if not nodes:
        raise ValueError("no host is named")
    return nodes, path, dict(parse_qsl(query))


def _query(asked: Mapping[str, str]) -> str:
    return f"?{urlencode(asked)}" if asked else ""


def _told(url: str) -> dict[str, Any]:
    """What redis-py makes of the URL of one server. Raises: ValueError: nothing. TypeError: an option is unknown."""
    told: dict[str, Any] = dict(parse_url(url))
    if url.startswith("unix://"):
        if not told.get("path"):
            raise ValueError("no socket is named")
    else:
        told = {"host": "localhost", "port": 6379} | told
        if (database := urlsplit(url).path.strip("/")) and not database.isdecimal():
            raise ValueError("databases have numbers")
    # redis-py would wrap every single read in a timeout of its own, which doubles the time of a burst.
    told |= {"socket_timeout": None, "socket_connect_timeout": _CONNECT_S, "socket_read_size": _READ_BYTES}
    try:
        connect(told)
    except RedisError as error:
        raise TypeError(str(error)) from error
    if told.get("decode_responses"):
        raise TypeError("decode_responses")
    return told


def _name(told: Mapping[str, Any]) -> str:
    return f"unix:{told['path']}" if "path" in told else f"{told['host']}:{told['port']}"


def _node(one: Sequence[Any], asked: tuple[str, int]) -> tuple[str, int]:
    """A node as CLUSTER SLOTS tells it; without a host it is the one that was asked."""
    host = one[0].decode() if one[0] else ""
    return (host if host not in ("", "?") else asked[0]), int(one[1])
