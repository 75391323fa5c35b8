"""The loop between inbox and store, with a store and an engine small enough to see through."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from builders import HOUR, a_bar, a_manifest, an_arrival
from standins import LastReturn

from core.bars import Arrival, Bar, Origin
from core.errors import FeedError, StoreError
from core.prediction import Message, decode
from core.windows import Fate, Windows
from daemon.inbox import Inbox
from daemon.ports import Engine, Entry, Float32s
from daemon.predicting import predictor
from daemon.predicting.held import Held
from daemon.predicting.keeper import Keeper
from daemon.predicting.pipeline import Pipeline
from daemon.predicting.predictor import Predictor
from daemon.predicting.spoken import Spoken

NEEDED = 28


class NoNumber(LastReturn):
    """An engine that overflows."""

    def run(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        outputs = super().run(inputs)
        return outputs | {"return_1": np.full_like(outputs["return_1"], np.nan)}


class MemoryStore:
    """A store that remembers, and refuses as often as it was told to."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.sent: list[tuple[int, int]] = []
        self.kept: list[int] = []
        self.diary: list[str] = []

    async def open(self) -> None: ...

    async def beat(self) -> None: ...

    async def close(self) -> None: ...

    async def load(self, _: Windows) -> int:
        return 0

    async def follow(self, symbols: Sequence[str], from_ms: int) -> dict[str, int]:
        return dict.fromkeys(symbols, from_ms)

    async def commit(self, entries: Sequence[Entry]) -> list[bool]:
        if self.refusals:
            self.refusals -= 1
            raise StoreError("away")
        went_out = []
        for entry in entries:
            key = (entry.opened_at_ms // HOUR.ms, entry.revision)
            went_out.append(entry.message is not None and key not in self.sent)
            self.kept.append(key[0])
            self.diary.append(f"stored {entry.symbol}")
            self.sent += [key] if went_out[-1] else []
        return went_out


async def leave_it() -> None:
    """This store comes back by itself."""


class Notebook:
    """Writes down what it is told."""

    def __init__(self, diary: list[str]) -> None:
        self.diary = diary
        self.fates: list[Fate] = []
        self.stages: set[str] = set()
        self.messages: list[Message] = []
        self.ready: list[int] = []
        self.store: list[str] = []

    def admitted(self, fates: Mapping[Fate, int], *_: object) -> None:
        self.fates += [fate for fate, count in fates.items() for _ in range(count)]

    def stage(self, name: str, _: float) -> None:
        self.stages.add(name)
        self.diary += ["prepared"] if name == "prepare" else []

    def published_now(self, spoken: Spoken) -> None:
        self.messages += map(decode, spoken.words)

    def filled(self, ready: int) -> None:
        self.ready.append(ready)

    def store_failed(self, error: StoreError) -> None:
        self.store.append(str(error))

    def store_back(self) -> None:
        self.store.append("back")


class Bench:
    """A predictor and everything around it."""

    def __init__(
        self,
        refusals: int = 0,
        venue_ms: int | None = None,
        engine: Engine | None = None,
        symbols: Sequence[str] = ("BTCUSDT",),
    ) -> None:
        self.pipeline = Pipeline(a_manifest(), "digest", publish_late=True, top=2)
        self.windows = Windows(HOUR, symbols, NEEDED + 16)
        self.store = MemoryStore(refusals)
        self.notebook = Notebook(self.store.diary)
        self.inbox, self.held = Inbox(100), Held(wait_s=30)
        self.asked: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
        self.now_s = 0.0

        async def venue_time_ms() -> int:
            if venue_ms is None:
                raise FeedError("away")
            return venue_ms

        self.predictor = Predictor(
            self.pipeline,
            self.windows,
            engine or LastReturn(),
            Keeper(self.store, self.notebook, leave_it, retry_s=0.0),
            self.inbox,
            self.held,
            venues=defaultdict(lambda: "binance"),
            since_ms={},
            request_fill=lambda _, first, to: self.asked.put_nowait((first // HOUR.ms, to // HOUR.ms)),
            venue_time_ms=venue_time_ms,
            watcher=self.notebook,
            committed=lambda _: None,
            wall_ms=lambda: 10**15,
            clock_s=lambda: self.now_s,
        )

    async def feed(self, *arrivals: Arrival) -> None:
        """Take these in, then close, as SIGTERM does."""
        for arrival in arrivals:
            await self.inbox.put_closed([arrival])
        self.inbox.close()
        await self.predictor.predict_until_closed()


def bars(first: int, last: int) -> list[Bar]:
    drawn = np.random.default_rng(3).uniform(95, 105, 200)
    return [a_bar(number, close=float(drawn[number]), volume=float(number)) for number in range(first, last + 1)]


def live(first: int, last: int) -> list[Arrival]:
    return [an_arrival(bar) for bar in bars(first, last)]


async def test_what_waits_at_the_end_is_still_predicted_and_stored():
    bench = Bench()
    await bench.feed(*live(1, NEEDED + 2))
    assert bench.store.sent == [(NEEDED, 0), (NEEDED + 1, 0), (NEEDED + 2, 0)]
    assert [message.prediction.opened_at_ms // HOUR.ms for message in bench.notebook.messages] == [28, 29, 30]
    assert bench.notebook.ready == [0, 1]
    assert bench.notebook.stages == {"prepare", "infer", "finish", "commit"}


async def test_what_came_meanwhile_goes_on_behind_others_but_never_beside_bars_of_its_own_symbol(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(predictor, "_MOST_BARS", 1)
    bench = Bench(symbols=("A", "B"))
    for symbol in ("A", "B"):
        for number in range(1, NEEDED):
            bench.windows.put(a_bar(number, symbol))
    some = (("A", NEEDED), ("B", NEEDED), ("A", NEEDED + 1))
    await bench.feed(*(an_arrival(a_bar(number, symbol)) for symbol, number in some))
    assert bench.store.diary == ["prepared", "prepared", "stored A", "stored B", "prepared", "stored A"]


async def test_a_model_that_says_no_number_is_told_of_aloud(caplog: pytest.LogCaptureFixture):
    bench = Bench(engine=NoNumber())
    await bench.feed(*live(1, NEEDED))
    assert bench.store.kept[-1] == NEEDED
    assert bench.notebook.messages == []
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.first == [("BTCUSDT", NEEDED * HOUR.ms, 0)]


async def test_a_store_that_refuses_is_asked_again_and_nothing_is_told_twice():
    bench = Bench(refusals=3)
    await bench.feed(*live(1, NEEDED))
    assert bench.notebook.store == ["away", "away", "away", "back"]
    assert bench.store.sent == [(NEEDED, 0)]
    assert len(bench.notebook.messages) == 1


async def test_a_missing_bar_is_asked_for_and_what_waited_follows_it_in_order():
    bench = Bench()
    for arrival in (*live(1, NEEDED), *live(NEEDED + 2, NEEDED + 3)):
        await bench.inbox.put_closed([arrival])
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(bench.predictor.predict_until_closed())
        assert await bench.asked.get() == (NEEDED + 1, NEEDED + 2)
        await bench.inbox.put_closed([an_arrival(bars(NEEDED + 1, NEEDED + 1)[0], Origin.BACKFILLED)])
        bench.inbox.close()
        await working
    assert bench.store.sent == [(number, 0) for number in range(NEEDED, NEEDED + 4)]


async def test_nothing_is_asked_for_that_came_in_the_same_batch():
    bench = Bench()
    late = an_arrival(bars(NEEDED + 1, NEEDED + 1)[0], Origin.BACKFILLED)
    await bench.feed(*live(1, NEEDED), *live(NEEDED + 2, NEEDED + 2), late)
    assert bench.asked.empty()
    assert bench.store.sent == [(number, 0) for number in range(NEEDED, NEEDED + 3)]


async def until_the_wait_is_over(bench: Bench, *held: Arrival) -> None:
    for arrival in (*live(1, NEEDED), *held):
        await bench.inbox.put_closed([arrival])
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(bench.predictor.predict_until_closed())
        await bench.asked.get()
        bench.now_s = 31.0
        for arrival in live(NEEDED, NEEDED):
            await bench.inbox.put_closed([arrival])
        bench.inbox.close()
        await working


async def test_when_the_wait_is_over_a_symbol_goes_on_without_the_missing_bar():
    bench = Bench(venue_ms=10**15)
    await until_the_wait_is_over(bench, *live(NEEDED + 2, NEEDED + 2))
    assert NEEDED + 2 in bench.store.kept
    assert bench.windows.newest_ms_S[0] == (NEEDED + 2) * HOUR.ms


async def test_a_bar_from_the_venues_future_is_refused_however_long_it_waited():
    bench = Bench(venue_ms=(NEEDED + 1) * HOUR.ms)
    await until_the_wait_is_over(bench, *live(NEEDED + 100, NEEDED + 100))
    assert Fate.FUTURE in bench.notebook.fates
    assert bench.windows.newest_ms_S[0] == NEEDED * HOUR.ms


async def test_at_the_end_what_waits_for_a_missing_bar_is_left_for_the_next_start():
    bench = Bench()
    await bench.feed(*live(1, NEEDED), *live(NEEDED + 2, NEEDED + 3))
    assert bench.store.kept == list(range(1, NEEDED + 1))


async def test_what_a_killed_daemon_had_begun_is_finished_before_anything_else():
    bench = Bench()
    for bar in bars(1, NEEDED + 1):
        bench.windows.put(bar)
    bench.windows.publish("BTCUSDT", NEEDED * HOUR.ms, 0)
    await bench.feed(*live(NEEDED + 2, NEEDED + 2))
    assert bench.store.sent == [(NEEDED + 1, 0), (NEEDED + 2, 0)]
    assert [message.context.origin for message in bench.notebook.messages] == [Origin.BACKFILLED, Origin.LIVE]


async def test_the_time_a_store_was_away_does_not_count_as_waiting_for_a_missing_bar():
    bench = Bench(refusals=1)
    bench.held.hold(live(NEEDED + 2, NEEDED + 2), now_s=0.0)
    failed = bench.notebook.store_failed

    def away_for_a_minute(error: StoreError) -> None:
        bench.now_s += 60.0
        failed(error)

    bench.notebook.store_failed = away_for_a_minute
    await bench.feed(*live(1, NEEDED))
    assert bench.held.overdue(89.0) == frozenset()
    assert bench.held.overdue(90.0) == {"BTCUSDT"}


async def test_it_is_at_work_until_the_store_has_what_it_took():
    bench, seen = Bench(refusals=1), []
    bench.notebook.store_failed = lambda _: seen.append(bench.predictor.at_work)
    await bench.feed(*live(1, NEEDED))
    assert seen == [True]
    assert not bench.predictor.at_work
