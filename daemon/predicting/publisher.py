"""Batches on their way out, the hot path of a burst: through the model, into messages, to the store, part by part.

    batches -> parts -> infer -> finish -> commit -> told
    up to 512           model    messages  one call   metrics, status page

Each batch is prepared when the engine has room for it, while parts before it are put into words, or are on their way
to the store. What brings a batch here is told in ARCHITECTURE.md, under the life of a frame.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

import msgspec
import numpy as np

from core.errors import ModelError
from core.windows import Windows
from daemon.ports import Engine, Entry, Float32s, Standing
from daemon.predicting.ahead import Ahead
from daemon.predicting.batch import Batch, key_of
from daemon.predicting.calls import Calls
from daemon.predicting.pipeline import Pipeline
from daemon.predicting.spoken import Spoken

log = logging.getLogger("gaze.predictor")

TRIAL: Final = 64
"""Batches with predictions after which a model that took over is not doubted any more."""
_ROWS_A_PART = 512
"""Predictions that go through the engine and to the store together."""
_PARTS_SAID: Final = 3
"""Parts that the engine has or had while the oldest of them is put into words."""
_PARTS_SENT: Final = 2
"""Parts on their way to the store."""

_Said = tuple[Pipeline, Batch, dict[str, Float32s]]
"""A part, what the model said of it, and the pipeline that was it."""


class _Way:
    """Parts under way, oldest first: `said`, of which the engine has said what it says or will, and `sent`.

    Beside each part that is said stands the batch of which it is the last.
    """

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.tasks = tasks
        self.said: deque[tuple[asyncio.Task[_Said], Batch | None]] = deque()
        self.sent: deque[asyncio.Task[None]] = deque()

    @property
    def is_full(self) -> bool:
        """Whether the engine has all that it is to have at once."""
        return len(self.said) == _PARTS_SAID

    @property
    def goes_on(self) -> bool:
        """Whether the engine has said the oldest part, and the store is to have another."""
        on_their_way = sum(not one.done() for one in self.sent)
        return bool(self.said) and self.said[0][0].done() and on_their_way < _PARTS_SENT


class Watcher(Protocol):
    """What is told of the way, for metrics, probes and the status page."""

    def stage(self, name: str, seconds: float) -> None:
        """One stage of one batch took so long."""

    def published_now(self, spoken: Spoken) -> None:
        """These went out."""


class Committer(Protocol):
    """Where bars and messages go."""

    async def commit(self, entries: Sequence[Entry]) -> list[bool]:
        """Keep all of them; returns for each whether its message went out now. Ends only when that is done."""


class _Former(msgspec.Struct, frozen=True):
    """What served before a switch, until the new one has shown that it runs."""

    pipeline: Pipeline
    engine: Engine
    went_back: Callable[[str], None]


class Publisher:
    """Says what the model that serves says of a batch. `waited`: told how long the store took for a part.

    `committed`: told of every batch that the store has. `ahead`: what was run before bars came.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        windows: Windows,
        engine: Engine,
        store: Committer,
        *,
        watcher: Watcher,
        waited: Callable[[float], None],
        committed: Callable[[Batch], None],
        wall_ms: Callable[[], int],
        clock_s: Callable[[], float],
        ahead: Ahead | None,
        standing: Callable[[], Standing],
    ) -> None:
        self._windows = windows
        self._store = store
        self._watcher = watcher
        self._waited = waited
        self._committed = committed
        self._wall_ms = wall_ms
        self._clock_s = clock_s
        self._ahead = ahead
        self._standing = standing
        self._serve(pipeline, engine)
        self._former: _Former | None = None
        self._trial = 0
        self._answered_s = -math.inf
        """When the store answered last."""

    async def publish(self, ready: Callable[[], Iterable[Batch]]) -> None:
        """Keep all batches that are ready, and publish what is predicted. Each is made when the engine has room for it.

        `ready` is asked again whenever the store has answered, until it has none and all are with the store.
        """
        serving, predicted = self.pipeline, False
        async with asyncio.TaskGroup() as tasks:
            way = _Way(tasks)
            while True:
                for batch in ready():
                    predicted = predicted or bool(batch.predicted)
                    await self._begin(batch, serving, way)
                while way.said:
                    await self._send_oldest(way)
                if not way.sent:
                    break
                await way.sent.popleft()
        if self._former is not None and predicted:
            self._trial -= 1
            if not self._trial:
                self._former = None

    async def _begin(self, batch: Batch, serving: Pipeline, way: _Way) -> None:
        """Give its parts to the engine, and send what that has said before."""
        parts = batch.parts(_ROWS_A_PART)
        for part in parts:
            saying = way.tasks.create_task(self._say(part, serving))
            way.said.append((saying, batch if part is parts[-1] else None))
            # Where the model is called on the loop, it has said it now.
            await asyncio.sleep(0)
            while way.is_full or way.goes_on:
                await self._send_oldest(way)

    async def _send_oldest(self, way: _Way) -> None:
        """Put what the model said of a part into words, and begin to send them, behind the parts before."""
        saying, whole = way.said.popleft()
        pipeline, part, outputs = await saying
        begun = self._clock_s()
        entries, spoken = pipeline.finish(part, outputs, self._wall_ms(), self._standing())
        _tell_unsaid(part, spoken)
        self.stage("finish", begun)
        if not entries:
            return
        if len(way.sent) == _PARTS_SENT:
            await way.sent.popleft()
        way.sent.append(way.tasks.create_task(self._commit(part, entries, spoken, whole)))
        # The server gets them before the next part is made.
        await asyncio.sleep(0)

    async def _infer(self, part: Batch, pipeline: Pipeline) -> dict[str, Float32s]:
        if not part.predicted:
            return {}
        engine, ahead = self._engine, self._ahead if len(part.ahead) else None
        taken_s = 0.0

        def call() -> dict[str, Float32s]:
            nonlocal taken_s
            if pipeline is not self.pipeline:
                raise ModelError("the version it was prepared for has failed; try: gaze bundle verify")
            begun = self._clock_s()
            outputs = ahead.step(part.ahead, part.newest) if ahead else engine.run(part.inputs)
            taken_s = self._clock_s() - begun
            return outputs

        outputs = await (self._step_calls if ahead else self._whole_calls).make(len(part.predicted), call)
        self._watcher.stage("infer", taken_s)
        return outputs

    async def _commit(self, part: Batch, entries: list[Entry], spoken: Spoken, whole: Batch | None) -> None:
        begun = self._clock_s()
        went_out = await self._store.commit(entries)
        # While the part before was waited for, that waited too: no second counts twice.
        begun = max(begun, self._answered_s)
        self._answered_s = self._clock_s()
        self._waited(self._answered_s - begun)
        self._watcher.stage("commit", self._answered_s - begun)
        # The part behind it goes to the store before this one is told of.
        await asyncio.sleep(0)
        self._windows.publish_all([(one.arrival.bar, one.revision) for one in part.predicted])
        self._watcher.published_now(spoken.of(went_out))
        if whole is not None:
            self._committed(whole)

    def stage(self, name: str, begun: float) -> None:
        """A stage that began then has ended."""
        self._watcher.stage(name, self._clock_s() - begun)

    # What follows is about switching to another model, and back.

    def switch(self, pipeline: Pipeline, engine: Engine, went_back: Callable[[str], None]) -> None:
        """Another model says the next batches.

        Where it fails within its first TRIAL batches, the one before says what it could not, and goes on; `went_back`
        then hears why.
        """
        pipeline.inherit(self.pipeline)
        self._former = _Former(self.pipeline, self._engine, went_back)
        self._trial = TRIAL
        self._serve(pipeline, engine)

    def _serve(self, pipeline: Pipeline, engine: Engine) -> None:
        self.pipeline, self._engine = pipeline, engine
        # On a CPU a call has one thread; other engines take one call at a time.
        self._whole_calls = Calls(2 if engine.device == "cpu" else 1, self._clock_s)
        self._step_calls = Calls(1, self._clock_s)

    async def _say(self, part: Batch, pipeline: Pipeline) -> _Said:
        """What the model that a part was made for says of it; where that is new and fails, what the one before says."""
        try:
            outputs = await self._infer(part, pipeline)
        except ModelError as error:
            if self._former is None and pipeline is self.pipeline:
                raise
            why = str(error)
        else:
            if self._former is None or all(np.isfinite(values).all() for values in outputs.values()):
                return pipeline, part, outputs
            why = "it says what is no finite number"
        self._go_back(why)
        whole = msgspec.structs.replace(self.pipeline.again(self._windows, part.predicted), stored=part.stored)
        return self.pipeline, whole, await self._infer(whole, self.pipeline)

    def _go_back(self, why: str) -> None:
        """Let the model before this one serve again, once for all batches that failed beside each other."""
        former, self._former = self._former, None
        if former is not None:
            self._serve(former.pipeline, former.engine)
            former.went_back(why)


def once(batches: Iterable[Batch]) -> Callable[[], Iterable[Batch]]:
    """These are ready, and nothing comes after them."""
    one_by_one = iter(batches)
    return lambda: one_by_one


def _tell_unsaid(batch: Batch, spoken: Spoken) -> None:
    """The only reason why a bar that was predicted has no message."""
    if len(spoken) == len(batch.predicted):
        return
    said = set(spoken.places)
    places = {key_of(one): place for place, one in enumerate(batch.stored)}
    unsaid = [key_of(one) for one in batch.predicted if places[key_of(one)] not in said]
    log.error(
        "the model said what is no finite number, so these bars go unpredicted; try: gaze bundle verify",
        extra={"bars": len(unsaid), "first": unsaid[:10]},
    )
