"""All that brings bars: one venue or several, each with its history, its sockets and the seam between them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NoReturn, Protocol

from core.bars import Interval, Origin
from daemon.inbox import Inbox
from daemon.listening.fills import Fills
from daemon.listening.history import History
from daemon.listening.listener import Listener
from daemon.listening.seam import Seam
from daemon.listening.watcher import Watcher
from daemon.listening.wire import Way
from daemon.ports import Feed


class Named(Protocol):
    """What all feeds have."""

    name: str


class Source(Protocol):
    """One venue, by whatever means its bars come."""

    symbols: tuple[str, ...]

    @property
    def feed(self) -> Named:
        """Its dialect."""

    @property
    def live(self) -> bool:
        """Whether its bars go straight through."""

    def join(
        self,
        interval: Interval,
        inbox: Inbox,
        since: Callable[[str], int | None],
        watcher: Watcher,
        *,
        now: Callable[[], float],
        warmup_bars: int,
    ) -> None:
        """Put its bars into this inbox, from now on."""

    async def listen_forever(self) -> NoReturn:
        """Bring bars. Ends only by cancellation."""

    def request_fill(self, symbol: str, from_ms: int, to_ms: int) -> None:
        """Ask its history for the bars of a symbol that open in [from_ms, to_ms)."""

    async def venue_time_ms(self) -> int:
        """Its own time. Raises: FeedError: it does not say."""


class SocketSource:
    """A venue with websockets and REST. `symbols`: those it brings, as it spells them."""

    def __init__(self, feed: Feed, symbols: Sequence[str], wire: Way, history: History, spares: int = 0) -> None:
        self.feed = feed
        self.symbols = tuple(symbols)
        self._history = history
        self._wire = wire
        self._spares = spares
        self._listener: Listener | None = None
        self._fills: Fills | None = None

    @property
    def live(self) -> bool:
        """Whether its bars go straight through."""
        return self._listener is not None and self._listener.live

    def join(
        self,
        interval: Interval,
        inbox: Inbox,
        since: Callable[[str], int | None],
        watcher: Watcher,
        *,
        now: Callable[[], float],
        warmup_bars: int,
    ) -> None:
        """Put its bars into this inbox, from now on. The arguments are Seam's."""
        feed = self.feed
        seam = Seam(
            feed.name,
            interval,
            inbox,
            self._history,
            since,
            watcher,
            now=now,
            warmup_bars=warmup_bars,
            live=Origin.LIVE if feed.carries is None or feed.carries.name == interval.name else Origin.AGGREGATED,
        )
        self._fills = Fills(seam, self._history, interval)
        self._listener = Listener(
            feed, self.symbols, interval, seam, self._fills, watcher, now=now, wire=self._wire, spares=self._spares
        )

    async def listen_forever(self) -> NoReturn:
        """Keep its sockets open. Ends only by cancellation."""
        assert self._listener is not None, "it has been joined"
        await self._listener.listen_forever()

    def request_fill(self, symbol: str, from_ms: int, to_ms: int) -> None:
        """Ask its history for the bars of a symbol that open in [from_ms, to_ms)."""
        assert self._fills is not None, "it has been joined"
        self._fills.request_fill(symbol, from_ms, to_ms)

    async def venue_time_ms(self) -> int:
        """What time it is by its clock. Raises: FeedError: it does not say."""
        return await self._history.venue_time_ms()


class Sources:
    """Several venues as one. No symbol is of two."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)
        self._of = {symbol: source for source in sources for symbol in source.symbols}

    @property
    def live(self) -> bool:
        """Whether the bars of all go straight through."""
        return all(source.live for source in self._sources)

    @property
    def venues(self) -> dict[str, str]:
        """Symbol -> venue."""
        return {symbol: source.feed.name for symbol, source in self._of.items()}

    async def listen_forever(self) -> None:
        """Listen to all. Ends only by cancellation."""
        async with asyncio.TaskGroup() as tasks:
            for source in self._sources:
                tasks.create_task(source.listen_forever(), name=f"listen:{source.feed.name}")

    def request_fill(self, symbol: str, from_ms: int, to_ms: int) -> None:
        """Ask the symbol's venue for the bars that open in [from_ms, to_ms)."""
        self._of[symbol].request_fill(symbol, from_ms, to_ms)

    async def venue_time_ms(self) -> int:
        """What time it is by the first venue's clock. Raises: FeedError: it does not say."""
        return await self._sources[0].venue_time_ms()
