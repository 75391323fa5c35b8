"""REST through a SOCKS proxy, by aiohttp-socks, an extra."""

from typing import TYPE_CHECKING

from aiohttp import ClientConnectionError
from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyTimeoutError

if TYPE_CHECKING:
    from aiohttp import ClientRequest, ClientTimeout
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

_FAILURES = (ProxyConnectionError, ProxyError, ProxyTimeoutError, EOFError)
"""Of no kind that aiohttp knows."""


class SocksConnector(ProxyConnector):
    """Connections through the proxy."""

    async def connect(
        self,
        req: "ClientRequest",
        traces: "list[Trace]",
        timeout: "ClientTimeout",  # noqa: ASYNC109 - aiohttp's signature
    ) -> "Connection":
        """Raises: ClientConnectionError: also where the proxy is away, refuses or is none."""
        try:
            return await super().connect(req, traces, timeout)
        except _FAILURES as error:
            raise ClientConnectionError(f"the proxy fails: {error}") from error
