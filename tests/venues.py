"""A venue on loopback that says what a test tells it to, and a listener with all its parts that listens to it."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

import msgspec
from aiohttp import web
from websockets.asyncio.server import Request, Response, ServerConnection
from websockets.exceptions import ConnectionClosed

from core.bars import Arrival, Bar, Interval, Origin
from daemon.feeds.binance import Binance
from daemon.inbox import Inbox
from daemon.listening.backoff import Backoff
from daemon.listening.fills import Fills
from daemon.listening.history import History
from daemon.listening.listener import Listener
from daemon.listening.seam import Seam

HOUR = Interval.parse("1h")
START_MS = HOUR.floor(1_700_000_000_000)
PATIENCE_S = 100.0
AT_ONCE = Backoff(first_s=0.001, last_s=0.002)


def kline(bar: Bar) -> str:
    """A combined-stream frame."""
    numbers = {key: repr(value) for key, value in zip("ohlcv", bar.row, strict=True)}
    times = {"t": bar.opened_at_ms, "T": bar.opened_at_ms + HOUR.ms - 1}
    event = {"e": "kline", "s": bar.symbol, "k": {**times, "i": HOUR.name, **numbers, "x": bar.closed}}
    return msgspec.json.encode({"stream": f"{bar.symbol.lower()}@kline_1h", "data": event}).decode()


class Link:
    """The venue's end of one socket: `said` is what the client sends after its subscription."""

    def __init__(self, connection: ServerConnection, symbols: Sequence[str]) -> None:
        self._connection = connection
        self.symbols = tuple(symbols)
        self.said: asyncio.Queue[str | bytes] = asyncio.Queue()

    async def tell(self, *bars: Bar) -> None:
        """Send the frames of these bars."""
        for bar in bars:
            await self.send(kline(bar))

    async def send(self, frame: str) -> None:
        """Send any frame."""
        await self._connection.send(frame)

    async def close(self) -> None:
        """Hang up."""
        await self._connection.close()

    def cut(self) -> None:
        """Be gone without a word."""
        self._connection.transport.abort()

    async def lost(self) -> None:
        """Wait until the client is gone."""
        async with asyncio.timeout(PATIENCE_S):
            await self._connection.wait_closed()


class Venue:
    """Speaks Binance. `now_ms` is its clock and stands still until a test moves it."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.history: dict[str, dict[int, Bar]] = {}
        self.history_open = asyncio.Event()
        self.history_open.set()
        self.answers: deque[web.Response] = deque()
        """Given instead of the next answers about klines."""
        self.asked: asyncio.Queue[Mapping[str, str]] = asyncio.Queue()
        """The query of each request for klines."""
        self.failing: set[str] = set()
        """Symbols whose history always fails."""
        self.clock_asked = 0
        self.clock_failures = 0
        """Failing answers still to be given about the time."""
        self.refusals = 0
        """Connections still to be refused."""
        self.websocket_url = ""
        self.rest_url = ""
        self._links: asyncio.Queue[Link] = asyncio.Queue()
        self._clock_told = asyncio.Condition()

    @staticmethod
    def bar(symbol: str, number: int, *, closed: bool = True, volume: float = 5.0) -> Bar:
        """The bar of hour `number` of the test; its close tells which one it is."""
        opened_at_ms = START_MS + number * HOUR.ms
        return Bar(symbol, opened_at_ms, 100.0, 200.0 + number, 50.0, 101.0 + number, volume, closed)

    def turn_to(self, number: float, seconds: float = 0) -> None:
        """Let it be so late: hour `number` of the test, and so many seconds."""
        self.now_ms = START_MS + int(number * HOUR.ms + seconds * 1_000)

    def keep(self, *bars: Bar) -> None:
        """Have these bars in history."""
        for bar in bars:
            self.history.setdefault(bar.symbol, {})[bar.opened_at_ms] = bar

    def keep_hours(self, symbol: str, numbers: range) -> None:
        """Have the bars of these hours in history."""
        self.keep(*(self.bar(symbol, number) for number in numbers))

    async def next_link(self) -> Link:
        """Wait for the next client that has subscribed."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._links.get()

    async def next_question(self) -> Mapping[str, str]:
        """Wait for the next request for klines."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.asked.get()

    def questions(self) -> list[Mapping[str, str]]:
        """The requests for klines that nobody has waited for."""
        return [self.asked.get_nowait() for _ in range(self.asked.qsize())]

    async def until_clock_asked(self, times: int) -> None:
        """Wait until the time has been asked for so often."""
        async with asyncio.timeout(PATIENCE_S), self._clock_told:
            await self._clock_told.wait_for(lambda: self.clock_asked >= times)

    async def refuse(self, connection: ServerConnection, _request: Request) -> Response | None:
        """Refuse while there are refusals left."""
        if not self.refusals:
            return None
        self.refusals -= 1
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "later")

    async def serve_socket(self, connection: ServerConnection) -> None:
        """One client, until it leaves."""
        with suppress(ConnectionClosed):
            params = msgspec.json.decode(await connection.recv())["params"]
            link = Link(connection, [param.split("@")[0].upper() for param in params])
            self._links.put_nowait(link)
            async for message in connection:
                link.said.put_nowait(message)

    async def serve_klines(self, request: web.Request) -> web.Response:
        """History, or what the test wants said instead."""
        query = dict(request.query)
        self.asked.put_nowait(query)
        await self.history_open.wait()
        if self.answers:
            return self.answers.popleft()
        if query["symbol"] in self.failing:
            return web.Response(status=500)
        found = self.history.get(query["symbol"], {})
        rows = [
            [bar.opened_at_ms, *map(repr, bar.row), bar.opened_at_ms + HOUR.ms - 1, "0"]
            for opened_at_ms, bar in sorted(found.items())
            if int(query["startTime"]) <= opened_at_ms <= int(query["endTime"])
        ]
        return web.json_response(rows[: int(query["limit"])])

    async def serve_clock(self, _request: web.Request) -> web.Response:
        """What time it is."""
        async with self._clock_told:
            self.clock_asked += 1
            self._clock_told.notify_all()
        if self.clock_failures:
            self.clock_failures -= 1
            return web.Response(status=500)
        return web.json_response({"serverTime": self.now_ms})


class Told:
    """What the listener told of itself."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.up: list[bool] = []
        self._changed = asyncio.Event()

    async def until(self, what: str, count: int) -> None:
        """Wait until this has been told so often."""
        async with asyncio.timeout(PATIENCE_S):
            while self.counts[what] < count:
                self._changed.clear()
                await self._changed.wait()

    def _tell(self, what: str, count: int = 1) -> None:
        self.counts[what] += count
        self._changed.set()

    def feed_up(self, venue: str, *, up: bool) -> None:
        assert venue == "binance"
        self.up.append(up)
        self._tell("up" if up else "down")

    def frames(self, venue: str, received_at_ms: int, count: int = 1) -> None:
        assert (venue, received_at_ms) == ("binance", 1_234_500)
        self._tell("frames", count)

    def refused(self, venue: str) -> None:
        assert venue == "binance"
        self._tell("refused")

    def reconnected(self, venue: str) -> None:
        assert venue == "binance"
        self._tell("reconnected")

    def disagreed(self, venue: str) -> None:
        assert venue == "binance"
        self._tell("disagreed")

    def backfilled(self, count: int) -> None:
        self._tell("backfilled", count)


class Desk:
    """A listener with all its parts; `known` is what the predictor would say it misses first of each symbol."""

    def __init__(
        self,
        feed: Binance,
        history: History,
        symbols: Sequence[str],
        *,
        capacity: int,
        backoff: Backoff,
        healthy_s: float,
        spares: int,
    ) -> None:
        self.known: dict[str, int] = {}
        self.told = Told()
        self.inbox = Inbox(capacity)
        self.seam = Seam(
            feed.name, HOUR, self.inbox, history, self.known.get, self.told,
            now=lambda: 1_234.5, warmup_bars=4, backoff=AT_ONCE, look_s=0.01,
            repeat=Backoff(first_s=60.0, last_s=600.0),
        )  # fmt: skip
        self.fills = Fills(self.seam, history, HOUR, pauses_s=(0.0, 0.001, 0.002))
        self.listener = Listener(
            feed, symbols, HOUR, self.seam, self.fills, self.told,
            now=lambda: 1_234.5, backoff=backoff, healthy_s=healthy_s, hello_spacing_s=0.0, spares=spares,
        )  # fmt: skip
        self._taken: list[Arrival] = []
        self.each_once = False
        self._fetched: list[Bar] = []

    async def arrivals(self, count: int) -> list[Arrival]:
        """The next closed bars; with `each_once`, what is fetched of history again is left out."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self._taken) < count:
                self._taken += [one for one in await self.inbox.take(1_000) if not self._repeats(one)]
        taken, self._taken = self._taken[:count], self._taken[count:]
        return taken

    def _repeats(self, arrival: Arrival) -> bool:
        if not self.each_once or arrival.origin is not Origin.BACKFILLED:
            return False
        repeated = arrival.bar in self._fetched
        self._fetched.append(arrival.bar)
        return repeated

    async def take(self, count: int) -> list[tuple[str, int, str]]:
        """The next closed bars: symbol, hour and origin. The predictor then knows them."""
        told: list[tuple[str, int, str]] = []
        for arrival in await self.arrivals(count):
            assert (arrival.venue, arrival.received_at_ms) == ("binance", 1_234_500)
            self.known[arrival.bar.symbol] = arrival.bar.opened_at_ms + HOUR.ms
            told.append((arrival.bar.symbol, (arrival.bar.opened_at_ms - START_MS) // HOUR.ms, arrival.origin.value))
        return told

    async def until_filled(self) -> None:
        """Wait until no gap is in hand."""
        async with asyncio.timeout(PATIENCE_S):
            await self.fills._symbols.join()

    @property
    def waiting(self) -> int:
        """Closed bars that nobody has taken."""
        return len(self._taken) + self.inbox.depth

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen for as long as the block lasts, then end by cancellation alone."""
        task = asyncio.create_task(self.listener.listen_forever())
        try:
            yield
        finally:
            task.cancel()
            done, _ = await asyncio.wait({task}, timeout=PATIENCE_S)
            assert done
            assert task.cancelled()
