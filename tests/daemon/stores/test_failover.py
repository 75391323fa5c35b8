"""A store behind Sentinels and in a cluster, whose primary is killed before its replica has everything."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from builders import HOUR
from kept import KEYS, bars_of, loaded

from benchmarks.running.redises import Service, cluster, sentinels
from core.bars import Bar
from core.errors import FencedError, StoreError
from daemon.ports import Entry
from daemon.predicting.keeper import Keeper
from daemon.stores.recovery import Loss
from daemon.stores.redis import RedisStore

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

AnEntry = Callable[..., Entry]


class Told:
    """What a status page would show."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def store_failed(self, error: StoreError) -> None:
        self.errors.append(str(error))

    def store_back(self) -> None:
        pass


async def leave_it():
    """Sentinels and clusters bring their servers back themselves."""


@pytest.fixture(params=[sentinels, cluster])
async def service(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Service]:
    async with request.param(tmp_path) as service:
        yield service


@pytest.fixture
async def losses() -> list[Loss]:
    return []


@pytest.fixture
async def store(service: Service, losses: list[Loss]) -> AsyncIterator[RedisStore]:
    async with AsyncExitStack() as stack:
        store = RedisStore(service.url, KEYS, HOUR, 5, answer_s=3.0, lost=losses.append)
        stack.push_async_callback(store.close)
        await store.open()
        yield store


async def stream_of(service: Service) -> list[str]:
    return [fields[b"message"].decode() for _, fields in await service.replica.client.xrange(KEYS.stream)]


async def test_a_killed_primary_is_waited_for_and_the_new_one_goes_on_where_it_was(
    service: Service, store: RedisStore, losses: list[Loss], an_entry: AnEntry
):
    told = Told()
    keeper = Keeper(store, told, leave_it, retry_s=0.1)
    assert await keeper.commit([an_entry(0)]) == [True]
    await service.caught_up()
    service.primary.kill()
    assert await keeper.commit([an_entry(1)]) == [True]
    assert await stream_of(service) == ["BTCUSDT 0 0", "BTCUSDT 1 0"]
    assert told.errors
    assert losses == []
    assert str(service.replica.port) in store.address


async def test_what_the_new_primary_lacks_is_published_again_and_nothing_twice(
    service: Service, store: RedisStore, losses: list[Loss], an_entry: AnEntry
):
    keeper = Keeper(store, Told(), leave_it, retry_s=0.1)
    windows = await loaded(store)
    store.guard(windows)
    await keeper.commit([an_entry(0)])
    await service.caught_up()
    async with service.lagging():
        for hour in range(1, 4):
            entry = an_entry(hour)
            windows.put(Bar(entry.symbol, entry.opened_at_ms, *entry.row))
            await keeper.commit([entry])
            windows.publish(entry.symbol, entry.opened_at_ms, 0)
    assert await stream_of(service) == ["BTCUSDT 0 0"]
    assert await keeper.commit([an_entry(4)]) == [True]
    assert await stream_of(service) == [f"BTCUSDT {hour} 0" for hour in range(5)]
    assert losses == [Loss(lost=3, republished=3)]
    assert bars_of(await loaded(store)) == [(hour, 1.5, 0, 0) for hour in range(5)]


async def test_of_two_daemons_one_leads_also_after_a_failover_that_lost_the_takeover(
    service: Service, store: RedisStore, an_entry: AnEntry
):
    newer = RedisStore(service.url, KEYS, HOUR, 5, answer_s=3.0)
    async with service.lagging():
        await newer.open()
    new, old = (Keeper(one, Told(), leave_it, retry_s=0.1) for one in (newer, store))
    assert await new.commit([an_entry(0)]) == [True]
    with pytest.raises(FencedError):
        await old.commit([an_entry(1)])
    await newer.close()
    assert await stream_of(service) == ["BTCUSDT 0 0"]
