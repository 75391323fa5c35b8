"""A bundle beside the one that serves: it predicts the same bars, after it, to a record of its own."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, NoReturn, Protocol

from core.errors import StoreError
from core.windows import Windows
from daemon.ports import Engine
from daemon.predicting.batch import Batch
from daemon.predicting.pipeline import Pipeline

log = logging.getLogger("gaze.challenger")

_WAITING: Final = 64
"""Batches that may wait; more are passed over, since the one that serves goes first."""
_ROWS: Final = 256
_RETRY_S: Final = 1.0


class Record(Protocol):
    """Where its messages go."""

    async def append(self, messages: list[bytes], maxlen: int) -> None:
        """Write messages behind the others. Raises: StoreError."""


class Challenger:
    """Predicts what the serving bundle has published. `shares`: whether both read the same inputs.

    `told` hears how many predictions were written, and how many were passed over.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        windows: Windows,
        engine: Engine,
        record: Record,
        told: Callable[[int, int], None],
        *,
        shares: bool,
        maxlen: int,
        wall_ms: Callable[[], int],
    ) -> None:
        self._pipeline = pipeline
        self._windows = windows
        self._engine = engine
        self._record = record
        self._told = told
        self._shares = shares
        self._maxlen = maxlen
        self._wall_ms = wall_ms
        self._batches: asyncio.Queue[Batch] = asyncio.Queue(_WAITING)

    def offer(self, batch: Batch) -> None:
        """Take what was published, to predict it too."""
        if not batch.predicted:
            return
        if self._batches.full():
            self._told(0, len(batch.predicted))
            return
        # Whole windows that both read are computed once; else they are cut now, before later bars revise them.
        shared = self._shares and not len(batch.ahead)
        self._batches.put_nowait(batch if shared else self._pipeline.again(self._windows, batch.predicted))

    async def predict_forever(self) -> NoReturn:
        """Work through what was offered. Ends only by cancellation."""
        while True:
            batch = await self._batches.get()
            for part in batch.parts(_ROWS):
                await self._predict(part)

    async def _predict(self, part: Batch) -> None:
        if not part.predicted:
            return
        outputs = await asyncio.to_thread(self._engine.run, part.inputs)
        _, spoken = self._pipeline.finish(part, outputs, self._wall_ms())
        messages = spoken.words
        while messages:
            try:
                await self._record.append(messages, self._maxlen)
            except StoreError as error:
                log.warning("a challenger's predictions wait for the store", extra={"error": str(error)})
                await asyncio.sleep(_RETRY_S)
            else:
                break
        self._told(len(messages), 0)
