"""How a venue is reached: websockets and REST, through a proxy where one is named, with certificates of one's own."""

import importlib.util
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Literal, Protocol, cast

import aiohttp
import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from core.errors import ConfigError
from daemon.listening.frames import FRAME_BYTES, Frames
from daemon.listening.rest import Asking, Rest

LOST: Final = (OSError, WebSocketException)
"""What opening, sending and receiving raise when a socket is lost or cannot be had."""

_CLOSE_S: Final = 1.0
"""How long a venue may take to answer a close; a dead one never does."""
_HTTP: Final = ("http://", "https://")
_SOCKS: Final = ("socks4://", "socks5://")


class Connection(Protocol):
    """An open socket."""

    async def send(self, message: str) -> None:
        """Raises: LOST."""

    async def frames(self, most: int) -> Sequence[bytes]:
        """The frames that have come, oldest first: at least one, at most so many. Raises: LOST."""


class Way(Protocol):
    """How a venue is reached."""

    def open(self, url: str, *, pings: bool) -> AbstractAsyncContextManager[Connection]:
        """A context in which a websocket is open; `pings`: the venue has no heartbeat of its own. Raises: LOST."""

    def rest(self) -> AbstractAsyncContextManager[Asking]:
        """A context in which history may be asked."""


Library = Literal["websockets", "picows"]
"""Whose sockets."""


class Wire(msgspec.Struct, frozen=True):
    """The way to a venue. `proxy`: None: as the environment says. `ping_interval_s`: between pings of our own."""

    proxy: str | None = None
    tls: ssl.SSLContext | None = None
    open_timeout_s: float = 10.0
    ping_interval_s: float = 20.0
    library: Library = "websockets"

    def open(self, url: str, *, pings: bool) -> AbstractAsyncContextManager[Connection]:
        """A context in which a websocket is open; `pings`: the venue has no heartbeat of its own. Raises: LOST."""
        settings: dict[str, Any] = {
            "user_agent_header": "gaze",
            "max_size": FRAME_BYTES,
            "ping_interval": self.ping_interval_s if pings else None,
            "open_timeout": self.open_timeout_s,
            "close_timeout": _CLOSE_S,
            "proxy": self.proxy or True,
            "ssl": (self.tls or True) if url.startswith("wss://") else None,
        }
        if self.library == "websockets":
            # The proxy finds the venue's address, as it does for REST: who needs one may not be able to.
            settings["proxy"] = (self.proxy or "").replace("socks5://", "socks5h://") or True
            return cast("AbstractAsyncContextManager[Frames]", connect(url, create_connection=Frames, **settings))
        from daemon.listening.picows import opened  # noqa: PLC0415 - an extra

        return opened(url, **settings)

    @asynccontextmanager
    async def rest(self) -> AsyncIterator[Rest]:
        """A context in which history may be asked."""
        async with self.session() as session:
            yield Rest(session)

    def session(self) -> aiohttp.ClientSession:
        """What asks over HTTP."""
        tls: ssl.SSLContext | bool = self.tls or True
        if self.proxy is None or self.proxy.startswith(_HTTP):
            connector = aiohttp.TCPConnector(ssl=tls)
            return aiohttp.ClientSession(connector=connector, proxy=self.proxy, trust_env=True)
        from daemon.listening.socks import SocksConnector  # noqa: PLC0415 - an extra

        return aiohttp.ClientSession(connector=SocksConnector.from_url(self.proxy, ssl=tls))


def wire(proxy: str = "", ca_file: str = "", library: Library = "websockets") -> Wire:
    """The way to a venue; empty: as the environment says, and with the usual certificates.

    Raises: ConfigError: no such proxy, what it or the library needs is not installed, or no certificates in the file.
    """
    if library == "picows" and not importlib.util.find_spec("picows"):
        raise ConfigError("sockets = 'picows' needs picows, which is not installed; try: pip install 'gazed[picows]'")
    if proxy and not proxy.startswith((*_HTTP, *_SOCKS)):
        raise ConfigError(
            f"expected a proxy with one of {', '.join((*_HTTP, *_SOCKS))}, found {proxy.partition('@')[2] or proxy!r}; "
            "try: proxy = 'socks5://127.0.0.1:1080'"
        )
    if proxy.startswith(_SOCKS) and not importlib.util.find_spec("aiohttp_socks"):
        raise ConfigError("a SOCKS proxy needs aiohttp-socks, which is not installed; try: pip install 'gazed[socks]'")
    return Wire(proxy or None, _trusting(ca_file) if ca_file else None, library=library)


def _trusting(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"expected certificates in the ca_file {ca_file}, found {error}; try: a file of PEM"
        ) from error
    return context
