"""The one place that opens websockets: through a proxy where one is named, with certificates of one's own."""

import ssl
from typing import Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from core.errors import ConfigError

LOST: Final = (OSError, WebSocketException)
"""What opening, sending and receiving raise when a socket is lost or cannot be had."""

_FRAME_BYTES: Final = 1024 * 1024
_CLOSE_S: Final = 1.0
"""How long a venue may take to answer a close; a dead one never does."""


class Wire(msgspec.Struct, frozen=True):
    """How sockets are opened. `proxy`: http://, https://, socks4:// or socks5://; None: as the environment says."""

    proxy: str | None = None
    tls: ssl.SSLContext | None = None
    open_timeout_s: float = 10.0
    ping_interval_s: float = 20.0
    """Between websocket pings of our own, for a venue without a heartbeat of its own."""

    def open(self, url: str, *, pings: bool) -> connect:
        """A context in which the socket is open. Raises: one of LOST."""
        return connect(
            url,
            user_agent_header="gaze",
            max_size=_FRAME_BYTES,
            ping_interval=self.ping_interval_s if pings else None,
            open_timeout=self.open_timeout_s,
            close_timeout=_CLOSE_S,
            proxy=self.proxy or True,
            ssl=self.tls if url.startswith("wss://") else None,
        )


Connection = ClientConnection


def trusting(ca_file: str) -> ssl.SSLContext | None:
    """Certificates of these authorities beside the usual ones; None for the usual ones alone.

    Raises: ConfigError: the file cannot be read, or holds no certificate.
    """
    if not ca_file:
        return None
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"[feed] ca_file {ca_file} holds no certificates that can be read ({error}); try: a file of PEM"
        ) from error
    return context
