"""The protocol of bars, messages, the lease and its takeover, as a small model, held against the real server."""

import asyncio
import hashlib
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest
import redis.asyncio as redis
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from kept import Place

from core.bars import Interval
from core.errors import FencedError, StoreError
from core.windows import EMPTY, Windows
from daemon.ports import Entry
from daemon.stores import commits
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore
from daemon.stores.wire import command

HOUR = Interval.parse("1h")
CAPACITY = 3
SYMBOLS = ("A", "B")
KEYS = Keys("protocol")

asked = st.builds(
    Entry,
    symbol=st.sampled_from(SYMBOLS),
    opened_at_ms=st.integers(0, 7).map(lambda hour: (480_000 + hour) * HOUR.ms),
    revision=st.integers(0, 2),
    row=st.sampled_from([1.0, 1.1, 1.2]).map(lambda close: (1.0, 2.0, 0.5, close, 1.0)),
    message=st.sampled_from([None, b"m"]),
)


class Kept:
    """What a slot holds."""

    def __init__(self, entry: Entry) -> None:
        self.opened_at_ms = entry.opened_at_ms
        self.revision = entry.revision
        self.row = entry.row
        self.published = -1


class Model:
    """What commit promises, in as few words as Python allows."""

    def __init__(self) -> None:
        self.slots = {}
        self.stream = []
        self.latest = {}

    def commit(self, entry: Entry):
        place = entry.symbol, HOUR.number(entry.opened_at_ms) % CAPACITY
        there = self.slots.get(place)
        published = -1
        if there and there.opened_at_ms == entry.opened_at_ms:
            published = there.published
        if there and (there.opened_at_ms, there.revision) > (entry.opened_at_ms, entry.revision):
            return False
        if published == entry.revision:
            return False
        kept = self.slots[place] = Kept(entry)
        kept.published = entry.revision if entry.message else published
        if entry.message:
            self.stream.append(entry.message)
            newest, _ = self.latest.get(entry.symbol, (0, b""))
            if newest <= entry.opened_at_ms:
                self.latest[entry.symbol] = entry.opened_at_ms, entry.message
        return bool(entry.message)

    def remembered(self, symbol: str):
        """The bars that a reader may trust, by opening time."""
        there = [kept for (owner, _), kept in self.slots.items() if owner == symbol]
        newest = max((kept.opened_at_ms for kept in there), default=0)
        trusted = [kept for kept in there if kept.opened_at_ms > newest - CAPACITY * HOUR.ms]
        return {kept.opened_at_ms: (kept.revision, kept.published, kept.row) for kept in trusted}


class Protocol(RuleBasedStateMachine):
    """A daemon, those before it, a server that loses things, and the model of what must come of it."""

    def __init__(self, url: str, client_url: str, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.url = url
        self.loop = loop
        self.model = Model()
        self.client = redis.Redis.from_url(client_url)
        self.do(self.client.flushall())
        self.count = 0
        self.former = []
        self.store = self.opened()
        self.replica = {}

    def do(self, work: Coroutine[Any, Any, Any]):
        return self.loop.run_until_complete(work)

    def opened(self):
        store = RedisStore(self.url, KEYS, HOUR, CAPACITY, answer_s=60.0)
        self.do(store.open())
        return store

    def told(self, entry: Entry):
        """The entry with a message that no other entry has, and that names bar and revision."""
        self.count += 1
        message = entry.message and f"{entry.symbol} {entry.opened_at_ms} {entry.revision} {self.count}".encode()
        return Entry(entry.symbol, entry.opened_at_ms, entry.revision, entry.row, message)

    @rule(entries=st.lists(asked, max_size=5))
    def commit(self, entries: list[Entry]):
        entries = [self.told(entry) for entry in entries]
        assert self.do(self.store.commit(entries)) == [self.model.commit(entry) for entry in entries]

    @rule(entries=st.lists(asked, min_size=1, max_size=5))
    def commit_twice_because_the_answer_was_lost(self, entries: list[Entry]):
        entries = [self.told(entry) for entry in entries]
        self.do(self.store.commit(entries))
        assert self.do(self.store.commit(entries)) == [False] * len(entries)
        for entry in entries + entries:
            self.model.commit(entry)

    @rule()
    def another_daemon_takes_over(self):
        self.former.append(self.store)
        self.store = self.opened()
        self.the_replica_catches_up()

    @rule()
    def another_daemon_waits_until_the_lease_has_run_out(self):
        waiting = RedisStore(self.url, KEYS, HOUR, CAPACITY, answer_s=60.0)
        self.do(waiting.connect())
        self.do(self.store.beat())
        assert self.do(waiting.seek()) is not None
        self.do(self.client.pexpire(KEYS.lease, 0))
        assert self.do(waiting.seek()) is None
        self.former.append(self.store)
        self.store = waiting
        self.the_replica_catches_up()

    @rule()
    def the_daemon_ends_and_starts_again(self):
        self.do(self.store.release())
        self.another_daemon_waits_until_the_lease_has_run_out()

    @rule()
    def the_replica_catches_up(self):
        self.replica = {key: self.do(self.client.dump(key)) for key in self.do(self.client.keys("*"))}

    @rule()
    def the_replica_becomes_the_primary(self):
        self.store.guard(self.windows())
        self.do(self.client.flushall())
        for key, told in self.replica.items():
            self.do(self.client.restore(key, 0, told))
        self.do(self.store.beat())

    @rule(entry=asked)
    def a_former_daemon_tries(self, entry: Entry):
        for former in self.former:
            with pytest.raises(FencedError):
                self.do(former.commit([self.told(entry)]))

    @rule()
    def the_server_forgets_the_script(self):
        self.do(self.client.script_flush())

    @rule()
    def the_connection_is_lost(self):
        self.do(self.store.close())

    @invariant()
    def the_stream_is_as_promised(self):
        kept = self.do(self.client.xrange(KEYS.stream))
        assert [fields[b"message"] for _, fields in kept] == self.model.stream

    @invariant()
    def no_revision_of_a_remembered_bar_went_out_twice(self):
        for symbol in SYMBOLS:
            for opened in self.model.remembered(symbol):
                said = [m.rpartition(b" ")[0] for m in self.model.stream if f"{symbol} {opened} ".encode() in m]
                assert len(said) == len(set(said))

    @invariant()
    def the_latest_messages_are_as_promised(self):
        for symbol in SYMBOLS:
            _, message = self.model.latest.get(symbol, (0, None))
            assert self.do(self.client.get(KEYS.latest(symbol))) == message

    def windows(self):
        windows = Windows(HOUR, SYMBOLS, CAPACITY)
        self.do(self.store.load(windows))
        return windows

    @invariant()
    def the_windows_are_as_promised(self):
        windows = self.windows()
        for position, symbol in enumerate(SYMBOLS):
            found = {
                int(windows.opened_at_ms_SC[position, slot]): (
                    int(windows.revision_SC[position, slot]),
                    int(windows.published_SC[position, slot]),
                    tuple(windows.rows_SC5[position, slot].tolist()),
                )
                for slot in range(CAPACITY)
                if windows.opened_at_ms_SC[position, slot] != EMPTY
            }
            assert found == self.model.remembered(symbol)

    def teardown(self):
        for store in [*self.former, self.store]:
            self.do(store.close())
        self.do(self.client.aclose())


def checked(place: Place, examples: int, phases: Sequence[Phase]) -> None:
    """Try sequences of what may happen, and hold the store against the model after each step."""
    loop = asyncio.new_event_loop()
    try:
        run_state_machine_as_test(
            lambda: Protocol(place.url, place.client_url, loop),
            settings=settings(
                max_examples=examples,
                stateful_step_count=15,
                derandomize=True,
                database=None,
                phases=phases,
                report_multiple_bugs=False,
            ),
        )
    finally:
        loop.close()


def test_the_store_does_what_the_model_says(place: Place):
    checked(place, 20, tuple(Phase))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_store_does_what_the_model_says_for_longer(place: Place):
    checked(place, 100, tuple(Phase))


@pytest.mark.parametrize(
    ("check", "without"),
    [
        ("if kept[1] ~= token then", "if false then"),
        pytest.param("number(kept[1]) < number(token)", "false", marks=pytest.mark.slow),
        pytest.param("tonumber(kept[2] or 0) < known", "false", marks=pytest.mark.slow),
        ("elseif published == revision then", "elseif false then"),
        ("there_at_ms > opened_at_ms or", "false or"),
    ],
)
def test_a_check_that_is_left_out_of_the_script_is_caught(
    place: Place, monkeypatch: pytest.MonkeyPatch, check: str, without: str
):
    script = commits._SCRIPT.decode()
    assert script.count(check) == 1
    changed = script.replace(check, without).encode()
    monkeypatch.setattr(commits, "_SHA", hashlib.sha1(changed, usedforsecurity=False).hexdigest())
    monkeypatch.setattr(commits, "_LOAD", command("SCRIPT", "LOAD", changed))
    with pytest.raises((AssertionError, pytest.fail.Exception, StoreError, FencedError)):
        checked(place, 200, (Phase.generate,))
