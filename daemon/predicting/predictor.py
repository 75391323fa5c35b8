"""The one loop that owns the windows: takes the bars that came, predicts, and hands everything to the store at once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Final, Protocol

import msgspec
import numpy as np

from core.bars import Arrival
from core.errors import FeedError, ModelError
from core.prediction import Message
from core.windows import Fate, Windows
from daemon.inbox import Inbox
from daemon.ports import Engine, Entry, Float32s, Standing
from daemon.predicting.ahead import Ahead
from daemon.predicting.batch import Admission, Batch
from daemon.predicting.calls import Calls
from daemon.predicting.held import Held
from daemon.predicting.pipeline import Pipeline

log = logging.getLogger("gaze.predictor")

TRIAL: Final = 64
"""Batches with predictions after which a model that took over is not doubted any more."""
_VENUE_TIME_S = 5.0
"""The other symbols wait no longer than this for the venue's clock."""
_MOST_BARS = 4_096
"""Bars taken at once."""
_ROWS_A_PART = 512
"""Predictions that go through the engine and to the store together."""
_SYMBOLS_AT_ONCE = 256
"""Symbols looked through at once for what was begun."""


class Watcher(Protocol):
    """What the loop tells of its work, for metrics, probes and the status page."""

    def admitted(self, fates: Mapping[Fate, int], batch: Batch, waiting: int, held: int) -> None:
        """Bars of these fates were taken in; so many wait in the inbox, so many for a missing one."""

    def stage(self, name: str, seconds: float) -> None:
        """One stage of one batch took so long."""

    def published_now(self, messages: list[Message], words: list[bytes]) -> None:
        """These went out, in these words."""

    def filled(self, ready: int) -> None:
        """So many of the symbols have a full window."""


class Committer(Protocol):
    """Where bars and messages go."""

    async def commit(self, entries: Sequence[Entry]) -> list[bool]:
        """Keep all of them; returns for each whether its message went out now. Ends only when that is done."""


class _Former(msgspec.Struct, frozen=True):
    """What served before a switch, until the new one has shown that it runs."""

    pipeline: Pipeline
    engine: Engine
    went_back: Callable[[str], None]


class Predictor:
    """Owns the windows and what is held. `committed` is told of every batch that the store has.

    `venues`: of each symbol. `wall_ms` and `clock_s`: the wall clock, and one that never goes back. `ahead`: what was
    run before bars came.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        windows: Windows,
        engine: Engine,
        store: Committer,
        inbox: Inbox,
        held: Held,
        *,
        venues: Mapping[str, str],
        since_ms: Mapping[str, int],
        request_fill: Callable[[str, int, int], None],
        venue_time_ms: Callable[[], Awaitable[int]],
        watcher: Watcher,
        committed: Callable[[Batch], None],
        wall_ms: Callable[[], int],
        clock_s: Callable[[], float],
        ahead: Ahead | None = None,
        standing: Callable[[], Standing] = Standing,
    ) -> None:
        self._windows = windows
        self._store = store
        self._inbox = inbox
        self._held = held
        self._venues = venues
        self._since_ms = since_ms
        self._request_fill = request_fill
        self._venue_time_ms = venue_time_ms
        self._watcher = watcher
        self._committed = committed
        self._wall_ms = wall_ms
        self._clock_s = clock_s
        self._ahead = ahead
        self._standing = standing
        self._serve(pipeline, engine)
        self._former: _Former | None = None
        self._trial = 0
        self._full: set[str] = set()
        self._turn = asyncio.Lock()

    @property
    def at_work(self) -> bool:
        """Whether bars wait, or are on their way to the store."""
        return self._inbox.depth > 0 or self._turn.locked()

    async def switch(self, pipeline: Pipeline, engine: Engine, went_back: Callable[[str], None]) -> None:
        """Predict by another model from the next bar on: of the same inputs, outputs and attentions.

        Where it fails within its first TRIAL batches, the one before says what it could not, and goes on; `went_back`
        then hears why.
        """
        async with self._turn:
            pipeline.inherit(self._pipeline)
            self._former = _Former(self._pipeline, self._engine, went_back)
            self._trial = TRIAL
            self._serve(pipeline, engine)

    def _serve(self, pipeline: Pipeline, engine: Engine) -> None:
        self._pipeline, self._engine = pipeline, engine
        # On a CPU a call has one thread; other engines take one call at a time.
        self._whole_calls = Calls(2 if engine.device == "cpu" else 1, self._clock_s)
        self._step_calls = Calls(1, self._clock_s)

    def _go_back(self, why: str) -> None:
        """Let the model before this one serve again, once for all batches that failed beside each other."""
        former, self._former = self._former, None
        if former is not None:
            self._serve(former.pipeline, former.engine)
            former.went_back(why)

    async def predict_until_closed(self, heard: Sequence[Arrival] = ()) -> None:
        """Work until the inbox is closed and empty. `heard`: bars that came before those in the inbox.

        What still waits for a missing bar then is left: stored behind a hole it could not be predicted, and may be out
        of reach once the hole is filled. The next start fetches both.
        """
        self._full = self._windows.full(self._windows.symbols, self._pipeline.fewest_bars)
        self._watcher.filled(len(self._full))
        async with self._turn:
            await self._finish_begun()
            for first in range(0, len(heard), _MOST_BARS):
                await self._work(list(heard[first : first + _MOST_BARS]), frozenset())
        while True:
            arrivals = await self._take()
            if arrivals is None:
                break
            async with self._turn:
                with self._ahead.held() if self._ahead else nullcontext():
                    await self._work(arrivals, self._held.overdue(self._clock_s()))
        if self._held.symbols():
            log.warning(
                "bars that wait for a missing one are fetched again at the next start", extra={"bars": len(self._held)}
            )

    async def _finish_begun(self) -> None:
        """Publish what a daemon before this one stored and could have predicted, had it lived."""
        symbols = self._windows.symbols
        for first in range(0, len(symbols), _SYMBOLS_AT_ONCE):
            begun = self._clock_s()
            some = symbols[first : first + _SYMBOLS_AT_ONCE]
            batch = self._pipeline.unfinished(self._windows, some, self._since_ms, self._venues, self._wall_ms())
            if batch.predicted:
                log.info("finishing what was begun before", extra={"bars": len(batch.predicted)})
                self._stage("prepare", begun)
                await self._publish(batch)

    async def _take(self) -> list[Arrival] | None:
        """What came, or nothing when a wait for a missing bar is over; None when the inbox is closed and empty."""
        try:
            async with asyncio.timeout(self._held.next_due_s(self._clock_s())):
                return await self._inbox.take(_MOST_BARS) or None
        except TimeoutError:
            return []

    async def _work(self, arrivals: list[Arrival], broken: frozenset[str]) -> None:
        self._hold(await self._predict(arrivals))
        while followers := self._followers():
            self._hold(await self._predict(followers))
        if broken:
            await self._go_on_without(broken)

    async def _go_on_without(self, broken: frozenset[str]) -> None:
        """Take what these symbols hold, though a bar before it is missing; the venue says what is from the future."""
        arrivals = self._held.release(broken)
        if not arrivals:
            return
        log.warning("a missing bar did not come, going on without it", extra={"symbols": sorted(broken)[:10]})
        try:
            async with asyncio.timeout(_VENUE_TIME_S):
                now_ms = await self._venue_time_ms()
        except (FeedError, TimeoutError):
            now_ms = self._wall_ms()
        self._full -= broken
        await self._predict(arrivals, broken, now_ms)

    def _hold(self, admission: Admission) -> None:
        self._held.hold(admission.early, self._clock_s())
        for arrival in admission.early:
            wanted = self._wanted_ms(arrival.bar.symbol)
            if wanted < arrival.bar.opened_at_ms:
                self._request_fill(arrival.bar.symbol, wanted, arrival.bar.opened_at_ms)

    def _followers(self) -> list[Arrival]:
        """Held bars whose predecessor has come meanwhile."""
        ready = [
            symbol for symbol in self._held.symbols() if (self._held.first_ms(symbol) or 0) <= self._wanted_ms(symbol)
        ]
        return self._held.release(ready)

    def _wanted_ms(self, symbol: str) -> int:
        """When the bar opens that comes next."""
        return self._windows.interval.after(int(self._windows.newest_ms_S[self._windows.index[symbol]]))

    async def _predict(
        self, arrivals: list[Arrival], broken: frozenset[str] = frozenset(), now_ms: int | None = None
    ) -> Admission:
        begun = self._clock_s()
        admission = self._pipeline.prepare(self._windows, arrivals, self._since_ms, broken, now_ms, self._ahead)
        held = len(self._held) + len(admission.early)
        self._watcher.admitted(admission.fates, admission.batch, self._inbox.depth, held)
        self._stage("prepare", begun)
        await self._publish(admission.batch)
        self._fill(admission.batch)
        return admission

    async def _publish(self, batch: Batch) -> None:
        """While one part of the batch is on its way to the store the next is made, and the engine has others."""
        parts, serving = batch.parts(_ROWS_A_PART), self._pipeline
        sending: asyncio.Task[None] | None = None
        async with asyncio.TaskGroup() as tasks:
            # What was run ahead only lacks a step, made when its turn comes.
            whole = {
                place: tasks.create_task(self._say(part, serving)) for place, part in enumerate(parts) if part.inputs
            }
            for place, asked in enumerate(parts):
                waited = self._clock_s()
                pipeline, part, outputs = await (whole[place] if place in whole else self._say(asked, serving))
                inferred = self._stage("infer", waited)
                entries = pipeline.finish(part, outputs, self._wall_ms(), self._standing())
                _tell_unsaid(part, entries)
                self._stage("finish", inferred)
                if sending is not None:
                    await sending
                sending = tasks.create_task(self._commit(part, entries)) if entries else None
        if batch.stored:
            self._committed(batch)
        if self._former is not None and batch.predicted:
            self._trial -= 1
            if not self._trial:
                self._former = None

    async def _say(self, part: Batch, pipeline: Pipeline) -> tuple[Pipeline, Batch, dict[str, Float32s]]:
        """What the model that a part was made for says of it; where that is new and fails, what the one before says."""
        try:
            outputs = await self._infer(part, pipeline)
        except ModelError as error:
            if self._former is None and pipeline is self._pipeline:
                raise
            why = str(error)
        else:
            if self._former is None or all(np.isfinite(values).all() for values in outputs.values()):
                return pipeline, part, outputs
            why = "it says what is no finite number"
        self._go_back(why)
        whole = msgspec.structs.replace(self._pipeline.again(self._windows, part.predicted), stored=part.stored)
        return self._pipeline, whole, await self._infer(whole, self._pipeline)

    async def _infer(self, part: Batch, pipeline: Pipeline) -> dict[str, Float32s]:
        if not part.predicted:
            return {}
        engine, ahead = self._engine, self._ahead if len(part.ahead) else None

        def call() -> dict[str, Float32s]:
            if pipeline is not self._pipeline:
                raise ModelError("the version it was prepared for has failed; try: gaze bundle verify")
            return ahead.step(part.ahead, part.newest) if ahead else engine.run(part.inputs)

        return await (self._step_calls if ahead else self._whole_calls).make(len(part.predicted), call)

    def _fill(self, batch: Batch) -> None:
        filling = {one.arrival.bar.symbol for one in batch.stored} - self._full
        if filling:
            self._full |= self._windows.full(filling, self._pipeline.fewest_bars)
            self._watcher.filled(len(self._full))

    def _stage(self, name: str, begun: float) -> float:
        now = self._clock_s()
        self._watcher.stage(name, now - begun)
        return now

    async def _commit(self, batch: Batch, entries: list[tuple[Entry, Message | None]]) -> None:
        begun = self._clock_s()
        went_out = await self._store.commit([entry for entry, _ in entries])
        self._held.postpone(self._clock_s() - begun)
        self._windows.publish_all([(one.arrival.bar, one.revision) for one in batch.predicted])
        sent = [
            (message, entry.message)
            for (entry, message), now in zip(entries, went_out, strict=True)
            if now and message and entry.message
        ]
        self._watcher.published_now([message for message, _ in sent], [words for _, words in sent])
        self._stage("commit", begun)


def _tell_unsaid(batch: Batch, entries: list[tuple[Entry, Message | None]]) -> None:
    """The only reason why a bar that was predicted has no message."""
    if sum(message is not None for _, message in entries) == len(batch.predicted):
        return
    said = {(entry.symbol, entry.opened_at_ms, entry.revision) for entry, message in entries if message}
    bars = [(one.arrival.bar.symbol, one.arrival.bar.opened_at_ms, one.revision) for one in batch.predicted]
    unsaid = [bar for bar in bars if bar not in said]
    if unsaid:
        log.error(
            "the model said what is no finite number, so these bars go unpredicted; try: gaze bundle verify",
            extra={"bars": len(unsaid), "first": unsaid[:10]},
        )
