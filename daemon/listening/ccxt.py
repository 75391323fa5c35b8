"""ccxt's venues, each reached as if it were a source of one's own that speaks the generic protocol.

ccxt is an extra, large and slow to import: only daemon/listening/ways.py imports this file, once it is asked for.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import ccxt.pro
import msgspec
from ccxt.base import errors

from core.bars import Interval
from core.errors import ConfigError, FeedError
from daemon.feeds.ccxt import Ccxt
from daemon.listening.rest import Answer, UnansweredError, retry_after_s
from daemon.ports import Request

# What ccxt raises: its own errors, and whatever its parsers stumble over in an answer they do not expect.
_UNABLE: Final = (errors.BaseError, ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)
_FOR_GOOD: Final = (
    errors.ArgumentsRequired,
    errors.AuthenticationError,
    errors.BadRequest,
    errors.BadSymbol,
    errors.NotSupported,
)
"""Refusals: asking again will not help."""
_LIMITED: Final = (errors.DDoSProtection, errors.RateLimitExceeded)
_WAITING: Final = 1_000
"""So many messages wait to be read; then ccxt's own cache keeps the last word on each bar."""

Exchange = Any
"""One of ccxt's; it has no types."""


class Hello(msgspec.Struct, frozen=True):
    """What is said to a source once."""

    subscribe: list[str] = []
    interval: str = ""


_HELLO: Final = msgspec.json.Decoder(Hello)


class Watch:
    """ccxt's websockets as one: it brings what `watch_ohlcv` tells of each symbol."""

    def __init__(self, exchange: Exchange, tasks: asyncio.TaskGroup) -> None:
        self._exchange = exchange
        self._tasks = tasks
        self._told: asyncio.Queue[bytes | FeedError] = asyncio.Queue(_WAITING)
        self.watches: list[asyncio.Task[None]] = []

    async def send(self, message: str) -> None:
        """Subscribe; where a venue cannot be watched every message is answered, and bars come from history alone."""
        hello = _HELLO.decode(message)
        if not self._exchange.has.get("watchOHLCV"):
            await self._told.put(b"{}")
            return
        watches = (self._watch(symbol, hello.interval) for symbol in hello.subscribe)
        self.watches += [self._tasks.create_task(watch) for watch in watches]

    async def frames(self, most: int) -> list[bytes]:  # noqa: ARG002 - as a socket's
        """The next message. Raises: FeedError: ccxt has lost the venue."""
        told = await self._told.get()
        if isinstance(told, FeedError):
            raise told
        return [told]

    async def _watch(self, symbol: str, interval: str) -> None:
        """Pass on what is told of one symbol, until it cannot be watched any more."""
        try:
            while True:
                rows = await self._exchange.watch_ohlcv(symbol, interval)
                await self._told.put(_bars(symbol, interval, rows, closed=False))
        except _FOR_GOOD as error:
            await self._told.put(_refusal(error))
        except _UNABLE as error:
            await self._told.put(FeedError(_said(error)))


class Past:
    """ccxt's REST: its `fetch_ohlcv` and `fetch_time`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def ask(self, request: Request) -> Answer:
        """The time, or bars. Raises: UnansweredError: ccxt has none now."""
        asked = urlsplit(request.url)
        try:
            if asked.path == "/time":
                return Answer(200, msgspec.json.encode({"now_ms": await self._now_ms()}))
            return Answer(200, await self._history(**{key: value for key, (value,) in parse_qs(asked.query).items()}))
        except _LIMITED as error:
            headers = self._exchange.last_response_headers or {}
            return Answer(429, _said(error).encode(), retry_after_s(headers))
        except _FOR_GOOD as error:
            return Answer(200, _refusal(error))
        except _UNABLE as error:
            raise UnansweredError(_said(error)) from error

    async def _now_ms(self) -> int:
        """The venue's time, or ours where it tells none."""
        told = await self._exchange.fetch_time() if self._exchange.has.get("fetchTime") else None
        return int(time.time() * 1_000) if told is None else int(told)

    async def _history(self, symbol: str, interval: str, from_ms: str, to_ms: str) -> bytes:
        """All bars of the span: a venue may tell fewer at once than are asked for."""
        at_ms, end_ms, step_ms = int(from_ms), int(to_ms), Interval.parse(interval).ms
        found: list[Sequence[Any]] = []
        while at_ms < end_ms:
            most = (end_ms - at_ms) // step_ms
            rows = await self._exchange.fetch_ohlcv(symbol, interval, at_ms, most)
            page = sorted(row for row in rows if at_ms <= row[0] < end_ms)
            if not page:
                break
            found += page
            at_ms = page[-1][0] + step_ms
        return _bars(symbol, interval, found, closed=True)


class CcxtWay:
    """The way to one of ccxt's venues. Each socket and each history has an exchange of its own, from `make`."""

    def __init__(self, make: Callable[[], Exchange]) -> None:
        self._make = make
        self._learned: Exchange | None = None

    @asynccontextmanager
    async def open(self, _url: str, *, pings: bool) -> AsyncIterator[Watch]:  # noqa: ARG002 - as a socket's
        """A context in which the venue is watched. Raises: FeedError: it cannot be reached."""
        async with self._exchange() as exchange:
            try:
                await self._learn_markets(exchange)
            except _UNABLE as error:
                raise FeedError(_said(error)) from error
            async with asyncio.TaskGroup() as tasks:
                watch = Watch(exchange, tasks)
                try:
                    yield watch
                finally:
                    for one in watch.watches:
                        one.cancel()

    @asynccontextmanager
    async def rest(self) -> AsyncIterator[Past]:
        """A context in which history may be asked."""
        async with self._exchange() as exchange:
            yield Past(exchange)

    async def _learn_markets(self, exchange: Exchange) -> None:
        """What the venue lists, which takes seconds of some: asked once, not at each reconnect."""
        if self._learned is None:
            await exchange.load_markets()
            self._learned = exchange
        else:
            exchange.set_markets_from_exchange(self._learned)

    @asynccontextmanager
    async def _exchange(self) -> AsyncIterator[Exchange]:
        exchange = self._make()
        try:
            yield exchange
        finally:
            await exchange.close()


def ccxt_way(feed: Ccxt, interval: Interval, proxy: str = "", ca_file: str = "") -> CcxtWay:
    """The way to a feed's venue. Raises: ConfigError: ccxt has no such venue, or no such bars of it."""
    if feed.exchange not in ccxt.pro.exchanges + ccxt.async_support.exchanges:
        near = get_close_matches(feed.exchange, ccxt.async_support.exchanges, n=3) or ["kraken"]
        raise ConfigError(f"ccxt {ccxt.__version__} has no venue {feed.exchange!r}; try: ccxt:{' or ccxt:'.join(near)}")
    settings: dict[str, Any] = {"enableRateLimit": True, "aiohttp_trust_env": True}
    if ca_file:
        settings["cafile"] = ca_file
    settings |= _proxies(proxy)

    def make() -> Exchange:
        module = ccxt.pro if feed.exchange in ccxt.pro.exchanges else ccxt.async_support
        exchange = getattr(module, feed.exchange)(settings)
        exchange.urls["api"] = _elsewhere(exchange.urls["api"], feed.websocket_url, feed.rest_url)
        return exchange

    known = make().timeframes or {}
    if interval.name not in known:
        raise ConfigError(
            f"{feed.name} has no bars of {interval.name}; it has: {', '.join(known) or 'none'}. try: one of them"
        )
    return CcxtWay(make)


def _proxies(proxy: str) -> dict[str, str]:
    """What ccxt calls a proxy, by the scheme of its address."""
    names = {
        "http": ("http_proxy", "ws_proxy"),
        "https": ("https_proxy", "wss_proxy"),
        "socks4": ("socks_proxy", "ws_socks_proxy"),
        "socks5": ("socks_proxy", "ws_socks_proxy"),
    }
    return dict.fromkeys(names.get(proxy.partition("://")[0], ()), proxy)


def _elsewhere(urls: Any, websocket_url: str | None, rest_url: str | None) -> Any:
    """A table of addresses, with other places where any are given."""
    if isinstance(urls, Mapping):
        return {name: _elsewhere(part, websocket_url, rest_url) for name, part in urls.items()}
    if not isinstance(urls, str):
        return urls
    place = websocket_url if urls.startswith("ws") else rest_url
    return re.sub(r"^\w+://[^/]+", place.rstrip("/"), urls) if place else urls


def _bars(symbol: str, interval: str, rows: Sequence[Sequence[Any]], *, closed: bool) -> bytes:
    """A message of bars; what a row lacks is refused where it is read."""
    names = ("opened_at_ms", "open", "high", "low", "close", "volume")
    told = [
        {"symbol": symbol, "interval": interval, **dict(zip(names, row, strict=False)), "closed": closed}
        for row in rows
    ]
    return msgspec.json.encode({"bars": told})


def _refusal(error: Exception) -> bytes:
    return msgspec.json.encode({"error": _said(error)})


def _said(error: Exception) -> str:
    return f"ccxt says {type(error).__name__}: {error}"
