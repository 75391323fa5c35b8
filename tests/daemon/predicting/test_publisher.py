"""The hot path of a burst: parts through the engine, into words and to the store, some of them at once."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest
from builders import HOUR, a_bar, a_manifest, an_arrival
from standins import LastReturn

from core.windows import Windows
from daemon.ports import Entry, Standing
from daemon.predicting import publisher
from daemon.predicting.batch import Batch
from daemon.predicting.pipeline import Pipeline
from daemon.predicting.publisher import Publisher, once
from daemon.predicting.spoken import Spoken

NEEDED = 28
SYMBOLS = [f"S{place}" for place in range(4)]


class SlowStore:
    """Keeps what it is given until it is told what to answer."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[tuple[list[str], asyncio.Future[list[bool]]]] = asyncio.Queue()

    async def commit(self, entries: Sequence[Entry]) -> list[bool]:
        answer = asyncio.get_running_loop().create_future()
        self.asked.put_nowait(([entry.symbol for entry in entries], answer))
        return await answer


class Notebook:
    """Writes down what went out."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def stage(self, *_: object) -> None: ...

    def published_now(self, spoken: Spoken) -> None:
        self.told += spoken.symbols


class Bench:
    """A publisher, batches of one bar each that it may ask for, and what becomes of them."""

    def __init__(self) -> None:
        self.pipeline = Pipeline(a_manifest(), "digest", publish_late=True, top=2)
        self.windows = Windows(HOUR, SYMBOLS, NEEDED + 16)
        for symbol in SYMBOLS:
            for number in range(1, NEEDED):
                self.windows.put(a_bar(number, symbol))
        self.store, self.notebook = SlowStore(), Notebook()
        self.prepared: asyncio.Queue[str] = asyncio.Queue()
        self.committed: list[list[str]] = []
        self.waited: list[float] = []
        self.now_s = 0.0
        self.publisher = self.publisher_for(self.store)

    def publisher_for(self, store: SlowStore) -> Publisher:
        return Publisher(
            self.pipeline,
            self.windows,
            LastReturn(),
            store,
            watcher=self.notebook,
            waited=self.waited.append,
            committed=lambda batch: self.committed.append([one.arrival.bar.symbol for one in batch.stored]),
            wall_ms=lambda: 10**15,
            clock_s=lambda: self.now_s,
            ahead=None,
            standing=Standing,
        )

    def batches(self) -> Iterator[Batch]:
        for symbol in SYMBOLS:
            self.prepared.put_nowait(symbol)
            arrival = an_arrival(a_bar(NEEDED, symbol))
            yield self.pipeline.prepare(self.windows, [arrival], {}).batch


async def test_parts_are_on_their_way_to_the_store_while_the_next_are_made():
    bench = Bench()
    publishing = asyncio.create_task(bench.publisher.publish(once(bench.batches())))
    first, of_first = await bench.store.asked.get()
    second, of_second = await bench.store.asked.get()
    assert first + second == SYMBOLS[:2], "none is answered yet"
    assert not bench.notebook.told
    assert [await bench.prepared.get() for _ in SYMBOLS] == SYMBOLS
    assert bench.store.asked.empty(), "so many wait for the store, and no more"
    of_first.set_result([True])
    of_second.set_result([True])
    for symbol in SYMBOLS[2:]:
        asked, answer = await bench.store.asked.get()
        assert asked == [symbol]
        answer.set_result([True])
    await publishing
    assert bench.notebook.told == SYMBOLS
    assert bench.committed == [[symbol] for symbol in SYMBOLS]


async def test_a_message_that_was_out_before_is_not_told_again():
    bench = Bench()
    publishing = asyncio.create_task(bench.publisher.publish(once(bench.batches())))
    for place in range(len(SYMBOLS)):
        _, answer = await bench.store.asked.get()
        answer.set_result([place != 1])
    await publishing
    assert bench.notebook.told == [SYMBOLS[0], *SYMBOLS[2:]]
    assert bench.committed == [[symbol] for symbol in SYMBOLS]
    published = [bench.windows.unpublished(symbol, a_bar(NEEDED).opened_at_ms) for symbol in SYMBOLS]
    assert published == [[]] * len(SYMBOLS), "out is out, whoever said it"


async def test_of_two_parts_on_their_way_at_once_no_second_is_waited_twice():
    bench = Bench()
    publishing = asyncio.create_task(bench.publisher.publish(once(bench.batches())))
    (_, of_first), (_, of_second) = await bench.store.asked.get(), await bench.store.asked.get()
    bench.now_s = 60.0
    of_first.set_result([True])
    of_second.set_result([True])
    for _ in SYMBOLS[2:]:
        _, answer = await bench.store.asked.get()
        answer.set_result([True])
    await publishing
    assert sum(bench.waited) == 60.0


async def test_what_is_ready_once_the_store_has_answered_goes_on_behind_it():
    bench = Bench()
    each = bench.batches()
    turns = iter([[next(each)], [next(each)], []])
    publishing = asyncio.create_task(bench.publisher.publish(lambda: next(turns)))
    for symbol in SYMBOLS[:2]:
        asked, answer = await bench.store.asked.get()
        assert asked == [symbol]
        answer.set_result([True])
    await publishing
    assert bench.notebook.told == SYMBOLS[:2]


class OneAtATime(SlowStore):
    """Takes the next only when it has the one before, and writes down who was told of by then."""

    def __init__(self, told: list[str]) -> None:
        super().__init__()
        self.told_by_then: list[list[str]] = []
        self._told = told
        self._turn = asyncio.Lock()

    async def commit(self, entries: Sequence[Entry]) -> list[bool]:
        async with self._turn:
            self.told_by_then.append([*self._told])
            return await super().commit(entries)


async def test_the_store_has_the_next_part_before_the_one_before_it_is_told_of():
    bench = Bench()
    store = OneAtATime(bench.notebook.told)
    bench.publisher = bench.publisher_for(store)
    publishing = asyncio.create_task(bench.publisher.publish(once(bench.batches())))
    for _ in SYMBOLS:
        _, answer = await store.asked.get()
        answer.set_result([True])
    await publishing
    assert store.told_by_then == [[], [], SYMBOLS[:1], SYMBOLS[:2]]


async def test_a_batch_is_told_as_one_when_the_store_has_its_last_part(monkeypatch: pytest.MonkeyPatch):
    """Whoever computes a window again must know of a revision in a later part of the same batch."""
    monkeypatch.setattr(publisher, "_ROWS_A_PART", 1)
    bench = Bench()
    arrivals = [an_arrival(a_bar(NEEDED, symbol)) for symbol in SYMBOLS]
    batch = bench.pipeline.prepare(bench.windows, arrivals, {}).batch
    publishing = asyncio.create_task(bench.publisher.publish(once([batch])))
    for _ in SYMBOLS:
        assert bench.committed == []
        _, answer = await bench.store.asked.get()
        answer.set_result([True])
    await publishing
    assert bench.committed == [SYMBOLS]
