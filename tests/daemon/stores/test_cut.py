"""The connection to Redis is lost at every single step, before a command is sent and after its answer came."""

import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from builders import HOUR
from kept import KEYS, bars_of, loaded, recorded
from redis.asyncio.connection import UnixDomainSocketConnection
from redis.exceptions import ConnectionError as GoneError

from core.bars import Bar
from core.errors import FencedError, StoreError
from core.windows import Windows
from daemon.ports import Entry
from daemon.predicting.keeper import Keeper
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.redis import RedisStore

if TYPE_CHECKING:
    import redis.asyncio as redis

    from daemon.stores.recovery import Loss

AnEntry = Callable[..., Entry]
MOST_STEPS = 400


class Steps:
    """Counts what is sent and read, over all connections; at one of these the connection is lost, or worse."""

    def __init__(self, lost_at: int, strike: Callable[[], Awaitable[object]] | None = None) -> None:
        self.count = 0
        self._lost_at = lost_at
        self._strike = strike

    def end(self) -> bool:
        """Lose no more connections from here on; whether all was done before it came to that."""
        over, self._lost_at = self.count <= self._lost_at, -1
        return over

    async def take(self) -> None:
        self.count += 1
        if self.count - 1 != self._lost_at:
            return
        if self._strike is None:
            raise GoneError("the connection was lost")
        await self._strike()

    def connect(self, place: Mapping[str, Any]) -> UnixDomainSocketConnection:
        take = self.take

        class Breaking(UnixDomainSocketConnection):
            async def send_packed_command(self, *told: Any, **more: Any) -> None:
                await take()
                await super().send_packed_command(*told, **more)

            async def read_response(self, *told: Any, **more: Any) -> Any:
                answer = await super().read_response(*told, **more)
                await take()
                return answer

        told = {name: value for name, value in place.items() if name != "connection_class"}
        return Breaking(protocol=2, **told)


class Told:
    """What a status page would show."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def store_failed(self, error: StoreError) -> None:
        self.errors.append(str(error))

    def store_back(self) -> None:
        pass


async def leave_it() -> None:
    """The server runs: only the way to it is lost."""


async def persist(doing: Callable[[], Awaitable[object]]) -> object:
    while True:
        try:
            return await doing()
        except StoreError:
            continue


class Daemon:
    """A store through its bad times, and the windows that it mirrors."""

    def __init__(self, url: str, an_entry: AnEntry) -> None:
        self.losses: list[Loss] = []
        self.store = RedisStore(url, KEYS, HOUR, 5, lost=self.losses.append, answer_s=60)
        self._keeper = Keeper(self.store, Told(), leave_it, retry_s=0.0)
        self._windows = Windows(HOUR, ["BTCUSDT"], 5)
        self._an_entry = an_entry

    async def start(self) -> None:
        await persist(self.store.open)
        await persist(lambda: self.store.load(self._windows))
        self.store.guard(self._windows)
        await persist(lambda: self.store.follow(["BTCUSDT"], 0))

    async def publish(self, hour: int, revision: int = 0) -> None:
        entry = self._an_entry(hour, revision=revision, close=1.5 + revision / 4)
        self._windows.put(Bar(entry.symbol, entry.opened_at_ms, *entry.row))
        await self._keeper.commit([entry])
        self._windows.publish(entry.symbol, entry.opened_at_ms, revision)


SAID = [("BTCUSDT", hour, 0) for hour in range(5)]
ALL = [" ".join(map(str, one)) for one in (*SAID[:2], ("BTCUSDT", 1, 1), *SAID[2:])]
BARS = [(hour, 1.75 if hour == 1 else 1.5, int(hour == 1), int(hour == 1)) for hour in range(5)]


async def test_wherever_the_connection_is_lost_each_bar_is_kept_once_and_each_message_goes_out_once(
    server: EmbeddedServer, client: "redis.Redis", an_entry: AnEntry, monkeypatch: pytest.MonkeyPatch
):
    for lost_at in range(MOST_STEPS):
        steps = Steps(lost_at)
        monkeypatch.setattr("daemon.stores.wire.connect", steps.connect)
        await client.flushall()
        daemon = Daemon(server.url, an_entry)
        await daemon.start()
        for hour, revision in ((0, 0), (1, 0), (1, 1), (2, 0), (3, 0), (4, 0)):
            await daemon.publish(hour, revision)
        over = steps.end()
        assert await recorded(client) == ALL, lost_at
        assert bars_of(await loaded(daemon.store)) == BARS, lost_at
        assert daemon.losses == []
        await daemon.store.close()
        if over:
            return
    raise AssertionError("it never ends")


async def forgotten(server: EmbeddedServer, client: "redis.Redis", an_entry: AnEntry) -> Daemon:
    """A daemon that has published five bars to a server that then lost all of them."""
    await client.flushall()
    daemon = Daemon(server.url, an_entry)
    await daemon.start()
    for hour, revision in ((0, 0), (1, 0), (1, 1), (2, 0), (3, 0)):
        await daemon.publish(hour, revision)
    await daemon.store.close()
    await client.flushall()
    return daemon


async def test_wherever_the_connection_is_lost_a_server_that_lost_all_is_given_it_again_once(
    server: EmbeddedServer, client: "redis.Redis", an_entry: AnEntry, monkeypatch: pytest.MonkeyPatch
):
    for lost_at in range(MOST_STEPS):
        monkeypatch.setattr("daemon.stores.wire.connect", Steps(MOST_STEPS).connect)
        daemon = await forgotten(server, client, an_entry)
        await client.script_flush()
        steps = Steps(lost_at)
        monkeypatch.setattr("daemon.stores.wire.connect", steps.connect)
        await daemon.publish(4)
        over = steps.end()
        assert await recorded(client) == ALL, lost_at
        assert bars_of(await loaded(daemon.store)) == BARS, lost_at
        assert [loss.gone for loss in daemon.losses] == [0], lost_at
        assert await client.hget(KEYS.fence, "messages") == b"6", lost_at
        await daemon.store.close()
        if over:
            return
    raise AssertionError("it never ends")


async def test_whenever_a_server_loses_all_while_it_is_given_what_it_lost_before_it_has_all_of_it_in_the_end(
    server: EmbeddedServer, client: "redis.Redis", an_entry: AnEntry, monkeypatch: pytest.MonkeyPatch
):
    for lost_at in range(MOST_STEPS):
        monkeypatch.setattr("daemon.stores.wire.connect", Steps(MOST_STEPS).connect)
        daemon = await forgotten(server, client, an_entry)
        steps = Steps(lost_at, client.flushall)
        monkeypatch.setattr("daemon.stores.wire.connect", steps.connect)
        await daemon.publish(4)
        over = steps.end()
        await persist(daemon.store.beat)
        assert await recorded(client) == ALL, lost_at
        assert bars_of(await loaded(daemon.store)) == BARS, lost_at
        assert sum(loss.gone for loss in daemon.losses) == 0, lost_at
        await daemon.store.close()
        if over:
            return
    raise AssertionError("it never ends")


async def test_wherever_the_connection_is_lost_the_former_daemon_stays_out(
    server: EmbeddedServer, client: "redis.Redis", an_entry: AnEntry, monkeypatch: pytest.MonkeyPatch
):
    for lost_at in itertools.count():
        assert lost_at < MOST_STEPS
        steps = Steps(lost_at)
        await client.flushall()
        monkeypatch.setattr("daemon.stores.wire.connect", Steps(MOST_STEPS).connect)
        former = Daemon(server.url, an_entry)
        await former.start()
        await former.publish(0)
        monkeypatch.setattr("daemon.stores.wire.connect", steps.connect)
        newer = Daemon(server.url, an_entry)
        await newer.start()
        with pytest.raises(FencedError):
            await former.publish(1)
        await newer.publish(1)
        over = steps.end()
        assert await recorded(client) == ["BTCUSDT 0 0", "BTCUSDT 1 0"], lost_at
        for one in (former, newer):
            await one.store.close()
        if over:
            return
