"""From a batch's outputs to what is stored and published of it: id, outputs, where the model looked, doubts. Pure.

Shapes: N predictions, T window steps, F features.
"""

from collections.abc import Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from core.bands import Band, bands
from core.bars import TimeArray
from core.bundle import Manifest
from core.drift.statistics import openness
from core.outputs import Attention
from core.prediction import Context, Doubt, Gaze, Message, Prediction, encode, prediction_id
from daemon.ports import Entry, Float32s, Standing
from daemon.predicting.batch import Batch, key_of
from daemon.predicting.behind import Stored
from daemon.predicting.gazing import bytes_of, gazes
from daemon.predicting.trust import Trust


class Messages:
    """What one model says, in words. `top`: how many of the heaviest steps a message names."""

    def __init__(self, manifest: Manifest, digest: str, top: int, trust: Trust, engine: str) -> None:
        self._manifest = manifest
        self._digest = digest
        self._top = top
        self._trust = trust
        self._engine = engine
        self._interval = manifest.grid
        self._market_lag = max((one.lag for one in manifest.inputs), default=0)

    def of(
        self,
        batch: Batch,
        outputs: dict[str, Float32s],
        now_ms: int,
        standing: Standing,
    ) -> list[tuple[Entry, Message | None]]:
        """What to store for every bar of this batch, and the message that goes out with it.

        `standing`: how the model stands.
        No message says a number that is not finite: JSON has none, and nobody could act on it.
        """
        finite_N = _finite(outputs, len(batch.predicted))
        numbers = {output.name: outputs[output.name].tolist() for output in self._manifest.outputs if outputs}
        opened_N = np.array([one.arrival.bar.opened_at_ms for one in batch.predicted], np.int64)
        looks = {
            one.name: self._looked(one, outputs[one.name], opened_N, batch) for one in self._manifest.looks if outputs
        }
        gates = {one.name: openness(outputs[one.name]).tolist() for one in self._manifest.gates if outputs}
        newest = _newest(batch)
        doubts = self._trust.doubts(batch.predicted, batch.given, standing.drifting, batch.reach)
        banded = bands(self._manifest.outputs, self._manifest.margins, outputs) if outputs else []
        adapted = bands(self._manifest.outputs, standing.margins, outputs) if outputs else []
        messages: list[Message | None] = [None] * len(batch.predicted)
        for row in np.flatnonzero(finite_N).tolist():
            one = batch.predicted[row]
            values = {name: _value(column[row]) for name, column in numbers.items()}
            looked = {name: rows[row] for name, rows in looks.items()}
            context = self._context(one, now_ms, standing, doubts[row], adapted[row] if adapted else {})
            said = self._prediction(one, values, looked, newest[row], banded[row] if banded else {})
            if gates:
                opened = {name: tuple(rows[row]) for name, rows in gates.items()}
                said = msgspec.structs.replace(said, gates=opened)
            messages[row] = Message(said, context)
        if batch.stored is batch.predicted:
            return [_entry(one, message) for one, message in zip(batch.stored, messages, strict=True)]
        of = {key_of(one): message for one, message in zip(batch.predicted, messages, strict=True)}
        return [_entry(one, of.get(key_of(one))) for one in batch.stored]

    def _looked(self, seen: Attention, weights: Float32s, opened_N: TimeArray, batch: Batch) -> list[Gaze]:
        """One look for each prediction, over the steps that are there; a market's window ends earlier, and is whole."""
        steps, market = weights.shape[-1], seen.axes[-1] == "market"
        young = len(batch.reach) and not market
        reach_N = batch.reach.clip(max=steps) if young else np.full(len(opened_N), steps)
        return gazes(weights, opened_N, self._top, self._interval, self._market_lag if market else 0, reach_N)

    def _prediction(
        self,
        one: Stored,
        outputs: dict[str, float | tuple[float, ...]],
        gaze: dict[str, Gaze],
        newest: bytes,
        banded: dict[str, tuple[Band, ...]],
    ) -> Prediction:
        bar, manifest = one.arrival.bar, self._manifest
        return Prediction(
            id=prediction_id(self._digest, bar.symbol, manifest.interval, bar.opened_at_ms, one.revision),
            model=manifest.name,
            version=manifest.version,
            digest=self._digest,
            symbol=bar.symbol,
            interval=manifest.interval,
            opened_at_ms=bar.opened_at_ms,
            closed_at_ms=bar.opened_at_ms + self._interval.ms,
            revision=one.revision,
            close=bar.close,
            outputs=outputs,
            gaze=gaze,
            newest=newest,
            bands=banded,
            high=bar.high,
        )

    def _context(
        self,
        one: Stored,
        now_ms: int,
        standing: Standing,
        doubts: tuple[Doubt, ...],
        adapted: dict[str, tuple[Band, ...]],
    ) -> Context:
        arrival = one.arrival
        return Context(
            venue=arrival.venue,
            origin=arrival.origin,
            late=not arrival.origin.off_a_socket,
            received_at_ms=arrival.received_at_ms,
            published_at_ms=now_ms,
            lateness_ms=arrival.received_at_ms - arrival.bar.opened_at_ms - self._interval.ms,
            filled=one.filled,
            drift=standing.drift,
            drifting=standing.drifting,
            bands=adapted,
            young=standing.young,
            engine=self._engine,
            trusted=not doubts,
            doubts=doubts,
        )


def _entry(one: Stored, message: Message | None) -> tuple[Entry, Message | None]:
    bar = one.arrival.bar
    raw = None if message is None else encode(message)
    return Entry(bar.symbol, bar.opened_at_ms, one.revision, bar.row, raw), message


def _finite(outputs: Mapping[str, Float32s], rows: int) -> npt.NDArray[np.bool_]:
    """(N,): whether all that the model said of each is a number."""
    finite_N = np.ones(rows, np.bool_)
    for values in outputs.values():
        finite_N &= np.isfinite(values.reshape(rows, -1)).all(axis=1)
    return finite_N


def _value(column: float | list[float]) -> float | tuple[float, ...]:
    return tuple(column) if isinstance(column, list) else column


def _newest(batch: Batch) -> list[bytes]:
    """Of each prediction, the newest row of every input."""
    if not batch.predicted:
        return []
    return bytes_of(np.concatenate([values[:, -1] for values in batch.given.values()], axis=1).astype("<f4"))
