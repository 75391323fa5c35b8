"""The daemon with a clock at the door of each stage; tells of each burst where its CPU time went.

    python -m benchmarks.speed.clocked SYMBOLS CONFIG.toml --json

What a thread uses on the way through a stage counts there, without what it uses in the stages within. A burst lasts
from the first words of a close to the last message told as published: for each, one line of JSON, nanoseconds by stage
and of the whole process.
"""

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Generator
from functools import wraps
from pathlib import Path
from types import coroutine
from typing import Any, Final

from core.inputs import Inputs
from core.rows import RowMemory
from daemon import cli
from daemon.engines.onnxruntime import OnnxRuntime
from daemon.feeds.binance import Binance
from daemon.listening.frames import Frames
from daemon.listening.line import Line
from daemon.predicting.ahead import Ahead
from daemon.predicting.pipeline import Pipeline
from daemon.predicting.predictor import Predictor
from daemon.predicting.publisher import Publisher
from daemon.predicting.spoken import Spoken
from daemon.predicting.words import Form
from daemon.stores.redis import RedisStore
from daemon.telling.status import Status

STAGES: Final = {
    "sockets": "bytes of sockets into frames",
    "decode": "frames into bars",
    "inbox": "frames and bars handed over: line, lane, seam, inbox",
    "windows": "bars judged and put into their windows",
    "features": "the newest row of every feature, or all rows",
    "model": "the model: its step, or whole windows",
    "messages": "outputs into messages: looks, bands, doubts",
    "encode": "messages into JSON",
    "store": "packed, sent, answered",
    "told": "metrics and the status page",
    "predictor": "the loop between them: parts, marks of what is published",
}
REST: Final = "unaccounted"
MEANINGS: Final = STAGES | {REST: "the event loop, the system's part of sockets, threads"}
_WORDS: Final = 4_096
"""So many bytes at once are a close's, and no ping."""


class Clocks:
    """Nanoseconds by stage, over all threads, and of a burst of so many messages."""

    def __init__(self, messages: int) -> None:
        self._messages = messages
        self._ns: Counter[str] = Counter()
        self._local = threading.local()
        self._begun: tuple[int, Counter[str]] | None = None
        self._published = 0

    def enter(self, stage: str) -> None:
        """This thread goes into a stage."""
        now, doors = time.thread_time_ns(), self._doors
        if doors:
            self._ns[doors[-1]] += now - self._local.since
        doors.append(stage)
        self._local.since = time.thread_time_ns()

    def leave(self) -> None:
        """It comes out of it, into the one around it."""
        now = time.thread_time_ns()
        self._ns[self._doors.pop()] += now - self._local.since
        self._local.since = now

    def heard(self, data: bytes) -> None:
        """A socket brought bytes."""
        if self._begun is None and len(data) >= _WORDS:
            self._begun = time.process_time_ns(), self._ns.copy()

    def published(self, count: int) -> None:
        """So many more messages were told as published."""
        if self._begun is None:
            return
        self._published += count
        if self._published < self._messages:
            return
        (whole, before), self._begun, self._published = self._begun, None, 0
        taken = {stage: self._ns[stage] - before[stage] for stage in STAGES}
        print(json.dumps({"ns": taken, "whole_ns": time.process_time_ns() - whole}), flush=True)

    @property
    def _doors(self) -> list[str]:
        if not hasattr(self._local, "doors"):
            self._local.doors = []
        doors: list[str] = self._local.doors
        return doors


def clocked(clocks: Clocks, owner: Any, name: str, stage: str) -> None:
    """Put a clock at the door of a function."""
    work = getattr(owner, name)

    @wraps(work)
    def timed(*given: Any, **named: Any) -> Any:
        clocks.enter(stage)
        try:
            return work(*given, **named)
        finally:
            clocks.leave()

    setattr(owner, name, timed)


def clocked_steps(clocks: Clocks, owner: Any, name: str, stage: str) -> None:
    """Put a clock at the door of a coroutine function: what it waits for does not count."""
    work = getattr(owner, name)

    @wraps(work)
    async def timed(*given: Any, **named: Any) -> Any:
        return await _stepped(clocks, work(*given, **named), stage)

    setattr(owner, name, timed)


@coroutine
def _stepped(clocks: Clocks, work: Coroutine[Any, Any, Any], stage: str) -> Generator[Any, Any, Any]:
    told: BaseException | None = None
    while True:
        clocks.enter(stage)
        try:
            waits_for = work.send(None) if told is None else work.throw(told)
        except StopIteration as ended:
            return ended.value
        finally:
            clocks.leave()
        told = None
        try:
            yield waits_for
        except BaseException as error:  # noqa: BLE001 - it is the work's to handle, cancellation too
            told = error


def put_clocks(clocks: Clocks) -> None:
    """At the doors of every stage."""
    received, published = Frames.data_received, Status.published_now

    def data_received(self: Frames, data: bytes) -> None:
        clocks.heard(data)
        received(self, data)

    def published_now(self: Status, spoken: Spoken) -> None:
        published(self, spoken)
        clocks.published(len(spoken))

    Frames.data_received = data_received
    Status.published_now = published_now
    clocked(clocks, Frames, "data_received", "sockets")
    clocked_steps(clocks, Line, "_read", "inbox")
    clocked(clocks, Binance, "decode", "decode")
    clocked(clocks, Pipeline, "prepare", "windows")
    clocked(clocks, Inputs, "newest", "features")
    clocked(clocks, RowMemory, "rows", "features")
    clocked(clocks, Ahead, "step", "model")
    clocked(clocks, OnnxRuntime, "run", "model")
    clocked(clocks, Pipeline, "finish", "messages")
    clocked(clocks, Form, "words", "encode")
    clocked_steps(clocks, RedisStore, "commit", "store")
    for told in ("admitted", "published_now", "stage"):
        clocked(clocks, Status, told, "told")
    clocked_steps(clocks, Predictor, "predict_until_closed", "predictor")
    for part in ("publish", "_commit", "_say"):
        clocked_steps(clocks, Publisher, part, "predictor")


if __name__ == "__main__":
    put_clocks(Clocks(int(sys.argv[1])))
    cli.run(Path(sys.argv[2]), metrics_port=None, changes=None, as_json=True)
