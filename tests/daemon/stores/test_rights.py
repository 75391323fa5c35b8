from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kept import bars_of, loaded, recorded

from core.errors import StoreError
from daemon.ports import Entry
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.redis import RedisStore

if TYPE_CHECKING:
    import redis.asyncio as redis

AnEntry = Callable[..., Entry]
NewStore = Callable[..., Awaitable[RedisStore]]

DOCS = Path(__file__).resolve().parents[3] / "docs" / "reference" / "redis.md"


@pytest.fixture
async def least(client: "redis.Redis"):
    """A user with the rights of docs/reference/redis.md; the address without its password."""
    rights = DOCS.read_text().split("resetchannels &gaze:* ")[1].split("\n\n")[0]
    await client.execute_command(
        "ACL", "SETUSER", "gaze", "on", ">right", "~gaze:*", "resetchannels", "&gaze:*", *rights.split()
    )
    yield "gaze"
    await client.acl_deluser("gaze")


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
