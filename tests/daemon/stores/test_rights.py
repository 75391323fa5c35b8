from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
from builders import HOUR
from kept import bars_of, least_rights, loaded, mirror, recorded

from core.errors import StoreError
from daemon.ports import Entry
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.neighbours import Neighbours
from daemon.stores.redis import RedisStore

if TYPE_CHECKING:
    import redis.asyncio as redis

AnEntry = Callable[..., Entry]
NewStore = Callable[..., Awaitable[RedisStore]]

RIGHTS = least_rights()
MERELY_TOLD = {"+info"}
"""Rights without which there is a warning less."""


@pytest.fixture
async def least(client: "redis.Redis"):
    """A user with the documented rights; the address without its password."""
    await client.execute_command("ACL", "SETUSER", "gaze", "on", ">right", *RIGHTS)
    yield "gaze"
    await client.acl_deluser("gaze")


async def everything(url: str, client: "redis.Redis", new_store: NewStore, an_entry: AnEntry) -> list[StoreError]:
    """All that a daemon does with its store, as far as it may; what was refused."""
    refused: list[StoreError] = []

    async def tried(doing: Awaitable[object]) -> None:
        try:
            await doing
        except StoreError as error:
            refused.append(error)

    store = await new_store(url, waits=True)
    await tried(store.seek())
    if refused:
        return refused
    await tried(store.follow(["BTCUSDT"], 0))
    await tried(store.commit([an_entry(0)]))
    await tried(loaded(store))
    store.guard(mirror())
    await tried(Neighbours(url, Keys("btc"), 2, HOUR, lease_s=0.006).settle(store, ["BTCUSDT"]))
    record, commands, memory = store.record(), store.commands(), store.memory()
    for doing in (record.read(5), record.whole(), commands.next(), store.beat(), memory.save(b"it"), memory.load()):
        await tried(doing)
    await memory.close()
    await record.close()
    await commands.close()
    await client.flushall()
    await tried(store.commit([an_entry(1)]))
    await tried(store.release())
    return refused


@pytest.mark.parametrize("right", [one for one in RIGHTS if one.startswith("+")])
async def test_each_right_is_needed_and_its_lack_is_told_with_what_to_do(
    right: str, server: EmbeddedServer, client: "redis.Redis", least: str, new_store: NewStore, an_entry: AnEntry
):
    url = server.url.replace("unix://", f"unix://{least}:right@")
    assert await everything(url, client, new_store, an_entry) == []
    await client.flushall()
    # Redis 6.2 takes away whole commands only.
    await client.execute_command("ACL", "SETUSER", least, right.partition("|")[0].replace("+", "-"))
    try:
        refused = await everything(url, client, new_store, an_entry)
    except StoreError as error:
        refused = [error]
    assert bool(refused) == (right not in MERELY_TOLD)
    assert all("try: give its user the rights" in str(error) for error in refused)


async def test_a_user_with_the_documented_rights_suffices(
    server: EmbeddedServer, client: "redis.Redis", least: str, new_store: NewStore, an_entry: AnEntry
):
    store = await new_store(server.url.replace("unix://", f"unix://{least}:right@"))
    await store.beat()
    await store.follow(["BTCUSDT"], 0)
    assert await store.commit([an_entry(0), an_entry(0, revision=1)]) == [True, True]
    assert bars_of(await loaded(store)) == [(0, 1.5, 1, 1)]
    record = store.record()
    assert len(await record.read(5)) == 2
    await record.close()
    await store.release()
    store.guard(await loaded(store))
    await client.flushall()
    await store.beat()
    assert bars_of(await loaded(store)) == [(0, 1.5, 1, 1)]


async def test_a_right_that_lacks_is_named_and_nothing_is_published(
    server: EmbeddedServer, client: "redis.Redis", least: str, new_store: NewStore, an_entry: AnEntry
):
    store = await new_store(server.url.replace("unix://", f"unix://{least}:right@"))
    await client.execute_command("ACL", "SETUSER", least, "-xadd")
    with pytest.raises(StoreError, match="try: give its user the rights"):
        await store.commit([an_entry(0)])
    await client.execute_command("ACL", "SETUSER", least, "+xadd")
    assert await store.commit([an_entry(0)]) == [True]
    assert await recorded(client) == ["BTCUSDT 0 0"]


@pytest.mark.parametrize("right", ["+xadd", "+publish", "+setrange", "+pexpire", "+hset", "+hincrby", "+set", "+hmget"])
async def test_while_a_right_lacks_nothing_is_written_twice_however_often_it_is_tried(
    right: str, server: EmbeddedServer, client: "redis.Redis", least: str, new_store: NewStore, an_entry: AnEntry
):
    store = await new_store(server.url.replace("unix://", f"unix://{least}:right@"))
    await store.commit([an_entry(0)])
    await client.execute_command("ACL", "SETUSER", least, right.replace("+", "-"))
    for _ in range(3):
        with pytest.raises(StoreError, match="try: give its user the rights"):
            await store.commit([an_entry(1), an_entry(1, symbol="ETHUSDT")])
    assert await recorded(client) == ["BTCUSDT 0 0"]
    await client.execute_command("ACL", "SETUSER", least, right)
    assert await store.commit([an_entry(1), an_entry(1, symbol="ETHUSDT")]) == [True, True]
    assert await recorded(client) == ["BTCUSDT 0 0", "BTCUSDT 1 0", "ETHUSDT 1 0"]


async def test_a_wrong_password_is_refused_and_never_shown(server: EmbeddedServer, least: str, new_store: NewStore):
    with pytest.raises(StoreError, match="try: set the right user and password") as refused:
        await new_store(server.url.replace("unix://", f"unix://{least}:wrong-secret@"))
    assert "wrong-secret" not in str(refused.value)


async def test_a_password_that_is_missing_is_asked_for(client: "redis.Redis", store: RedisStore):
    await client.config_set("requirepass", "now needed")
    try:
        await store.close()
        with pytest.raises(StoreError, match="try: set the right user and password"):
            await store.beat()
    finally:
        await client.config_set("requirepass", "")
