"""The stand-in exchange itself: one port for websocket and REST, fed by the market, in the words of a dialect."""

import asyncio
import itertools
import ssl
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from core.errors import UsageError
from daemon.exchange.chance import chance
from daemon.exchange.client import Client
from daemon.exchange.clock import VenueClock
from daemon.exchange.dialects import Dialect
from daemon.exchange.faults import Break, Disorder, Faults, Limit
from daemon.exchange.market import Market, Update
from daemon.exchange.mischief import changing, garbage, oversized

# Clients subscribe in several messages over several sockets: the clock waits until nothing came for so long.
_SETTLED_S: Final = 0.2
_RETRY_AFTER: Final = {Limit.LIMIT: (429, "1"), Limit.BAN: (418, "2")}


class Summary(msgspec.Struct, frozen=True):
    """What was told, from when to when; `dropped`: sockets broken on purpose."""

    from_ms: int
    to_ms: int
    closed_bars: int
    frames: int
    clients: int
    dropped: int


class Exchange:
    """A venue on `host:port` that lives through a market once `subscribers` clients have subscribed.

    Opened with `async with`, it answers REST at once; `replay` tells the market to its end. A leaping clock goes on
    to the next period only when every client has taken the last one, and stands while a client is missing.
    """

    def __init__(
        self,
        market: Market,
        dialect: Dialect,
        clock: VenueClock,
        faults: Faults | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        subscribers: int = 1,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.clock = clock
        self._market = market
        self._dialect = dialect
        self._faults = faults or Faults()
        self._skew_ms = market.skew_ms = int(self._faults.skew * 1_000)
        self._requests = itertools.count()
        self._handshakes = itertools.count()
        self._host = host
        self._port = port
        self._subscribers = subscribers
        self._tls = tls and changing(tls, self._shows_wrong_certificate)
        self._clients: list[Client] = []
        self._numbers = itertools.count()
        self._subscribed = asyncio.Event()
        self._closing = False
        self._from_ms = clock.now_ms()
        self._closed_bars = self._frames = self._accepted = self._dropped = 0
        app = web.Application()
        for method in ("GET", "POST"):
            app.router.add_route(method, "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)

    @property
    def websocket_url(self) -> str:
        """Where its websockets are."""
        return f"{'wss' if self._tls else 'ws'}://{self._host}:{self._port}"

    @property
    def rest_url(self) -> str:
        """Where its REST is."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self._port}"

    @property
    def summary(self) -> Summary:
        """What has been told until now."""
        return Summary(
            self._from_ms, self.clock.now_ms(), self._closed_bars, self._frames, self._accepted, self._dropped
        )

    async def __aenter__(self) -> Self:
        """Listen; a port of 0 is replaced by the one found. Raises: UsageError: it cannot be listened on."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port, ssl_context=self._tls).start()
        except OSError as error:
            await self._runner.cleanup()
            raise UsageError(f"cannot listen on {self._host}:{self._port} ({error.strerror}); try: --port 0") from error
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say good-bye, close every socket and stop listening."""
        self._closing = True
        self.clock.stop()
        farewell = self._dialect.farewell(self.clock.now_ms())
        async with asyncio.TaskGroup() as tasks:
            for client in self._clients:
                tasks.create_task(client.leave(farewell, WSCloseCode.GOING_AWAY), name=f"leave:{client.number}")
        await self._runner.cleanup()

    async def replay(self) -> Summary:
        """Tell the market from the clock's time to its end; then the clock stands."""
        length = self._market.interval.ms
        first_ms = self._market.interval.floor(self._from_ms)
        disorder = Disorder(self._faults)
        await self._gathered()
        self.clock.start()
        # Two more than there are bars: the last one closes in the next period, or, told late, in the one after.
        for period_ms in range(first_ms, self._market.last_ms + 3 * length, length):
            await self._end_lives(period_ms)
            if self.clock.speed is None:
                await self._gathered()
            told = disorder(
                update
                for update in self._market.period(period_ms)
                if update.bar.opened_at_ms >= first_ms and update.at_ms >= self._from_ms
            )
            if told:
                await self._tell(period_ms, told)
        self.clock.stop()
        return self.summary

    async def _tell(self, period_ms: int, period: Sequence[Update]) -> None:
        """Tell a period to every client there, breaking the sockets that the faults choose."""
        breaks = {client: self._faults.breaks(client.number, period_ms, len(period)) for client in self._clients}
        for place, update in enumerate(period):
            await self.clock.reach(update.at_ms)
            told = self._dialect.tell(update)
            torn = update.bar.closed and self._faults.hits(self._faults.garbage, "garbage", update)
            for client in list(self._clients):
                way, when = breaks.get(client) or (None, 0)
                if way is not None and when == place:
                    await self._break(client, way, told)
                elif update.bar.symbol in client.symbols:
                    if torn:
                        await client.send(garbage(told, self._faults.seed, update.at_ms))
                    await client.send(client.session.wrap(update.bar.symbol, told))
                    self._frames += 1
            self._closed_bars += update.bar.closed
        if self.clock.speed is None:
            for client in list(self._clients):
                await client.taken(self._dialect.cut_after_s)

    async def _break(self, client: Client, way: Break, frame: bytes) -> None:
        self._dropped += 1
        self._leave(client)
        if way is Break.DROP:
            client.cut()
        elif way is Break.STALL:
            client.stall()
        elif way is Break.HALF_FRAME:
            client.break_within(frame)
        else:
            await client.send(oversized())

    async def _end_lives(self, period_ms: int) -> None:
        """Close the sockets that have lived long enough; say so one bar before, where the venue has a word for it."""
        if not self._faults.life:
            return
        life_ms, length = int(self._faults.life * 3_600_000), self._market.interval.ms
        for client in list(self._clients):
            age_ms = period_ms - client.since_ms
            farewell = self._dialect.farewell(period_ms)
            if age_ms >= life_ms:
                self._dropped += 1
                self._leave(client)
                await client.leave(None, WSCloseCode.GOING_AWAY)
            elif age_ms >= life_ms - length and farewell is not None:
                await client.send(farewell)

    def _shows_wrong_certificate(self) -> bool:
        return chance(self._faults.seed, "certificate", next(self._handshakes), 0) < self._faults.wrong_certificate

    def _told_ms(self) -> int:
        """What time it is by the venue's own account."""
        return self.clock.now_ms() + self._skew_ms

    async def _gathered(self) -> None:
        """Wait until enough clients have subscribed and none has asked for more lately."""
        waited = False
        while sum(bool(client.symbols) for client in self._clients) < self._subscribers:
            waited = True
            self._subscribed.clear()
            await self._subscribed.wait()
        while waited:
            self._subscribed.clear()
            try:
                async with asyncio.timeout(_SETTLED_S):
                    await self._subscribed.wait()
            except TimeoutError:
                waited = False

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._serve(request)
        refusal = self._faults.refuses(next(self._requests))
        if refusal is not None:
            status, pause_s = _RETRY_AFTER[refusal]
            return web.Response(status=status, headers={"Retry-After": pause_s}, text="too many requests")
        body = await request.read()
        answer = self._dialect.answer(request.path, request.query, self._told_ms(), body)
        return web.Response(status=answer.status, body=answer.body, content_type="application/json")

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        """One websocket, until either side ends it."""
        session = self._dialect.session(request.path, request.query)
        if session is None or self._closing:
            return web.Response(status=503 if self._closing else 404)
        # Pings are answered below, so that the answers to ours can be seen; compression is not offered, as there.
        socket = web.WebSocketResponse(autoping=False, compress=False, timeout=2.0)
        await socket.prepare(request)
        client = Client(next(self._numbers), socket, session, request.transport, self.clock.now_ms())
        if self._faults.turns_away(client.number):
            self._dropped += 1
            await client.leave(None, WSCloseCode.TRY_AGAIN_LATER)
            return socket
        self._clients.append(client)
        self._accepted += 1
        self._subscribed.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                every_s, within_s = self._dialect.ping_every_s, self._dialect.cut_after_s
                pings = tasks.create_task(
                    client.ping_forever(every_s, within_s, self._told_ms), name=f"ping:{client.number}"
                )
                async for message in socket:
                    if message.type is WSMsgType.TEXT:
                        await client.hear(message.data, self._told_ms())
                        self._subscribed.set()
                    elif message.type is WSMsgType.PING:
                        await client.answer_ping(message.data)
                    elif message.type is WSMsgType.PONG:
                        client.ponged(message.data)
                pings.cancel()
        finally:
            self._leave(client)
        return socket

    def _leave(self, client: Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
        client.gone()
