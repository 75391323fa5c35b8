import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pytest

from core.bars import Bar, Interval
from core.errors import ConfigError, FencedError, StoreError
from core.windows import Windows
from daemon.ports import Entry
from daemon.stores import ring
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore

if TYPE_CHECKING:
    import redis.asyncio as redis

AnEntry = Callable[..., Entry]
NewStore = Callable[..., Awaitable[RedisStore]]

HOUR = Interval.parse("1h")
DOCS = Path(__file__).resolve().parents[3] / "docs" / "reference" / "redis.md"
KEYS = Keys("btc")
LATEST = KEYS.latest("BTCUSDT")
RING = KEYS.ring("1h", 5, "BTCUSDT")


async def recorded(client: "redis.Redis"):
    return [fields[b"message"].decode() for _, fields in await client.xrange(KEYS.stream)]


def mirror(symbols: Sequence[str] = ("BTCUSDT",), capacity: int = 5):
    return Windows(HOUR, symbols, capacity)


async def loaded(store: RedisStore, **more: Any):
    windows = mirror(**more)
    await store.load(windows)
    return windows


def bars_of(windows: Windows, symbol: str = "BTCUSDT"):
    """Hours, closes, revisions and published revisions of one symbol, oldest first."""
    position = windows.index[symbol]
    there = np.flatnonzero(windows.opened_at_ms_SC[position] >= 0)
    order = there[np.argsort(windows.opened_at_ms_SC[position, there])]
    return [
        (
            int(windows.opened_at_ms_SC[position, slot] // HOUR.ms) - 480_000,
            float(windows.rows_SC5[position, slot, 3]),
            int(windows.revision_SC[position, slot]),
            int(windows.published_SC[position, slot]),
        )
        for slot in order
    ]


async def test_a_bar_is_kept_and_its_message_is_in_the_stream_and_the_latest(
    store: RedisStore, client: "redis.Redis", an_entry: AnEntry
):
    assert await store.commit([an_entry(0)]) == [True]
    assert await recorded(client) == ["BTCUSDT 0 0"]
    assert await client.get(LATEST) == b"BTCUSDT 0 0"
    assert bars_of(await loaded(store)) == [(0, 1.5, 0, 0)]


async def test_a_message_goes_out_once_on_the_channel(store: RedisStore, client: "redis.Redis", an_entry: AnEntry):
    async with client.pubsub() as heard:
        await heard.subscribe(KEYS.channel)
        assert (await heard.get_message(timeout=5))["type"] == "subscribe"
        await store.commit([an_entry(0)])
        await store.commit([an_entry(0), an_entry(1)])
        told = [(await heard.get_message(timeout=5))["data"] for _ in range(2)]
        assert told == [b"BTCUSDT 0 0", b"BTCUSDT 1 0"]
        assert await heard.get_message(timeout=0) is None


async def test_a_repeat_changes_nothing(store: RedisStore, client: "redis.Redis", an_entry: AnEntry):
    await store.commit([an_entry(0), an_entry(1)])
    before = await client.get(RING)
    assert await store.commit([an_entry(0, close=1.9), an_entry(1)]) == [False, False]
    assert await recorded(client) == ["BTCUSDT 0 0", "BTCUSDT 1 0"]
    assert await client.get(RING) == before


async def test_the_same_bar_twice_in_one_call_goes_out_once(
    store: RedisStore, client: "redis.Redis", an_entry: AnEntry
):
    assert await store.commit([an_entry(0), an_entry(0)]) == [True, False]
    assert await recorded(client) == ["BTCUSDT 0 0"]


async def test_a_revision_replaces_the_bar_and_goes_out(store: RedisStore, client: "redis.Redis", an_entry: AnEntry):
    await store.commit([an_entry(0)])
    assert await store.commit([an_entry(0, revision=1, close=1.7)]) == [True]
    assert await recorded(client) == ["BTCUSDT 0 0", "BTCUSDT 0 1"]
    assert await client.get(LATEST) == b"BTCUSDT 0 1"
    assert bars_of(await loaded(store)) == [(0, 1.7, 1, 1)]


async def test_an_older_revision_is_refused(store: RedisStore, client: "redis.Redis", an_entry: AnEntry):
    await store.commit([an_entry(0, revision=2)])
    assert await store.commit([an_entry(0, revision=1, close=1.7)]) == [False]
    assert await recorded(client) == ["BTCUSDT 0 2"]
    assert bars_of(await loaded(store)) == [(0, 1.5, 2, 2)]


async def test_a_bar_without_a_message_is_kept_and_its_message_goes_out_later(
    store: RedisStore, client: "redis.Redis", an_entry: AnEntry
):
    assert await store.commit([an_entry(0, message=None)]) == [False]
    assert bars_of(await loaded(store)) == [(0, 1.5, 0, -1)]
    assert not await client.exists(KEYS.stream, LATEST)
    assert await store.commit([an_entry(0)]) == [True]
    assert bars_of(await loaded(store)) == [(0, 1.5, 0, 0)]


async def test_a_revision_without_a_message_leaves_what_was_published(store: RedisStore, an_entry: AnEntry):
    await store.commit([an_entry(0)])
    await store.commit([an_entry(0, revision=1, close=1.7, message=None)])
    assert bars_of(await loaded(store)) == [(0, 1.7, 1, 0)]


async def test_the_latest_message_never_goes_back_to_an_older_bar(
    store: RedisStore, client: "redis.Redis", an_entry: AnEntry
):
    await store.commit([an_entry(2)])
    assert await store.commit([an_entry(1), an_entry(0, revision=1)]) == [True, True]
    assert await client.get(LATEST) == b"BTCUSDT 2 0"
    await store.commit([an_entry(3)])
    assert await client.get(LATEST) == b"BTCUSDT 3 0"


async def test_a_bar_that_the_ring_no_longer_remembers_is_refused(
    store: RedisStore, client: "redis.Redis", an_entry: AnEntry
):
    await store.commit([an_entry(5)])
    assert await store.commit([an_entry(0)]) == [False]
    assert await recorded(client) == ["BTCUSDT 5 0"]
    assert bars_of(await loaded(store)) == [(5, 1.5, 0, 0)]


async def test_a_ring_has_its_whole_length_from_its_first_bar_and_keeps_it(
    store: RedisStore, client: "redis.Redis", an_entry: AnEntry
):
    for hour in range(12):
        await store.commit([an_entry(hour)])
        assert await client.strlen(RING) == ring.size_bytes(5)
    assert [hour for hour, *_ in bars_of(await loaded(store))] == [7, 8, 9, 10, 11]


async def test_what_is_no_longer_followed_goes_away_by_itself(
    store: RedisStore, client: "redis.Redis", an_entry: AnEntry
):
    week_ms = 7 * 86_400_000
    await store.commit([an_entry(hour) for hour in range(5)])
    assert 0 < await client.pttl(RING) <= week_ms
    assert 0 < await client.pttl(LATEST) <= week_ms
    assert await client.pttl(KEYS.stream) == -1


async def test_a_bar_renews_the_time_its_ring_is_kept(store: RedisStore, client: "redis.Redis", an_entry: AnEntry):
    await store.commit([an_entry(0)])
    await client.pexpire(RING, 60_000)
    await store.commit([an_entry(hour) for hour in range(1, 6)])
    assert await client.pttl(RING) > 60_000


async def test_the_stream_is_cut_to_its_length(new_store: NewStore, client: "redis.Redis", an_entry: AnEntry):
    store = await new_store(stream_maxlen=100)
    for hour in range(10):
        await store.commit([an_entry(hour, symbol=f"S{number}") for number in range(100)])
    assert 100 <= await client.xlen(KEYS.stream) < 400


async def test_more_entries_than_one_call_takes_keep_their_order(
    store: RedisStore, client: "redis.Redis", an_entry: AnEntry
):
    entries = [an_entry(hour, symbol=f"S{number}") for number in range(400) for hour in (0, 1)]
    assert await store.commit(entries) == [True] * 800
    assert await recorded(client) == [entry.message.decode() for entry in entries]


async def test_nothing_to_commit_is_fine(store: RedisStore):
    assert await store.commit([]) == []


async def test_load_restores_the_windows_exactly(store: RedisStore, new_store: NewStore, an_entry: AnEntry):
    symbols = [f"S{number}" for number in range(250)]
    kept = mirror(symbols)
    entries = []
    for symbol in symbols[:-1]:
        for hour in range(7):
            revision = kept.put(Bar(symbol, (480_000 + hour) * HOUR.ms, 1.0, 2.0, 0.5, 1.0 + hour / 10, 10.0))
            entries.append(an_entry(hour, symbol=symbol, revision=revision, close=1.0 + hour / 10))
            kept.publish(symbol, entries[-1].opened_at_ms, revision)
    await store.commit(entries)
    after = mirror(symbols)
    assert await (await new_store()).load(after) == 249 * 5
    np.testing.assert_array_equal(after.opened_at_ms_SC, kept.opened_at_ms_SC)
    np.testing.assert_array_equal(after.rows_SC5, kept.rows_SC5)
    np.testing.assert_array_equal(after.revision_SC, kept.revision_SC)
    np.testing.assert_array_equal(after.published_SC, kept.published_SC)
    np.testing.assert_array_equal(after.newest_ms_S, kept.newest_ms_S)


async def test_ten_thousand_symbols_are_loaded(new_store: NewStore, client: "redis.Redis"):
    symbols = [f"S{number:05d}" for number in range(10_000)]
    rows = np.zeros(73, ring.ROW)
    hours = 480_000 + np.arange(73)
    rows["opened_at_ms"], rows["written"], rows["published"], rows["bar"] = hours * HOUR.ms, 1, 1, 1.0
    told = rows[np.argsort(hours % 73)].tobytes()
    await client.mset({KEYS.ring("1h", 73, symbol): told for symbol in symbols})
    store = await new_store(capacity=73)
    windows = mirror(symbols, 73)
    assert await store.load(windows) == 730_000
    assert (windows.newest_ms_S == hours[-1] * HOUR.ms).all()


async def test_a_first_bar_to_predict_stays_as_it_was_set(store: RedisStore, new_store: NewStore):
    assert await store.follow(["A", "B"], 5 * HOUR.ms) == {"A": 5 * HOUR.ms, "B": 5 * HOUR.ms}
    after = await new_store()
    assert await after.follow(["B", "C"], 9 * HOUR.ms) == {"B": 5 * HOUR.ms, "C": 9 * HOUR.ms}


async def test_another_capacity_is_another_ring_and_the_old_one_goes_away(
    store: RedisStore, new_store: NewStore, client: "redis.Redis", an_entry: AnEntry
):
    await store.commit([an_entry(0)])
    wider = await new_store(capacity=9)
    assert bars_of(await loaded(wider, capacity=9)) == []
    await wider.commit([an_entry(0, message=None)])
    assert await client.pttl(RING) > 0
    assert bars_of(await loaded(wider, capacity=9)) == [(0, 1.5, 0, -1)]


async def test_after_another_capacity_a_symbol_begins_behind_what_was_published(
    store: RedisStore, new_store: NewStore, an_entry: AnEntry
):
    await store.follow(["BTCUSDT", "ETHUSDT"], an_entry(0).opened_at_ms)
    await store.commit([an_entry(0), an_entry(1), an_entry(2, message=None)])
    wider = await new_store(capacity=9)
    await loaded(wider, capacity=9, symbols=("BTCUSDT", "ETHUSDT"))
    begin = {"BTCUSDT": an_entry(2).opened_at_ms, "ETHUSDT": an_entry(0).opened_at_ms}
    assert await wider.follow(["BTCUSDT", "ETHUSDT"], 0) == begin


async def test_a_ring_that_another_capacity_has_overtaken_is_left(
    store: RedisStore, new_store: NewStore, an_entry: AnEntry
):
    await store.commit([an_entry(0), an_entry(1)])
    wider = await new_store(capacity=9)
    await loaded(wider, capacity=9)
    await wider.commit([an_entry(2), an_entry(3)])
    again = await new_store()
    assert bars_of(await loaded(again)) == []
    assert await again.follow(["BTCUSDT"], 0) == {"BTCUSDT": an_entry(4).opened_at_ms}


async def test_a_ring_that_went_away_is_not_published_again(
    store: RedisStore, new_store: NewStore, client: "redis.Redis", an_entry: AnEntry
):
    await store.follow(["BTCUSDT"], an_entry(0).opened_at_ms)
    await store.commit([an_entry(0), an_entry(1)])
    await client.delete(RING, LATEST)
    after = await new_store()
    assert bars_of(await loaded(after)) == []
    assert await after.follow(["BTCUSDT"], 0) == {"BTCUSDT": an_entry(2).opened_at_ms}


async def test_windows_of_another_shape_are_refused(store: RedisStore):
    with pytest.raises(ValueError, match="capacity"):
        await store.load(mirror(capacity=6))


async def test_who_lost_the_lease_writes_nothing(
    store: RedisStore, new_store: NewStore, client: "redis.Redis", an_entry: AnEntry
):
    await store.commit([an_entry(0)])
    newer = await new_store()
    with pytest.raises(FencedError, match=r"another daemon took over.*try:"):
        await store.commit([an_entry(1), an_entry(0, revision=1)])
    assert await recorded(client) == ["BTCUSDT 0 0"]
    assert bars_of(await loaded(newer)) == [(0, 1.5, 0, 0)]
    assert await newer.commit([an_entry(1)]) == [True]


async def test_who_lost_the_lease_does_not_get_it_back_by_opening_again(
    store: RedisStore, new_store: NewStore, an_entry: AnEntry
):
    await new_store()
    await store.open()
    with pytest.raises(FencedError):
        await store.commit([an_entry(0)])


async def test_closing_does_not_let_a_former_daemon_write_again(
    store: RedisStore, new_store: NewStore, an_entry: AnEntry
):
    newer = await new_store()
    await newer.close()
    with pytest.raises(FencedError):
        await store.commit([an_entry(0)])


async def test_models_and_shards_have_leases_of_their_own(server: EmbeddedServer, store: RedisStore, an_entry: AnEntry):
    for keys in (Keys("other"), Keys("btc", "1")):
        beside = RedisStore(server.url, keys, HOUR, 5)
        await beside.open()
        assert await beside.commit([an_entry(0)]) == [True]
        await beside.close()
    assert await store.commit([an_entry(0)]) == [True]


async def test_a_server_that_forgot_the_script_is_told_again(
    store: RedisStore, client: "redis.Redis", an_entry: AnEntry
):
    await store.commit([an_entry(0)])
    await client.script_flush()
    entries = [an_entry(1, symbol=f"S{number}") for number in range(600)]
    assert await store.commit(entries) == [True] * 600
    assert len(await recorded(client)) == 601


async def test_an_emptied_server_is_given_its_windows_again_and_it_is_said(
    store: RedisStore, new_store: NewStore, client: "redis.Redis", an_entry: AnEntry, caplog: pytest.LogCaptureFixture
):
    names = [f"S{number}" for number in range(230)]
    windows = await loaded(store, symbols=names)
    store.guard(windows)
    since = await store.follow(names, an_entry(1).opened_at_ms)
    for entry in [an_entry(hour, symbol=name) for hour in range(3) for name in names[:-1]]:
        revision = windows.put(Bar(entry.symbol, entry.opened_at_ms, *entry.row))
        windows.publish(entry.symbol, entry.opened_at_ms, revision)
        await store.commit([entry])
    await client.flushall()
    assert await store.commit([an_entry(3, symbol="S0")]) == [True]
    assert "Redis had lost our lease" in caplog.text
    assert await recorded(client) == ["S0 3 0"]
    after = await new_store()
    again = await loaded(after, symbols=names)
    assert bars_of(again, "S0") == [*((hour, 1.5, 0, 0) for hour in range(4))]
    assert all(bars_of(again, name) == [*((hour, 1.5, 0, 0) for hour in range(3))] for name in names[1:-1])
    assert await after.follow(names, 0) == since
    assert await client.pttl(KEYS.ring("1h", 5, "S1")) > 0


async def test_a_server_that_fails_while_it_is_given_its_windows_gets_them_later(
    store: RedisStore, new_store: NewStore, client: "redis.Redis", an_entry: AnEntry
):
    windows = await loaded(store)
    store.guard(windows)
    for hour in range(3):
        windows.put(Bar("BTCUSDT", an_entry(hour).opened_at_ms, *an_entry(hour).row))
        windows.publish("BTCUSDT", an_entry(hour).opened_at_ms, 0)
    await store.commit([an_entry(hour) for hour in range(3)])
    await client.flushall()
    await client.hset(RING, "foreign", "key")
    await client.set(KEYS.newest("1h"), "foreign key")
    with pytest.raises(StoreError, match="try: delete the foreign key"):
        await store.commit([an_entry(3)])
    await client.delete(KEYS.newest("1h"))
    assert await store.commit([an_entry(3)]) == [True]
    assert [hour for hour, *_ in bars_of(await loaded(await new_store()))] == [0, 1, 2, 3]


class ReplyEater:
    """Stands between a store and its server; once armed it passes a call on, and cuts when the answer comes."""

    def __init__(self, server_path: Path, path: Path) -> None:
        self.url = f"unix://{path}"
        self._server_path = server_path
        self._path = path
        self.armed = False
        self.silent = False

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_unix_server(self._connected, self._path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.close()
        await self._listening.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        from_server, to_server = await asyncio.open_unix_connection(self._server_path)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._pass_on(reader, to_server, answers=False))
            both.create_task(self._pass_on(from_server, writer, answers=True))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool):
        while told := await reader.read(1 << 16):
            if answers and self.silent:
                continue
            if answers and self.armed:
                self.armed = False
                break
            writer.write(told)
        writer.close()


@pytest.fixture
async def eater(server: EmbeddedServer, tmp_path: Path):
    async with ReplyEater(server.socket, tmp_path / "eater.sock") as eater:
        yield eater


async def test_a_call_whose_answer_was_lost_is_repeated_without_harm(
    eater: ReplyEater, new_store: NewStore, client: "redis.Redis", an_entry: AnEntry
):
    store = await new_store(eater.url)
    eater.armed = True
    with pytest.raises(StoreError, match="try:"):
        await store.commit([an_entry(0)])
    assert await recorded(client) == ["BTCUSDT 0 0"]
    assert await store.commit([an_entry(0), an_entry(1)]) == [False, True]
    assert await recorded(client) == ["BTCUSDT 0 0", "BTCUSDT 1 0"]


async def test_a_server_that_does_not_answer_is_given_up_in_time(
    eater: ReplyEater, new_store: NewStore, an_entry: AnEntry
):
    store = await new_store(eater.url, answer_s=0.2)
    eater.silent = True
    with pytest.raises(StoreError, match=r"no answer within 0\.2 s"):
        await store.commit([an_entry(0)])
    eater.silent = False
    assert await store.commit([an_entry(0)]) == [False]


async def test_a_cancelled_call_leaves_no_answer_for_the_next_one(
    eater: ReplyEater, new_store: NewStore, an_entry: AnEntry
):
    store = await new_store(eater.url)
    eater.silent = True
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await store.commit([an_entry(0)])
    eater.silent = False
    assert await store.commit([an_entry(1), an_entry(2)]) == [True, True]


async def test_a_full_server_refuses_and_says_what_to_do(store: RedisStore, client: "redis.Redis", an_entry: AnEntry):
    await client.config_set("maxmemory", 1)
    with pytest.raises(StoreError, match=r"maxmemory.*try: raise maxmemory"):
        await store.commit([an_entry(0)])
    await client.config_set("maxmemory", 0)
    assert await store.commit([an_entry(0)]) == [True]
    assert await recorded(client) == ["BTCUSDT 0 0"]


async def test_a_replica_refuses_and_says_what_to_do(store: RedisStore, client: "redis.Redis", an_entry: AnEntry):
    await client.replicaof("127.0.0.1", 1)
    try:
        with pytest.raises(StoreError, match=r"replica.*try: point store\.url at the primary"):
            await store.commit([an_entry(0)])
    finally:
        await client.replicaof("NO", "ONE")
    assert await store.commit([an_entry(0)]) == [True]


async def test_a_foreign_key_under_our_name_is_named(store: RedisStore, client: "redis.Redis", an_entry: AnEntry):
    await client.set(KEYS.stream, "not a stream")
    with pytest.raises(StoreError, match="try: delete the foreign key"):
        await store.commit([an_entry(0)])


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


async def test_a_server_that_is_not_there_is_named_without_secrets():
    store = RedisStore("redis://me:hush@127.0.0.1:1/0", KEYS, HOUR, 5)
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1.*try: see that the server runs") as refused:
        await store.open()
    assert "hush" not in str(refused.value)
    assert store.address == "127.0.0.1:1"


def test_an_address_of_another_kind_is_refused_without_showing_it():
    with pytest.raises(ConfigError, match="try: redis://") as refused:
        RedisStore("http://me:hush@example.org", KEYS, HOUR, 5)
    assert "hush" not in str(refused.value)


async def test_a_server_that_may_evict_is_warned_of(
    new_store: NewStore, client: "redis.Redis", caplog: pytest.LogCaptureFixture
):
    await client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        await new_store()
    finally:
        await client.config_set("maxmemory-policy", "noeviction")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert caplog.records[0].policy == "allkeys-lru"


async def test_a_beat_and_a_commit_do_not_disturb_each_other(store: RedisStore, an_entry: AnEntry):
    entries = [an_entry(0, symbol=f"S{number}") for number in range(500)]
    async with asyncio.TaskGroup() as both:
        committed = both.create_task(store.commit(entries))
        both.create_task(store.beat())
    assert committed.result() == [True] * 500


async def test_a_beat_notices_a_server_that_would_take_no_write(store: RedisStore, client: "redis.Redis"):
    await store.beat()
    await client.config_set("maxmemory", 1)
    with pytest.raises(StoreError, match="try: raise maxmemory"):
        await store.beat()
    await client.config_set("maxmemory", 0)
    await client.replicaof("127.0.0.1", 1)
    try:
        with pytest.raises(StoreError, match=r"try: point store\.url at the primary"):
            await store.beat()
    finally:
        await client.replicaof("NO", "ONE")
    await store.beat()


async def test_a_beat_notices_that_another_daemon_took_over(store: RedisStore, new_store: NewStore):
    await new_store()
    with pytest.raises(FencedError):
        await store.beat()


async def test_a_beat_leaves_everything_as_it_is(store: RedisStore, client: "redis.Redis", an_entry: AnEntry):
    await store.commit([an_entry(0)])
    before = {key: await client.dump(key) for key in await client.keys("*")}
    await store.beat()
    assert {key: await client.dump(key) for key in await client.keys("*")} == before


async def test_symbols_may_be_any_text(store: RedisStore, client: "redis.Redis"):
    odd = Entry("BTC/USDT:Ü}", 480_000 * HOUR.ms, 0, (1.0, 2.0, 0.5, 1.5, 10.0), b"odd")
    assert await store.commit([odd]) == [True]
    assert bars_of(await loaded(store, symbols=[odd.symbol]), odd.symbol) == [(0, 1.5, 0, 0)]
    assert await client.get(KEYS.latest(odd.symbol)) == b"odd"
