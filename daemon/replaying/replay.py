"""History through the daemon's own pipeline and engine, at full speed: what it would have said of a file of bars.

What is missing in the file will not come: its symbol goes on without, as in the daemon when its wait is over.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import msgspec

from core.bars import Arrival, Bar, Interval, Origin
from core.prediction import Prediction, decode
from core.windows import Fate, Windows
from daemon.ports import Engine, Float32s
from daemon.predicting.batch import Batch
from daemon.predicting.pipeline import NEVER_MS, Pipeline, with_markets
from daemon.replaying.barstream import BarStream

_BARS_TOGETHER: Final = 1_024
"""Bars predicted together: as many windows of 720 steps and 33 features are 100 MB."""
_SPARE_BARS: Final = 64


class Span(msgspec.Struct, frozen=True):
    """Which bars are predicted: those of these symbols that open from `from_ms` to before `to_ms`."""

    symbols: tuple[str, ...]
    from_ms: int
    to_ms: int


class Replay:
    """One model over a span of a file. `fates`: how many bars met each so far."""

    def __init__(self, pipeline: Pipeline, engine: Engine, interval: Interval, venue: str) -> None:
        self.fates: Counter[Fate] = Counter()
        self._pipeline = pipeline
        self._engine = engine
        self._interval = interval
        self._venue = venue

    def run(self, stream: BarStream, span: Span) -> Iterator[list[Prediction]]:
        """Every prediction of the span, in the order of time. The engine works while the next bars are prepared."""
        watched = with_markets(span.symbols, self._pipeline.markets)
        windows = Windows(self._interval, watched, self._interval.slots(self._pipeline.bars_needed + _SPARE_BARS))
        since_ms = dict.fromkeys(watched, NEVER_MS) | dict.fromkeys(span.symbols, span.from_ms)
        first_ms = self._interval.after(span.from_ms, 1 - self._pipeline.bars_needed)
        ahead: tuple[Batch, Future[dict[str, Float32s]]] | None = None
        with ThreadPoolExecutor(1, "engine") as thread:
            for bars in stream.bars(first_ms, span.to_ms, _BARS_TOGETHER):
                batch = self._prepare(windows, bars, since_ms)
                running = thread.submit(self._infer, batch)
                if ahead:
                    yield self._finish(*ahead)
                ahead = batch, running
            if ahead:
                yield self._finish(*ahead)

    def _prepare(self, windows: Windows, bars: Sequence[Bar], since_ms: dict[str, int]) -> Batch:
        arrivals = [Arrival(bar, self._venue, bar.opened_at_ms + self._interval.ms, Origin.BACKFILLED) for bar in bars]
        admission = self._pipeline.prepare(windows, arrivals, since_ms, broken=windows.index)
        self.fates += admission.fates
        windows.publish_all([(one.arrival.bar, one.revision) for one in admission.batch.predicted])
        return admission.batch

    def _infer(self, batch: Batch) -> dict[str, Float32s]:
        return self._engine.run(batch.inputs) if batch.predicted else {}

    def _finish(self, batch: Batch, running: Future[dict[str, Float32s]]) -> list[Prediction]:
        _, spoken = self._pipeline.finish(batch, running.result(), 0)
        return [decode(words).prediction for words in spoken.words]
