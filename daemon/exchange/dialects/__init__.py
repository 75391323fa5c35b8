"""What a venue says, from its own side. A new one is one file here and one line in DIALECTS."""

import pkgutil
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from core.errors import UsageError
from daemon.exchange.market import Market, Update

DIALECTS: Final = {
    "binance": "daemon.exchange.dialects.binance:spot",
    "binance_us": "daemon.exchange.dialects.binance:us",
    "binance_usdm": "daemon.exchange.dialects.binance:usdm",
    "bybit": "daemon.exchange.dialects.bybit:spot",
    "bybit_linear": "daemon.exchange.dialects.bybit:linear",
    "okx": "daemon.exchange.dialects.okx:OkxDialect",
    "kraken": "daemon.exchange.dialects.kraken:KrakenDialect",
    "hyperliquid": "daemon.exchange.dialects.hyperliquid:HyperliquidDialect",
    "coinbase": "daemon.exchange.dialects.coinbase:CoinbaseDialect",
    "generic": "daemon.exchange.dialects.generic:GenericDialect",
}
"""Name -> where its constructor is; the same names as the feeds have."""


class Answer(msgspec.Struct, frozen=True):
    """An answer over REST: the HTTP status and its JSON body."""

    status: int
    body: bytes


class Session(Protocol):
    """What one client has subscribed to, and how."""

    @property
    def symbols(self) -> Collection[str]:
        """The symbols whose bars it gets."""

    def hear(self, request: str, now_ms: int) -> Sequence[bytes]:
        """Take a request and answer it; with nothing where the venue would stay silent."""

    def beat(self, now_ms: int) -> bytes | None:
        """What the venue says unasked each `ping_every_s`, if anything."""

    def wrap(self, symbol: str, told: bytes) -> bytes:
        """The frame that brings this client what is told of a symbol."""


class Dialect(Protocol):
    """One venue's side of its dialect, pure."""

    name: str
    ping_every_s: float
    cut_after_s: float
    """How long a client may owe the answer to a ping."""

    def session(self, path: str, query: Mapping[str, str]) -> Session | None:
        """What a websocket opened there has subscribed to; None where the venue has no websocket."""

    def tell(self, update: Update) -> bytes:
        """A bar, in words."""

    def farewell(self, at_ms: int) -> bytes | None:
        """What is said before the venue closes its sockets, if anything."""

    def answer(self, path: str, query: Mapping[str, str], now_ms: int, body: bytes = b"") -> Answer:
        """Answer a REST request; `body`: of a POST."""


def dialect(name: str, market: Market) -> Dialect:
    """The side of a venue, over this market.

    Raises: UsageError: no such dialect.
    """
    if name not in DIALECTS:
        raise UsageError(f"no dialect is called {name!r}; there are: {', '.join(DIALECTS)}. try: --dialect binance")
    built: Dialect = pkgutil.resolve_name(DIALECTS[name])(market)
    return built
